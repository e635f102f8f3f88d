package command

import (
	"cmp"
	"strings"
	"time"

	"github.com/lockcached/lockcached/cli/internal/term"
	"github.com/lockcached/lockcached/stats"
)

// A pingCommand is "lockcached ping".
type pingCommand struct{ remote }

func newPing() task { return &pingCommand{newRemote()} }

func (p *pingCommand) run(a *App, args arguments) error {
	if err := cmp.Or(args.wordless("ping"), p.finish()); err != nil {
		return err
	}
	answers := p.askAll("version")
	servers := make([]fields, len(answers))
	for i, x := range answers {
		servers[i] = p.describe(x)
	}
	err := a.print(p.json, servers, func() string {
		t := newTable()
		for i, x := range answers {
			if x.err == nil {
				t.row(x.server, servers[i].text("round_trip_ms")+"ms", term.Printable(whatItIs(servers[i])))
			}
		}
		return t.String()
	})
	return cmp.Or(err, a.complain(answers))
}

// describe describes a server by its answer to version. It asks a server that has answered for its
// lockcached version, which a memcached does not have.
func (p *pingCommand) describe(x answer) fields {
	if x.err != nil {
		return fields{{"server", x.server}, {"up", "0"}, {"error", x.err.Error()}}
	}
	f := fields{{"server", x.server}, {"up", "1"}, {"round_trip_ms", milliseconds(x.took)},
		{"version", strings.TrimPrefix(strings.Join(x.lines, " "), "VERSION ")}}
	release := p.ask(x.server, "get lockcached:version")
	if len(release.lines) == 2 { // the line with VALUE, and the value
		f = append(f, field{"lockcached_version", release.lines[1]})
	}
	return f
}

// whatItIs is a server's name and version.
func whatItIs(f fields) string {
	if release := f.text("lockcached_version"); release != "" {
		return "lockcached " + release
	}
	return "memcached " + f.text("version")
}

func milliseconds(d time.Duration) string {
	return string(stats.AppendMs(nil, float64(d)))
}
