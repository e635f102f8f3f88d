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
	fillPut(put, q)
	put.Session = &c.session
	wait, byPolicy, fault := c.waitFor(q, put)
	if fault != nil {
		c.fault(q, fault)
		return true
	}
	if q.Meta.Has('W') {
		wait, byPolicy, put.GoesOn = waitOf(&q.Meta), false, q.Meta.GoesOn
	}
	answer := setAnswer{flags: q.Args, key: q.Key, binary: put.Binary, quiet: q.Meta.Has('q')}
	if wait > 0 {
		if c.mayWait(put, wait, byPolicy) != nil {
			return false
		}
		c.spare.keepAnswer(&answer)
	}
	done, err := c.srv.locks.Put(put)
	if err == locks.ErrQueued {
		c.startWaiting()
		return true
	}
	answer.append(&c.out, done, err)
	if err == nil && put.Op == locks.Add {
		c.maybeUnsure(put.Key, done.CAS, wait > 0)
	}
	c.promisePut(put, done, err)
	return true
}

// fillPut says what an ms asks for in the words of locks.
func fillPut(put *locks.Put, q *protocol.Request) {
	m := &q.Meta
	*put = locks.Put{
		Op:         metaOp(m),
		Key:        q.Key,
		Value:      q.Value,
		Flags:      q.Flags,
		Lease:      lease(m.TTL),
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
		put.Lease = lease(m.Vivify)
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

// waitOf is how long the flag W lets a claim wait. A number beyond all bounds is
// cut, so that it does not overflow; --max-wait will cut it further.
func waitOf(m *protocol.Meta) time.Duration {
	const limit = uint64(ttl.Forever / time.Millisecond)
	return time.Duration(min(m.WaitMs, limit)) * time.Millisecond
}

// setAnswer is what the reply to an ms is made of, besides the outcome.
type setAnswer struct {
	flags  []byte // of the request
	key    []byte // as the client sent it
	binary bool
	quiet  bool
}

// keepAnswer notes how an ms that may wait is to be answered. The reply is
// written by another goroutine when the reader's buffer is in use for something
// else: hence the copy.
func (p *parked) keepAnswer(a *setAnswer) {
	p.text = append(append(p.text[:0], a.flags...), a.key...)
	p.meta = *a
	p.meta.flags, p.meta.key = p.text[:len(a.flags)], p.text[len(a.flags):]
}

// append appends the reply.
func (a *setAnswer) append(out *protocol.Writer, done locks.Stored, err error) {
	status, ok := metaWords[err]
	switch {
	case !ok:
		out.Line(errorLine(err))
		return
	case err == nil && a.quiet:
		return
	}
	out.Meta(status)
	for flag, rest := protocol.NextWord(a.flags); len(flag) > 0; flag, rest = protocol.NextWord(rest) {
		switch flag[0] {
		case 'O':
			out.MetaWord(flag)
		case 'k':
			out.MetaKey(a.key, a.binary)
		case 'c':
			out.MetaUint('c', done.CAS)
		case 's':
			out.MetaUint('s', uint64(done.Size))
		case 'w':
			out.MetaUint('w', uint64(done.Waiters))
		case 'p':
			out.MetaUint('p', uint64(done.Rank))
		case 'd':
			out.MetaUint('d', uint64(done.Retry.Milliseconds()))
		}
	}
	out.EndMeta()
}
