package server

import (
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// meta answers the meta commands. A reply has its return flags in the order of the request,
// so every command walks through the request's flags.
func (c *conn) meta(q *protocol.Request) bool {
	switch q.Verb {
	case protocol.MetaGet:
		c.metaGet(q)
	case protocol.MetaSet:
		return c.metaSet(q)
	case protocol.MetaDelete:
		c.metaDelete(q)
	case protocol.MetaArith:
		c.metaArith(q)
	case protocol.MetaDebug:
		c.metaDebug(q)
	}
	return true
}

func (c *conn) metaDelete(q *protocol.Request) {
	m := &q.Meta
	err := c.remove(&locks.Removal{
		Key:        q.Key,
		Compare:    m.Compare,
		HasCompare: m.Has('C'),
		Invalidate: m.Has('I'),
		Empty:      m.Has('x'),
		Flags:      q.Flags,
		Lease:      c.lease(m.TTL),
		HasLease:   m.Has('T'),
		NewCAS:     m.NewCAS,
	})
	c.metaStatus(q, err)
	c.promise(q.Key, err)
}

func (c *conn) metaArith(q *protocol.Request) {
	m := &q.Meta
	if m.Has('N') && protocol.IsReserved(q.Key) {
		c.fault(q, protocol.ErrReserved)
		return
	}
	err := c.srv.locks.Count(&locks.Delta{
		Key:     q.Key,
		By:      m.Delta,
		Decr:    m.Mode == 'D' || m.Mode == '-',
		Session: &c.session,
		Touch:   m.Has('T'),
		Lease:   c.lease(m.TTL),
		Compare: m.Compare,
		NewCAS:  m.NewCAS,
		Vivify:  m.Has('N'),
		Initial: m.Initial,
		Binary:  m.Has('b'),
	}, (*counted)(c))
	if err != nil {
		c.metaStatus(q, err)
	}
	c.promise(q.Key, err)
}

// counted is a connection that answers ma.
type counted conn

// View carries out the flags that change the item, and answers unless the request has the
// flag q.
func (a *counted) View(v *locks.View) {
	c := (*conn)(a)
	q := &c.work.req
	m := &q.Meta
	var text [20]byte
	value := strconv.AppendUint(text[:0], v.Number, 10)
	quiet := m.Has('q')
	if !quiet {
		metaHit(&c.out, m.Has('v'), len(value))
	}
	for flag, rest := protocol.NextWord(q.Args); len(flag) > 0; flag, rest = protocol.NextWord(rest) {
		c.metaTouch(v, m, flag)
		if quiet {
			continue
		}
		switch flag[0] {
		case 'c':
			c.out.MetaUint('c', v.Item.CAS())
		case 't':
			c.out.MetaInt('t', v.Seconds())
		default:
			c.metaEcho(q, flag)
		}
	}
	if !quiet {
		metaEnd(&c.out, m.Has('v'), value)
	}
}

func (c *conn) metaDebug(q *protocol.Request) {
	c.srv.counts.metas.Add(1)
	err := c.srv.locks.Inspect(q.Key, (*inspected)(c))
	if err != nil {
		c.out.Line("EN")
	}
	c.promiseSight(q.Key, err)
}

// inspected is a connection that answers me.
type inspected conn

func (a *inspected) View(v *locks.View) {
	key := string(v.Item.Key())
	if v.Binary {
		key = base64.StdEncoding.EncodeToString(v.Item.Key())
	}
	fetched := "no"
	if v.Fetched {
		fetched = "yes"
	}
	// All items are of one class, as in "stats items".
	a.out.Line(fmt.Sprintf("ME %s exp=%d la=%d cas=%d fetch=%s cls=1 size=%d",
		key, v.Seconds(), int64(v.Idle.Seconds()), v.Item.CAS(), fetched, v.Item.Size()))
}
