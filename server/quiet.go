package server

import (
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// isQuietGet reports whether a get says nothing of a miss: more of the same, and then a request
// that asks for the answers, are expected to follow.
func isQuietGet(q *protocol.Request) bool {
	switch q.Verb {
	case protocol.Get, protocol.Gat:
		return q.Quiet()
	case protocol.MetaGet:
		return q.Meta.Has('q')
	}
	return false
}

// deferQuiet reports whether a quiet get is answered later, together with those before it. It
// is one of a group as soon as one is held; then the answers to all that follow have to wait.
func (c *conn) deferQuiet(q *protocol.Request) (deferred bool) {
	key := q.Key
	if c.groupFills || protocol.IsReserved(key) || q.Verb == protocol.MetaGet && q.Meta.Has('N') {
		return c.group != nil && c.addToGroup()
	}
	if c.group == nil && !c.srv.locks.MayHold(key) {
		return false
	}
	c.work.holding = c.group
	sight := c.srv.locks.Join(&locks.Fetch{Key: key, Session: &c.session, Back: c, As: askedAs(q)})
	p := c.work.holding
	c.work.holding = nil
	switch sight {
	case locks.Missing:
		c.groupFills = true
		if c.group != nil {
			c.addToGroup()
			_ = c.answerGroup() // an error of the socket will show again
			return true
		}
		return false
	case locks.Held:
		c.group = p
	}
	return c.group != nil && c.addToGroup()
}

// addToGroup has the present request wait with the group.
func (c *conn) addToGroup() bool {
	p := c.group
	p.text = append(p.text, c.in.Text()...)
	if len(p.text) > maxHeldText || p.hold.Keys() > maxHeldKeys {
		_ = c.answerGroup()
	}
	return true
}

// answerGroup ends the wait of a group before the request that asks for its answers has come.
func (c *conn) answerGroup() bool {
	p := c.group
	c.group = nil
	return c.answerNow(p)
}

// endGroup is for the request that asks for the answers.
func (c *conn) endGroup() bool {
	p := c.group
	p.text = append(p.text, c.in.Text()...)
	c.group, c.groupFills = nil, false
	if !c.flushBeforeHold() {
		return false
	}
	if c.in.Buffered() > 0 {
		return c.answerNow(p)
	}
	return c.hold(p)
}

// leaveGroup ends the wait of a group because of other input.
func (c *conn) leaveGroup() bool {
	c.groupFills = false
	if c.group == nil {
		return true
	}
	return c.answerGroup()
}

// dropGroup ends the wait of quiet gets whose connection ends.
func (c *conn) dropGroup() {
	if p := c.group; p != nil {
		c.group = nil
		p.leave(true)
		c.finishHold(p)
	}
}
