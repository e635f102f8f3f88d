package server

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// How many locks "stats held" lists without a limit in the request, and at most.
const (
	defaultHeld = 100
	maxHeld     = 10_000
)

// statsHeld answers "stats held [LIMIT [PATTERN]]".
func (c *conn) statsHeld(q *protocol.Request, limitWord, glob []byte) {
	limit := defaultHeld
	var pattern *locks.Pattern
	if len(glob) > 0 {
		p, err := locks.NewPattern(string(glob))
		if err != nil {
			c.fault(q, protocol.ErrBadFormat)
			return
		}
		pattern = &p
	}
	if len(limitWord) > 0 {
		var ok bool
		if limit, ok = parseHeldLimit(limitWord); !ok {
			c.fault(q, protocol.ErrBadFormat)
			return
		}
	}
	c.fields(q, c.srv.heldTable(limit, pattern))
}

// heldValue answers a get of lockcached:held:LIMIT: a line for each lock.
func (c *conn) heldValue(limitWord []byte) (value []byte, ok bool) {
	limit, ok := parseHeldLimit(limitWord)
	if !ok || c.srv.config.NoDump {
		return nil, false
	}
	c.transport.passLead()
	return rows(c.srv.heldTable(limit, nil)), true
}

// rows is the value of a reserved key that lists fields: a line for each, with LF between them.
func rows(fields []field) []byte {
	var b bytes.Buffer
	for _, f := range fields {
		b.WriteString(f.Name + " " + f.Text + "\n")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func parseHeldLimit(word []byte) (limit int, ok bool) {
	n, err := strconv.ParseUint(string(word), 10, 32)
	return int(min(n, maxHeld)), err == nil && n > 0
}

// heldTable has a line for each lock that is held, waited for or closed, the most wanted
// first. It has at most limit lines; a nil pattern matches every lock.
func (s *Server) heldTable(limit int, pattern *locks.Pattern) []field {
	var l sheet
	for _, lock := range s.locks.Held(limit, pattern) {
		l.text(word(lock.Name), present(&lock.Lock))
	}
	return l
}

// heldFields are the numbers of a lock in a list.
func heldFields(l *locks.Lock) sheet {
	f := presentFields(l)
	f.text("retry_ms", ms(l.Retry))
	if !l.Held && l.Delay > 0 {
		f.text("delay_ms", ms(l.Delay))
	}
	if !l.Held && l.Settling > 0 {
		f.text("settling_ms", ms(l.Settling))
	}
	return f
}

// present shows a lock in one word. Commas and spaces in its owner are written as %XX.
func present(l *locks.Lock) string {
	f := heldFields(l)
	pairs := make([]string, len(f))
	for i := range f {
		pairs[i] = f[i].Name + "=" + f[i].Text
	}
	return strings.Join(pairs, ",")
}
