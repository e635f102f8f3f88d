package server

import (
	"strings"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// faults has the reply for each sentinel error of locks. After the first three, clients keep
// a pooled connection.
var faults = map[error]*protocol.Fault{
	locks.ErrNotStored: protocol.NotStored,
	locks.ErrExists:    protocol.Exists,
	locks.ErrNotFound:  protocol.NotFound,
	locks.ErrTooLarge:  protocol.ErrTooLarge,
	locks.ErrNoMemory:  protocol.ErrNoMemory,
	locks.ErrNotNumber: protocol.ErrNotNumber,
}

// faultOf is the reply for an error of locks.
func faultOf(err error) *protocol.Fault {
	if f, ok := faults[err]; ok {
		return f
	}
	// An ErrJournal and its cause, or what other nodes have said: in one line, whatever it is.
	return &protocol.Fault{Line: "SERVER_ERROR " + strings.Join(strings.Fields(err.Error()), " ")}
}

// metaWords has the word for each sentinel error of locks in replies to meta commands. Other
// errors are faults, as faultOf returns them.
var metaWords = map[error]string{
	nil:                "HD",
	locks.ErrNotStored: "NS",
	locks.ErrExists:    "EX",
	locks.ErrNotFound:  "NF",
}

// refuse answers with an error of locks.
func (c *conn) refuse(q *protocol.Request, err error) { c.out.Fault(&q.Head, faultOf(err)) }

// say answers a request that only the text protocol has.
func (c *conn) say(q *protocol.Request, line string) {
	if !q.NoReply {
		c.out.Line(line)
	}
}

// fault answers a request that could not be carried out.
func (c *conn) fault(q *protocol.Request, f *protocol.Fault) {
	switch f {
	case protocol.ErrTooLarge:
		c.srv.locks.Oversize(q.Key, isSet(q))
	case protocol.ErrNoMemory:
		c.srv.locks.NoRoom(q.Key, isSet(q))
	}
	c.out.Fault(&q.Head, f)
}

// isSet reports whether a request is a set: locks decides what a failed one does to the item.
func isSet(q *protocol.Request) bool {
	return q.Verb == protocol.Set || q.Verb == protocol.MetaSet && metaOp(&q.Meta) == locks.Set
}

// metaOp is the operation that the mode switch of an ms selects.
func metaOp(m *protocol.Meta) locks.Op {
	switch m.Mode {
	case 'E':
		return locks.Add
	case 'A':
		return locks.Append
	case 'P':
		return locks.Prepend
	}
	switch {
	case m.Has('C'):
		return locks.CompareAndSwap
	case m.Mode == 'R':
		return locks.Replace
	}
	return locks.Set
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
