package command

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/cli/internal/term"
)

// A statsCommand is "lockcached stats".
type statsCommand struct{ remote }

const statsNotes = `
The words are those of the protocol's "stats": locks, lock KEY, class CLASS, classes, contended,
held, fills, fill KEY, settings, items, conns and others. Without words it prints memcached's counters.
`

func newStats() task { return &statsCommand{newRemote()} }

func (s *statsCommand) run(a *App, args arguments) error {
	question := strings.Join(append([]string{"stats"}, args.all()...), " ")
	if strings.ContainsAny(question, "\r\n") {
		return exit.Refuse("stats", "takes words without line ends")
	}
	if err := s.finish(); err != nil {
		return err
	}
	answers := s.askAll(question)
	documents := []serverStats{}
	for i, x := range answers {
		switch x.err {
		case errUnknown:
			answers[i].err = fmt.Errorf("does not know %q", question)
		case nil:
			documents = append(documents, serverStats{x.server, append(fields{}, parseStats(x.lines)...), x.lines})
		}
	}
	err := a.print(s.json, documents, func() string { return sheets(documents) })
	return cmp.Or(err, a.complain(answers))
}

// serverStats are the statistics of one server.
type serverStats struct {
	Server string   `json:"server"`
	Stats  fields   `json:"stats"`
	lines  []string // as they came
}

// sheets returns a table for each server, under the server's name if there are several.
func sheets(all []serverStats) string {
	var b strings.Builder
	for i, s := range all {
		if len(all) > 1 {
			b.WriteString(strings.Repeat("\n", min(i, 1)) + s.Server + "\n")
		}
		t := newTable()
		for _, f := range s.Stats {
			t.row(term.Printable(f.name), term.Printable(f.text))
		}
		b.WriteString(t.String())
		if len(s.Stats) > 0 {
			continue
		}
		for _, line := range s.lines { // no STAT lines: RESET, dumps
			b.WriteString(term.Printable(line) + "\n")
		}
	}
	return b.String()
}
