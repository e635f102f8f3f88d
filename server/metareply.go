package server

import (
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// metaStatus answers with the outcome of a command that shows no item.
func (c *conn) metaStatus(q *protocol.Request, err error) {
	status, ok := metaWords[err]
	switch {
	case !ok:
		c.out.Line(faultOf(err).Line)
	case err != nil || !q.Meta.Has('q'):
		c.metaWord(q, status)
	}
}

// metaWord answers with a word and the flags by which a client matches the reply to its
// request.
func (c *conn) metaWord(q *protocol.Request, word string) {
	c.out.Meta(word)
	for flag, rest := protocol.NextWord(q.Args); len(flag) > 0; flag, rest = protocol.NextWord(rest) {
		c.metaEcho(q, flag)
	}
	c.out.EndMeta()
}

func (c *conn) metaEcho(q *protocol.Request, flag []byte) {
	switch flag[0] {
	case 'O':
		c.out.MetaWord(flag)
	case 'k':
		c.out.MetaKey(q.Key, q.Meta.Has('b'))
	}
}

// metaTouch carries out a flag that gives the item a new lease. If there are several, the
// last one counts.
func (c *conn) metaTouch(v *locks.View, m *protocol.Meta, flag []byte) {
	switch {
	case flag[0] == 'T':
		v.Touch(c.lease(m.TTL))
	case flag[0] == 'N' && v.Made:
		v.Touch(c.lease(m.Vivify))
	}
}

// metaHit begins and metaEnd ends a reply that shows an item.
func metaHit(out *protocol.Writer, withValue bool, size int) {
	if withValue {
		out.Meta("VA")
		out.MetaSize(size)
	} else {
		out.Meta("HD")
	}
}

func metaEnd(out *protocol.Writer, withValue bool, value []byte) {
	if withValue {
		out.MetaBlock(value)
	} else {
		out.EndMeta()
	}
}
