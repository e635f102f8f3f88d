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
	servers := make([]fields, len(answers))
	for i, x := range answers {
		servers[i] = fields{{"server", x.server}, {"up", "1"}, {"round_trip_ms", milliseconds(x.took)}, {"version", version(x.lines)}}
		if x.err != nil {
			servers[i] = fields{{"server", x.server}, {"up", "0"}, {"error", x.err.Error()}}
		}
	}
	err := a.print(p.json, servers, func() string {
		t := newTable()
		for i, x := range answers {
			if x.err == nil {
				t.row(x.server, servers[i].text("round_trip_ms")+"ms", shown(servers[i].text("version")))
			}
		}
		return t.String()
	})
	return cmp.Or(err, a.complain(answers))
}

func version(lines []string) string {
	return strings.TrimPrefix(strings.Join(lines, " "), "VERSION ")
}

func milliseconds(d time.Duration) string {
	return string(stats.AppendMs(nil, float64(d)))
}
