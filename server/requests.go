package server

import (
	"errors"

	"github.com/lockcached/lockcached/protocol"
)

// handleBuffered handles the requests that have arrived, until one has to wait or other
// connections are due. It reports false when the connection must be closed.
func (c *conn) handleBuffered() bool {
	if c.in.Buffered() == 0 {
		return true
	}
	c.work = works.Get().(*work)
	defer c.dropWork()
	for handled := 1; c.parked == nil; handled++ {
		err := c.in.Next(&c.work.req)
		if err == protocol.ErrShort {
			c.noteShort()
			return true
		}
		if !c.answer(&c.work.req, err) {
			return false
		}
		if handled == c.srv.config.Settings.ReqsPerEvent {
			// A client that pipelines a lot must not keep the others waiting.
			c.srv.counts.yields.Add(1)
			if c.transport.yield() {
				return true
			}
			handled = 0
		}
	}
	return true
}

func (c *conn) dropWork() {
	*c.work = work{}
	works.Put(c.work)
	c.work = nil
}

// answer adds the reply to one request, or to the fault in its place, to the collected
// replies, and sends them if they are many. It reports whether the connection goes on.
func (c *conn) answer(q *protocol.Request, err error) bool {
	if c.requestDue.Load() != 0 {
		c.requestDue.Store(0)
	}
	c.beginReply()
	goesOn := c.handle(q, err)
	if !q.More { // a get in pieces has one reply
		c.endReply()
	}
	return goesOn && c.flushIfMany() == nil
}

// handle answers one request, or the fault in its place, and reports whether the connection
// goes on.
func (c *conn) handle(q *protocol.Request, err error) bool {
	if err == nil {
		return c.run(q)
	}
	if (c.group != nil || c.groupFills) && !c.leaveGroup() {
		return false
	}
	var fault *protocol.Fault
	if !errors.As(err, &fault) {
		return c.dismiss(err)
	}
	if passed, goesOn := c.passRefusal(q, fault); passed {
		return goesOn
	}
	c.fault(q, fault)
	return !fault.Ends
}
