package command

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/lockcached/lockcached/cli/internal/term"
)

// An order says which of two locks comes first.
type order = func(a, b fields) int

// lockOrders are the values of --sort.
var lockOrders = map[string]order{
	"waiters": moreWanted,
	"key":     byText("key"),
	"owner":   byText("owner"),
	"server":  byText("server"),
	"age":     largestFirst(func(lock fields) float64 { return float64(lock.ms("age_ms")) }),
	"ttl":     smallestFirst(timeLeft),
	"queued":  largestFirst(func(lock fields) float64 { return float64(lock.count("queued")) }),
	"polling": largestFirst(func(lock fields) float64 { return float64(lock.count("polling")) }),
	"retry":   smallestFirst(func(lock fields) float64 { return float64(lock.ms("retry_ms")) }),
	"token":   func(a, b fields) int { return cmp.Compare(b.count("token"), a.count("token")) },
}

func orderNames() string { return strings.Join(slices.Sorted(maps.Keys(lockOrders)), ", ") }

// order is what was asked for. Locks that are equal in it are in that of the servers.
func (c *choice) order() order {
	first := lockOrders[c.sort]
	if first == nil {
		first = moreWanted
	}
	return func(a, b fields) int {
		first := first(a, b)
		if c.reverse {
			first = -first
		}
		return cmp.Or(first, moreWanted(a, b))
	}
}

// moreWanted is the order of the servers' lists.
func moreWanted(a, b fields) int {
	return cmp.Or(cmp.Compare(b.count("waiters"), a.count("waiters")), cmp.Compare(b.ms("age_ms"), a.ms("age_ms")))
}

func byText(name string) order {
	return func(a, b fields) int { return cmp.Compare(a.text(name), b.text(name)) }
}

func smallestFirst(value func(fields) float64) order {
	return func(a, b fields) int { return cmp.Compare(value(a), value(b)) }
}

func largestFirst(value func(fields) float64) order {
	return func(a, b fields) int { return cmp.Compare(value(b), value(a)) }
}

// timeLeft is what is left of a lease. Leases that do not end come last, but before locks
// that nobody holds.
func timeLeft(lock fields) float64 {
	switch {
	case lock.text("held") != "1":
		return math.Inf(1)
	case lock.text("ttl_ms") == "-1":
		return math.MaxFloat64
	}
	return float64(lock.ms("ttl_ms"))
}

// What happens to the columns of a list that is too wide: which may be left out, the first ones
// first, and which are cut.
var (
	dispensableColumns = []string{"TOKEN", "RETRY", "POLLING", "SERVER", "QUEUED", "TTL", "AGE", "OWNER"}
	elasticColumns     = []elastic{{"KEY", 16}, {"OWNER", 12}, {"SERVER", 12}}
)

// table shows locks to people, on so many columns of a terminal; 0 is as many as it takes.
func (r *remote) table(locks []fields, columns int) *table {
	t := newTable()
	t.row(r.columns("KEY", "OWNER", "AGE", "TTL", "QUEUED", "POLLING", "RETRY", "TOKEN", "SERVER")...)
	for _, lock := range locks {
		owner, age, ttl, token := "-", "-", "-", "-"
		if lock.text("held") == "1" {
			owner, token = term.Printable(lock.text("owner")), lock.text("token")
			age, ttl = about(lock.ms("age_ms")), lease(lock)
		} else if left, flag := closed(lock); left > 0 {
			owner, ttl = "(closed: "+strings.TrimPrefix(flag, "--")+")", about(left)
		}
		t.row(r.columns(term.Printable(lock.text("key")), owner, age, ttl, lock.text("queued"), lock.text("polling"),
			about(lock.ms("retry_ms")), token, lock.text("server"))...)
	}
	if columns > 0 {
		t.fit(columns, dispensableColumns, elasticColumns)
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
