package server

import (
	"strconv"
	"strings"
	"time"

	"github.com/lockcached/lockcached/protocol"
	"github.com/lockcached/lockcached/stats"
)

// field is one name and value in an answer to stats.
type field = stats.Field

// fields appends a whole answer to stats.
func (c *conn) fields(q *protocol.Request, list []field) {
	for _, f := range list {
		c.out.Stat(&q.Head, f.Name, f.Text)
	}
	c.out.EndStats(&q.Head, "END")
}

// sheet collects fields.
type sheet []field

func (l *sheet) text(name, value string) { *l = append(*l, field{Name: name, Text: value}) }

func (l *sheet) num(name string, n uint64) { l.text(name, strconv.FormatUint(n, 10)) }

// zero adds, with the value 0, names that memcached counts and this server does not have, so
// that tools find them.
func (l *sheet) zero(names string) {
	for _, name := range strings.Fields(names) {
		l.text(name, "0")
	}
}

func ms(d time.Duration) string { return string(stats.AppendMs(nil, float64(d))) }
