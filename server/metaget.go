package server

import (
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

func (c *conn) metaGet(q *protocol.Request) {
	m := &q.Meta
	if protocol.IsReserved(q.Key) {
		c.metaGetReserved(q)
		return
	}
	look := &locks.Look{
		Key:     q.Key,
		Session: &c.session,
		Touch:   m.Has('T'),
		Lease:   c.lease(m.TTL),
		Unseen:  m.Has('u'),
		Vivify:  m.Has('N'),
		NewCAS:  m.NewCAS,
		Binary:  m.Has('b'),
	}
	var err error
	if c.fills && !look.Vivify {
		err = c.lookFilled(q, look)
	} else {
		err = c.srv.locks.Look(look, (*looked)(c))
	}
	if err == locks.ErrHeld {
		return
	}
	if m.Has('T') {
		c.promise(q.Key, err)
	} else {
		c.promiseSight(q.Key, err)
	}
	switch {
	case err == locks.ErrNotFound && !m.Has('q'):
		c.metaWord(q, "EN")
	case err != nil && err != locks.ErrNotFound:
		c.out.Line(faultOf(err).Line)
	}
}

// looked is a connection that answers mg.
type looked conn

// View carries out the flags that change the item, and answers.
func (a *looked) View(v *locks.View) {
	c := (*conn)(a)
	q := &c.work.req
	m := &q.Meta
	// With C, a client that already has this version does not get the value again.
	withValue := m.Has('v') && !(m.Has('C') && m.Compare == v.Item.CAS())
	appendView(&c.out, v, q.Args, withValue, func(flag []byte) {
		c.metaTouch(v, m, flag)
		if flag[0] == 'R' && m.Recache != 0 {
			v.Recache(c.lease(m.Recache))
		}
	})
}

// appendView appends the answer to an mg with these flags. It passes each flag to carryOut
// before it answers that.
func appendView(out *protocol.Writer, v *locks.View, flags []byte, withValue bool, carryOut func(flag []byte)) {
	metaHit(out, withValue, len(v.Item.Value()))
	for flag, rest := protocol.NextWord(flags); len(flag) > 0; flag, rest = protocol.NextWord(rest) {
		carryOut(flag)
		metaShow(out, v, flag)
	}
	if v.Taken {
		out.MetaMark('Z')
	}
	if v.Stale {
		out.MetaMark('X')
	}
	if v.Won {
		out.MetaMark('W')
	}
	metaEnd(out, withValue, v.Item.Value())
}

// metaShow answers a return flag of mg.
func metaShow(out *protocol.Writer, v *locks.View, flag []byte) {
	switch flag[0] {
	case 's':
		out.MetaUint('s', uint64(len(v.Item.Value())))
	case 't':
		out.MetaInt('t', v.Seconds())
	case 'c':
		out.MetaUint('c', v.Item.CAS())
	case 'f':
		out.MetaUint('f', uint64(v.Item.Flags))
	case 'l':
		out.MetaUint('l', uint64(v.Idle/time.Second))
	case 'h':
		out.MetaUint('h', bit(v.Fetched))
	case 'k':
		out.MetaKey(v.Item.Key(), v.Binary)
	case 'O':
		out.MetaWord(flag)
	}
}

// metaGetReserved answers mg of a reserved key as get would, for clients that only use meta
// commands. There is never anything to recache or touch.
func (c *conn) metaGetReserved(q *protocol.Request) {
	m := &q.Meta
	value, ok := c.reservedValue(q.Key)
	switch {
	case !ok && m.Has('N'):
		c.fault(q, protocol.ErrReserved)
		return
	case !ok && m.Has('q'):
		return
	case !ok:
		c.metaWord(q, "EN")
		return
	}
	metaHit(&c.out, m.Has('v'), len(value))
	for flag, rest := protocol.NextWord(q.Args); len(flag) > 0; flag, rest = protocol.NextWord(rest) {
		switch flag[0] {
		case 's':
			c.out.MetaUint('s', uint64(len(value)))
		case 't':
			c.out.MetaInt('t', -1)
		case 'c', 'f', 'l', 'h':
			c.out.MetaUint(flag[0], 0)
		default:
			c.metaEcho(q, flag)
		}
	}
	metaEnd(&c.out, m.Has('v'), value)
}
