package cli

import (
	"cmp"
	"strings"
	"time"

	"github.com/lockcached/lockcached/stats"
)

// A pinging is "lockcached ping".
type pinging struct{ remote }

func newPing() task { return &pinging{newRemote()} }

func (p *pinging) run(a *app, args arguments) error {
	if err := cmp.Or(args.wordless("ping"), p.finish()); err != nil {
		return err
	}
	answers := p.askAll("version")
	releases := p.askAll("get lockcached:version") // of which a memcached knows nothing
	servers := make([]fields, len(answers))
	for i, x := range answers {
		servers[i] = pinged(x, releases[i])
	}
	err := a.print(p.json, servers, func() string {
		t := newTable()
		for i, x := range answers {
			if x.err == nil {
				t.row(x.server, servers[i].text("round_trip_ms")+"ms", shown(whatItIs(servers[i])))
			}
		}
		return t.String()
	})
	return cmp.Or(err, a.complain(answers))
}

// pinged tells of one server, by what it answered to version and to a get of its release.
func pinged(version, release answer) fields {
	if version.err != nil {
		return fields{{"server", version.server}, {"up", "0"}, {"error", version.err.Error()}}
	}
	f := fields{{"server", version.server}, {"up", "1"}, {"round_trip_ms", milliseconds(version.took)},
		{"version", strings.TrimPrefix(strings.Join(version.lines, " "), "VERSION ")}}
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
