package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// A listing is "lockcached ls".
type listing struct {
	remote
	limit int
}

// mostListed is the longest list that a server gives.
const mostListed = 10_000

func newList() task { return &listing{remote: newRemote(), limit: 100} }

func (l *listing) options() []option {
	return append(l.remote.options(), limitOption(&l.limit))
}

func limitOption(to *int) option {
	return option{
		flag: flag{long: "limit", arg: "num", usage: fmt.Sprintf("locks to list (default: %d, at most %d)", *to, mostListed)},
		take: func(value string) (err error) {
			if *to, err = strconv.Atoi(value); err != nil || *to < 1 || *to > mostListed {
				return fmt.Errorf("should be a number from 1 to %d", mostListed)
			}
			return nil
		},
	}
}

func (l *listing) run(a *app, args arguments) error {
	if err := cmp.Or(args.wordless("ls"), l.finish()); err != nil {
		return err
	}
	locks, answers := l.held(l.limit)
	if err := a.print(l.json, locks, func() string { return l.table(locks).String() }); err != nil {
		return err
	}
	if len(locks) == l.limit && !l.json {
		fmt.Fprintln(a.stderr, "lockcached: there may be more: --limit says how many to list")
	}
	return a.complain(answers)
}

// held asks all servers for their locks, and puts them in one order.
func (r *remote) held(limit int) (locks []fields, answers []answer) {
	locks = []fields{} // which JSON tells from nothing
	answers = r.askAll("stats held " + strconv.Itoa(limit))
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
	slices.SortStableFunc(locks, moreWanted)
	return locks[:min(len(locks), limit)], answers
}

// errNoList is what it means that a server does not know the question.
var errNoList = errors.New("cannot list its locks: it is a memcached, or an older lockcached")

// moreWanted is the order of the servers' lists.
func moreWanted(a, b fields) int {
	return cmp.Or(cmp.Compare(b.count("waiters"), a.count("waiters")), cmp.Compare(b.ms("age_ms"), a.ms("age_ms")))
}

// table shows locks to people.
func (r *remote) table(locks []fields) *table {
	t := newTable()
	t.row(r.columns("KEY", "OWNER", "AGE", "TTL", "QUEUED", "POLLING", "RETRY", "TOKEN", "SERVER")...)
	for _, lock := range locks {
		owner, age, ttl, token := "-", "-", "-", "-"
		if lock.text("held") == "1" {
			owner, token = shown(lock.text("owner")), lock.text("token")
			age, ttl = about(lock.ms("age_ms")), lease(lock)
		}
		t.row(r.columns(shown(lock.text("key")), owner, age, ttl, lock.text("queued"), lock.text("polling"),
			about(lock.ms("retry_ms")), token, lock.text("server"))...)
	}
	return t
}

// columns leaves out the last one, the server, if there is but one.
func (r *remote) columns(list ...string) []string {
	if len(r.servers) == 1 {
		return list[:len(list)-1]
	}
	return list
}

// lease is what is left of a lease.
func lease(lock fields) string {
	if lock.text("ttl_ms") == "-1" {
		return "no end"
	}
	return about(lock.ms("ttl_ms"))
}
