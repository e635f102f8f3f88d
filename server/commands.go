package server

import (
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// run carries out a request and reports whether the connection goes on.
func (c *conn) run(q *protocol.Request) bool {
	switch q.Verb {
	case protocol.Get, protocol.Gets, protocol.Gat, protocol.Gats:
		return c.get(q)
	case protocol.Set, protocol.Add, protocol.Replace, protocol.Append, protocol.Prepend, protocol.CAS:
		return c.store(q)
	case protocol.Delete:
		c.delete(q)
	case protocol.Incr, protocol.Decr:
		c.arith(q)
	case protocol.Touch:
		c.touch(q)
	case protocol.MetaGet, protocol.MetaSet, protocol.MetaDelete, protocol.MetaArith,
		protocol.MetaNoop, protocol.MetaDebug:
		return c.meta(q)
	case protocol.Stats:
		c.transport.passLead()
		return c.stats(q)
	default:
		c.transport.passLead()
		return c.admin(q)
	}
	return true
}

// get answers get, gets, gat and gats. An error takes the place of the end.
func (c *conn) get(q *protocol.Request) bool {
	c.work.withCAS = q.Verb == protocol.Gets || q.Verb == protocol.Gats
	touch := q.Verb == protocol.Gat || q.Verb == protocol.Gats
	for key, rest := protocol.NextWord(q.Args); len(key) > 0; key, rest = protocol.NextWord(rest) {
		if err := c.getOne(key, touch, q.Exptime); err != nil {
			c.out.Line(errorLine(err))
			return !q.More // if the request comes in pieces, the rest would get an END of its own
		}
		if c.flushIfMany() != nil {
			return false
		}
	}
	if !q.More {
		c.out.Line("END")
	}
	return true
}

func (c *conn) getOne(key []byte, touch bool, exptime int32) (err error) {
	var hit bool
	switch {
	case protocol.IsReserved(key):
		c.getReserved(key)
		return nil
	case touch:
		d := lease(exptime)
		err = c.srv.locks.Renew(&locks.Renewal{Key: key, Lease: d, Session: &c.session, Reader: c})
		hit = err == nil
		c.promise(key, err)
	default:
		if hit = c.srv.locks.Get(key, c); !hit {
			c.promise(key, locks.ErrNotFound)
		}
	}
	if c.srv.detail.on.Load() {
		c.srv.detail.get(key, hit)
	}
	if err == locks.ErrNotFound {
		err = nil // a miss has no reply
	}
	return err
}

// Item copies a requested item into the reply.
func (c *conn) Item(it *locks.Item) {
	if c.work.withCAS {
		c.out.ValueCAS(it.Key(), it.Flags, it.Value(), it.CAS())
	} else {
		c.out.Value(it.Key(), it.Flags, it.Value())
	}
}

var storeOps = [...]locks.Op{
	protocol.Set:     locks.Set,
	protocol.Add:     locks.Add,
	protocol.Replace: locks.Replace,
	protocol.Append:  locks.Append,
	protocol.Prepend: locks.Prepend,
	protocol.CAS:     locks.CompareAndSwap,
}

// store answers the storage commands.
func (c *conn) store(q *protocol.Request) bool {
	put := &c.work.put
	*put = locks.Put{
		Op:      storeOps[q.Verb],
		Key:     q.Key,
		Value:   q.Value,
		Flags:   q.Flags,
		Lease:   lease(q.Exptime),
		Dated:   protocol.IsDate(q.Exptime),
		Compare: q.CAS,
		Session: &c.session,
	}
	wait, fault := c.waitFor(q, put)
	if fault != nil {
		c.fault(q, fault)
		return true
	}
	if wait.For > 0 && c.mayWait(&wait) != nil {
		return false
	}
	if c.srv.detail.on.Load() {
		c.srv.detail.set(put.Key)
	}
	done, err := c.srv.locks.PutOrWait(put, &wait)
	if err == locks.ErrQueued {
		c.startWaiting()
		return true
	}
	c.reply(q, "STORED", err)
	if err == nil && put.Op == locks.Add && !q.NoReply {
		c.maybeUnsure(put.Key, done.CAS, wait.For > 0)
	}
	c.promisePut(put, done, err)
	return true
}

func (c *conn) touch(q *protocol.Request) {
	d := lease(q.Exptime)
	err := c.srv.locks.Renew(&locks.Renewal{Key: q.Key, Lease: d, Session: &c.session})
	c.reply(q, "TOUCHED", err)
	c.promise(q.Key, err)
}

func (c *conn) delete(q *protocol.Request) {
	if c.srv.detail.on.Load() {
		c.srv.detail.delete(q.Key)
	}
	err := c.srv.locks.Remove(&locks.Removal{Key: q.Key, Session: &c.session})
	c.reply(q, "DELETED", err)
	c.promise(q.Key, err)
}

func (c *conn) arith(q *protocol.Request) {
	n, err := c.srv.locks.Arith(&locks.Delta{Key: q.Key, By: q.Delta, Decr: q.Verb == protocol.Decr})
	switch {
	case err != nil:
		c.reply(q, "", err)
	case !q.NoReply:
		c.out.Number(n)
	}
	c.promise(q.Key, err)
}
