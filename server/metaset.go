package server

import (
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// metaSet answers ms. In add mode it is a claim, and may wait.
func (c *conn) metaSet(q *protocol.Request) bool {
	put := &c.work.put
	c.fillPut(put, q)
	put.Session = &c.session
	wait, fault := c.waitFor(q, put)
	if fault != nil {
		c.fault(q, fault)
		return true
	}
	answer := setAnswer{flags: q.Args, key: q.Key, binary: put.Binary, quiet: q.Meta.Has('q')}
	if wait.For > 0 {
		if c.mayWait(&wait) != nil {
			return false
		}
		c.spare.keepAnswer(&answer)
	}
	done, err := c.srv.locks.PutOrWait(put, &wait)
	if err == locks.ErrQueued {
		c.startWaiting()
		return true
	}
	answer.append(&c.out, done, err)
	if err == nil && put.Op == locks.Add {
		c.maybeUnsure(put.Key, done.CAS, wait.For > 0)
	}
	c.promisePut(put, done, err)
	return true
}

// fillPut translates an ms into a locks.Put.
func (c *conn) fillPut(put *locks.Put, q *protocol.Request) {
	m := &q.Meta
	*put = locks.Put{
		Op:         metaOp(m),
		Key:        q.Key,
		Value:      q.Value,
		Flags:      q.Flags,
		Lease:      c.lease(m.TTL),
		Dated:      protocol.IsDate(m.TTL),
		Compare:    m.Compare,
		HasCompare: m.Compare != 0,
		NewCAS:     m.NewCAS,
		Invalidate: m.Has('I'),
		Vivify:     m.Has('N'),
		Binary:     m.Has('b'),
		WithLine:   m.Has('w') || m.Has('p') || m.Has('d'),
		WithRetry:  m.Has('d'),
	}
	if put.Vivify && (put.Op == locks.Append || put.Op == locks.Prepend) {
		put.Lease = c.lease(m.Vivify)
	}
}

// waitOf is how long a claim may wait by its flag W. A huge number is cut so that it does
// not overflow; --max-wait cuts it further.
func waitOf(m *protocol.Meta) time.Duration {
	const limit = uint64(ttl.Forever / time.Millisecond)
	return time.Duration(min(m.WaitMs, limit)) * time.Millisecond
}
