package daemon

import (
	"fmt"
	"strings"

	"github.com/lockcached/lockcached/cli/internal/term"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/stats"
)

// shown is live for a flag with one value.
func shown[T any](field func(*config) *T) func(*config) string {
	return func(c *config) string {
		switch value := any(*field(c)).(type) {
		case bool:
			if value {
				return "yes"
			}
			return "no"
		case string:
			return orNone(value)
		default:
			return fmt.Sprint(value)
		}
	}
}

func orNone(value string) string {
	if value == "" {
		return "none"
	}
	return value
}

func shownLevel(c *config) string { return c.level().String() }

// shownList is live for a flag with a list of values, in the form in which they were given.
func shownList[T any](field func(*config) *[]T, row func(T) string) func(*config) string {
	return func(c *config) string {
		var rows []string
		for _, each := range *field(c) {
			rows = append(rows, row(each))
		}
		return orNone(strings.Join(rows, ","))
	}
}

func shownWait(p locks.WaitPolicy) string   { return p.Pattern.String() + "=" + p.Wait.String() }
func shownDelay(d locks.LockDelay) string   { return d.Pattern.String() + "=" + d.Delay.String() }
func shownFill(p locks.FillPolicy) string   { return p.Pattern.String() + "=" + p.For.String() }
func shownPattern(p locks.Pattern) string   { return p.String() }
func shownEarly(p locks.EarlyPolicy) string { return fmt.Sprint(p.Pattern, "=", p.Beta) }

// shownOtherwise are the flags whose values "stats settings" has under memcached's names.
var shownOtherwise = map[string]bool{
	"memory-limit": true, "disable-evictions": true, "conn-limit": true, "verbose": true,
	"tls-cert": true, "tls-key": true, "tls-ca": true, "auth-file": true,
}

// rows are the live settings in effect, for "stats settings".
func (c *config) rows() (list []stats.Field) {
	for i := range flags {
		if f := &flags[i]; f.live != nil && !shownOtherwise[f.long] {
			list = append(list, stats.Field{Name: strings.ReplaceAll(f.long, "-", "_"), Text: term.Printable(f.live(c))})
		}
	}
	return list
}
