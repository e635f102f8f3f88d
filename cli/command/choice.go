package command

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/cli/internal/term"
)

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
		{long: "reverse", usage: "reverse the order", take: turnOn(&c.reverse)},
	}
}

// takePattern takes the one word that the command line may have besides flags.
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
	if _, err := argv.Pattern(c.pattern); err != nil {
		return exit.Refuse("pattern "+c.pattern, err.Error())
	}
	return nil
}

// question returns the request to a server. The reply lists the most wanted locks first; another
// order needs the longest list.
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

// An order says which of two locks comes first.
type order = func(a, b fields) int

// lockOrders are the values of --sort.
var lockOrders = map[string]order{
	"waiters": moreWanted,
	"key":     byText("key"),
	"owner":   byText("owner"),
	"server":  byText("server"),
	"node":    byText("node"),
	"age":     largestFirst(func(lock fields) float64 { return float64(lock.ms("age_ms")) }),
	"ttl":     smallestFirst(timeLeft),
	"queued":  largestFirst(func(lock fields) float64 { return float64(lock.count("queued")) }),
	"polling": largestFirst(func(lock fields) float64 { return float64(lock.count("polling")) }),
	"retry":   smallestFirst(func(lock fields) float64 { return float64(lock.ms("retry_ms")) }),
	"token":   func(a, b fields) int { return cmp.Compare(b.count("token"), a.count("token")) },
}

func orderNames() string { return strings.Join(slices.Sorted(maps.Keys(lockOrders)), ", ") }

// order returns the order that was asked for. Locks that are equal in it are in the servers' order.
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

// timeLeft is what is left of a lease. Leases without an end come last, but before locks that
// nobody holds.
func timeLeft(lock fields) float64 {
	switch {
	case lock.text("held") != "1":
		return math.Inf(1)
	case lock.text("ttl_ms") == "-1":
		return math.MaxFloat64
	}
	return float64(lock.ms("ttl_ms"))
}
