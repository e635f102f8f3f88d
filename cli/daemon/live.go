package daemon

import (
	"fmt"
	"strings"

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

func shownWaits(c *config) string {
	var rows []string
	for _, p := range c.locks.WaitPolicies {
		rows = append(rows, p.Pattern.String()+"="+p.Wait.String())
	}
	return orNone(strings.Join(rows, ","))
}

func shownDelays(c *config) string {
	var rows []string
	for _, d := range c.locks.LockDelays {
		rows = append(rows, d.Pattern.String()+"="+d.Delay.String())
	}
	return orNone(strings.Join(rows, ","))
}

// shownOtherwise are the flags whose values "stats settings" has under memcached's names.
var shownOtherwise = map[string]bool{
	"memory-limit": true, "disable-evictions": true, "conn-limit": true, "verbose": true,
	"tls-cert": true, "tls-key": true, "tls-ca": true, "auth-file": true,
}

// rows are the live settings in effect, for "stats settings".
func (c *config) rows() (list []stats.Field) {
	for i := range flags {
		if f := &flags[i]; f.live != nil && !shownOtherwise[f.long] {
			list = append(list, stats.Field{Name: strings.ReplaceAll(f.long, "-", "_"), Text: f.live(c)})
		}
	}
	return list
}
