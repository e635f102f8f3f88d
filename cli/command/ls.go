package command

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// A lsCommand is "lockcached ls".
type lsCommand struct {
	remote
	choice
}

const listNotes = `
PATTERN is a glob that the keys have to match, such as 'lock:*'. A lock that is closed by the
server's --lock-delay or --settle has no owner; its TTL is how much longer it stays closed.
On a terminal the list is made to fit: TOKEN and then other columns are left out, and keys and owners
are cut in the middle. In a pipe, and with --json, nothing is left out.

Of a cluster one node suffices: the others are asked, too, and NODE says which one serves the lock.
`

func newList() task { return &lsCommand{remote: newRemote(), choice: choice{limit: 100}} }

func (l *lsCommand) options() []option {
	return append(l.remote.options(), l.choice.options()...)
}

func (l *lsCommand) run(a *App, args arguments) error {
	if err := cmp.Or(l.takePattern("ls", args), l.finish()); err != nil {
		return err
	}
	if err := l.spread(); err != nil {
		return err
	}
	locks, answers := l.held(l.choice)
	if err := a.print(l.json, locks, func() string { return l.table(locks, a.columns()).String() }); err != nil {
		return err
	}
	if len(locks) == l.limit && !l.json {
		fmt.Fprintln(a.Stderr, "lockcached: there may be more: --limit says how many to list")
	}
	for _, notice := range l.settling(answers) {
		fmt.Fprintf(a.Stderr, "lockcached: %s\n", notice)
	}
	return a.complain(answers)
}

// held asks all servers for their locks, and sorts them together.
func (r *remote) held(c choice) (locks []fields, answers []answer) {
	locks = []fields{} // not nil, which JSON writes as null
	answers = r.askAll(c.question())
	for i := range answers {
		x := &answers[i]
		if x.err == errUnknown {
			x.err = errNoList
		}
		for _, f := range parseStats(x.lines) {
			locks = append(locks, append(r.origin(f.name, x.server), parsePairs(f.text, ",")...))
		}
	}
	slices.SortStableFunc(locks, c.order())
	return locks[:min(len(locks), c.limit)], answers
}

// origin is what every lock in an answer begins with: its key, and where it lives.
func (r *remote) origin(key, server string) fields {
	origin := fields{{"key", key}, {"server", server}}
	if name := r.nodes.names[server]; name != "" {
		origin = append(origin, field{"node", name})
	}
	return origin
}

// errNoList is the error for a server that does not know the request.
var errNoList = errors.New("cannot list its locks: it is a memcached, or an older lockcached")

// settling returns a sentence for each server that answered but grants no locks yet.
func (r *remote) settling(answers []answer) (notices []string) {
	for _, x := range answers {
		if x.err != nil {
			continue
		}
		totals := parseStats(r.ask(x.server, "stats locks").lines)
		if d := totals.ms("settling_ms"); d > 0 {
			notices = append(notices, r.called(x.server)+": no lock is granted for another "+about(d)+", after the start (--settle)")
		}
	}
	return notices
}
