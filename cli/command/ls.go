package command

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/cli/internal/term"
)

// A listing is "lockcached ls".
type listing struct {
	remote
	choice
}

const listNotes = `
PATTERN is a glob that the keys have to match, such as 'lock:*'. A lock that is closed by the
server's --lock-delay or --settle has no owner; its TTL is how much longer it stays closed.
On a terminal the list is made to fit: TOKEN and then other columns are left out, keys and owners
are cut in the middle. In a pipe, and with --json, everything is there.
`

func newList() task { return &listing{remote: newRemote(), choice: choice{limit: 100}} }

func (l *listing) options() []option {
	return append(l.remote.options(), l.choice.options()...)
}

func (l *listing) run(a *App, args arguments) error {
	if err := cmp.Or(l.takePattern("ls", args), l.finish()); err != nil {
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

// A choice says which locks to list, and in what order.
type choice struct {
	pattern string // of keys; "" for all
	sort    string // a name in lockOrders; "" for the default
	reverse bool
	limit   int
}

// mostListed is the longest list that a server gives.
const mostListed = 10_000

func (c *choice) options() []option {
	return []option{
		{
			long: "limit", arg: "num", usage: fmt.Sprintf("locks to list (default: %d, at most %d)", c.limit, mostListed),
			take: func(value string) (err error) {
				if c.limit, err = strconv.Atoi(value); err != nil || c.limit < 1 || c.limit > mostListed {
					return fmt.Errorf("should be a number from 1 to %d", mostListed)
				}
				return nil
			},
		},
		{long: "sort", arg: "column", usage: "the order, by a column or by waiters (default: waiters)", take: func(value string) error {
			if c.sort = value; lockOrders[value] == nil {
				return errors.New("should be one of " + orderNames())
			}
			return nil
		}},
		{long: "reverse", usage: "turn the order round", take: turnOn(&c.reverse)},
	}
}

// takePattern takes the one word that may stand beside the flags.
func (c *choice) takePattern(command string, args arguments) error {
	switch words := args.all(); {
	case len(words) == 0:
		return nil
	case len(words) > 1:
		return exit.Refuse(term.Printable(words[1]), "is one word too many: lockcached "+command+" takes one pattern; quote it")
	default:
		c.pattern = words[0]
	}
	if err := checkKey(c.pattern); err != nil {
		return err
	}
	if err := argv.CheckPattern(c.pattern); err != nil {
		return exit.Refuse("pattern "+c.pattern, err.Error())
	}
	return nil
}

// question is what to ask a server. It lists the most wanted locks first: whoever wants
// another order has to know all of them.
func (c *choice) question() string {
	limit := c.limit
	if c.sort != "" || c.reverse {
		limit = mostListed
	}
	question := "stats held " + strconv.Itoa(limit)
	if c.pattern != "" {
		question += " " + c.pattern
	}
	return question
}

// held asks all servers for their locks, and puts them in one order.
func (r *remote) held(c choice) (locks []fields, answers []answer) {
	locks = []fields{} // which JSON tells from nothing
	answers = r.askAll(c.question())
	for i := range answers {
		x := &answers[i]
		if x.err == errUnknown {
			x.err = errNoList
		}
		for _, f := range parseStats(x.lines) {
			lock := append(fields{{"key", f.name}, {"server", x.server}}, parsePairs(f.text, ",")...)
			locks = append(locks, lock)
		}
	}
	slices.SortStableFunc(locks, c.order())
	return locks[:min(len(locks), c.limit)], answers
}

// errNoList is what it means that a server does not know the question.
var errNoList = errors.New("cannot list its locks: it is a memcached, or an older lockcached")

// settling has a sentence for each server that answered and grants no locks yet.
func (r *remote) settling(answers []answer) (notices []string) {
	for _, x := range answers {
		if x.err != nil {
			continue
		}
		totals := fields(parseStats(r.ask(x.server, "stats locks").lines))
		if d := totals.ms("settling_ms"); d > 0 {
			notices = append(notices, x.server+": no lock is granted for another "+about(d)+", after the start (--settle)")
		}
	}
	return notices
}
