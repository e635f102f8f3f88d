package server

import (
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// run answers a request and reports whether the connection goes on.
func (c *conn) run(q *protocol.Request) bool {
	// What has begun ends as it began, even if the policies have gone meanwhile.
	c.fills = c.srv.locks.Fills() || c.group != nil || c.groupFills || c.work.answering != nil
	if c.member != nil {
		return c.runInCluster(q)
	}
	return c.carryOut(q)
}

// carryOut is run for a request that is carried out here.
func (c *conn) carryOut(q *protocol.Request) bool {
	if c.fills {
		return c.runFills(q)
	}
	return c.dispatch(q)
}

func (c *conn) dispatch(q *protocol.Request) bool {
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
	case protocol.MetaGet, protocol.MetaSet, protocol.MetaDelete, protocol.MetaArith, protocol.MetaDebug:
		return c.meta(q)
	case protocol.Noop:
		c.out.Noop(&q.Head)
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
	for key, rest := q.NextKey(q.Args); len(key) > 0; key, rest = q.NextKey(rest) {
		if err := c.getOne(q, key); err != nil {
			if err == locks.ErrHeld {
				return true
			}
			c.refuse(q, err)
			return !q.More // if the request comes in pieces, the rest would get an END of its own
		}
		if c.flushIfMany() != nil {
			return false
		}
	}
	if !q.More {
		c.out.EndGet(&q.Head)
	}
	return true
}

func (c *conn) getOne(q *protocol.Request, key []byte) (err error) {
	var hit bool
	switch {
	case protocol.IsReserved(key):
		c.getReserved(q, key)
		return nil
	case c.fills:
		if err = c.getFilled(q, key); err == locks.ErrHeld {
			return err
		}
		hit = err == nil
	case q.Verb == protocol.Gat || q.Verb == protocol.Gats:
		d := c.lease(q.Exptime)
		_, err = c.srv.locks.Renew(&locks.Renewal{Key: key, Lease: d, Session: &c.session, Reader: c})
		hit = err == nil
		c.promise(key, err)
	default:
		err = c.srv.locks.Get(key, &c.session, c)
		hit = err == nil
		c.promiseSight(key, err)
	}
	if c.srv.detail.on.Load() {
		c.srv.detail.get(key, hit)
	}
	if hit || err != nil && err != locks.ErrNotFound {
		return err
	}
	c.out.Miss(&q.Head, key)
	return nil
}

// Item copies a requested item into the reply.
func (c *conn) Item(it *locks.Item) {
	c.out.Hit(&c.work.req.Head, it.Key(), it.Flags, it.Value(), it.CAS())
}

var storeOps = [...]locks.Op{
	protocol.Set:     locks.Set,
	protocol.Add:     locks.Add,
	protocol.Replace: locks.Replace,
	protocol.Append:  locks.Append,
	protocol.Prepend: locks.Prepend,
	protocol.CAS:     locks.CompareAndSwap,
}

// storeOp is the operation that a storage command asks for. In the binary protocol any of them
// can name the version that it means, even add.
func storeOp(q *protocol.Request) locks.Op {
	op := storeOps[q.Verb]
	if q.CAS != 0 && op != locks.Append && op != locks.Prepend {
		return locks.CompareAndSwap
	}
	return op
}

// store answers the storage commands.
func (c *conn) store(q *protocol.Request) bool {
	put := &c.work.put
	*put = locks.Put{
		Op:         storeOp(q),
		Key:        q.Key,
		Value:      q.Value,
		Flags:      q.Flags,
		Lease:      c.lease(q.Exptime),
		Dated:      protocol.IsDate(q.Exptime),
		Compare:    q.CAS,
		HasCompare: q.CAS != 0,
		Binary:     q.Unprintable,
		Session:    &c.session,
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
	if err != nil {
		c.refuse(q, err)
	} else {
		c.out.Stored(&q.Head, done.CAS)
	}
	if err == nil && put.Op == locks.Add && !q.NoReply {
		c.maybeUnsure(put.Key, done.CAS, wait.For > 0)
	}
	c.promisePut(put, done, err)
	return true
}

func (c *conn) touch(q *protocol.Request) {
	d := c.lease(q.Exptime)
	renewed, err := c.srv.locks.Renew(&locks.Renewal{Key: q.Key, Lease: d, Session: &c.session})
	if err != nil {
		c.refuse(q, err)
	} else {
		c.out.Touched(&q.Head, renewed.Flags, renewed.CAS)
	}
	c.promise(q.Key, err)
}

func (c *conn) delete(q *protocol.Request) {
	if c.srv.detail.on.Load() {
		c.srv.detail.delete(q.Key)
	}
	err := c.remove(&locks.Removal{
		Key:        q.Key,
		Compare:    q.CAS,
		HasCompare: q.CAS != 0,
	})
	if err != nil {
		c.refuse(q, err)
	} else {
		c.out.Deleted(&q.Head)
	}
	c.promise(q.Key, err)
}

// remove removes what the client asks for, which may be its lock.
func (c *conn) remove(r *locks.Removal) error {
	r.Session, r.Served = &c.session, c.transport.served()
	err := c.srv.locks.Remove(r)
	if keeps := r.Invalidate || r.Empty; err == nil && c.unsure != nil && !keeps {
		c.unsure.ended(r.Key)
	}
	return err
}

func (c *conn) arith(q *protocol.Request) {
	if q.Create && protocol.IsReserved(q.Key) {
		c.fault(q, protocol.ErrReserved)
		return
	}
	err := c.count(q, &locks.Delta{
		Key:     q.Key,
		By:      q.Delta,
		Decr:    q.Verb == protocol.Decr,
		Compare: q.CAS,
		Session: &c.session,
	})
	if err != nil {
		c.refuse(q, err)
	}
	c.promise(q.Key, err)
}

// count answers incr and decr, unless it returns an error.
func (c *conn) count(q *protocol.Request, d *locks.Delta) error {
	if q.Create {
		d.Vivify, d.Initial, d.Binary = true, q.Initial, q.Unprintable
		return c.srv.locks.Count(d, (*counter)(c))
	}
	n, cas, err := c.srv.locks.Arith(d)
	if err == nil {
		c.out.Number(&q.Head, n, cas)
	}
	return err
}

// counter is a connection that answers an incr or decr which creates a missing number.
type counter conn

// View gives a number that was created its lease, and answers.
func (a *counter) View(v *locks.View) {
	q := &a.work.req
	if v.Made {
		v.Touch((*conn)(a).lease(q.Exptime))
	}
	a.out.Number(&q.Head, v.Number, v.Item.CAS())
}
