package server

import (
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// words has the reply for each sentinel error of locks. After the first three, clients keep
// a pooled connection; the others are faults.
var words = map[error]string{
	locks.ErrNotStored: "NOT_STORED",
	locks.ErrExists:    "EXISTS",
	locks.ErrNotFound:  "NOT_FOUND",
	locks.ErrTooLarge:  "SERVER_ERROR object too large for cache",
	locks.ErrNoMemory:  "SERVER_ERROR out of memory storing object",
	locks.ErrNotNumber: "CLIENT_ERROR cannot increment or decrement non-numeric value",
}

// errorLine is the reply for an error of locks.
func errorLine(err error) string {
	if w, ok := words[err]; ok {
		return w
	}
	return "SERVER_ERROR " + err.Error() // an ErrJournal and its cause
}

// metaWords has the word for each sentinel error of locks in replies to meta commands. Other
// errors are faults, with the line from errorLine.
var metaWords = map[error]string{
	nil:                "HD",
	locks.ErrNotStored: "NS",
	locks.ErrExists:    "EX",
	locks.ErrNotFound:  "NF",
}

// reply answers with the word for success, or for err if it is not nil.
func (c *conn) reply(q *protocol.Request, success string, err error) {
	if q.NoReply {
		return
	}
	if err != nil {
		success = errorLine(err)
	}
	c.out.Line(success)
}

func (c *conn) say(q *protocol.Request, line string) {
	if !q.NoReply {
		c.out.Line(line)
	}
}

// fault answers a request that could not be carried out.
func (c *conn) fault(q *protocol.Request, f *protocol.Fault) {
	// locks decides what a failed set does to the item.
	isSet := q.Verb == protocol.Set || q.Verb == protocol.MetaSet && metaOp(&q.Meta) == locks.Set
	switch f {
	case protocol.ErrTooLarge:
		c.srv.locks.Oversize(q.Key, isSet)
	case protocol.ErrNoMemory:
		c.srv.locks.NoRoom(q.Key, isSet)
	}
	if !q.NoReply {
		c.out.Line(f.Line)
	}
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
