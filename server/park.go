package server

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// parked is what a connection needs while its client waits in line. Its transport
// is watched all the while; whoever ends the wait writes the answer from its own
// goroutine, so that a hand-off takes no switch of goroutines. Only where it cannot
// be told whether that would have to wait, the connection is left to write its own.
type parked struct {
	conn     *conn
	writer   nowWriter // nil if the connection writes the answer
	waiting  locks.Waiting
	byPolicy bool      // the client did not ask to wait: more input ends it
	meta     setAnswer // to an ms; no flags for add
	text     []byte    // memory for its flags and key

	how    locks.Outcome
	over   atomic.Bool    // the answer is written, or for the connection to write
	behind atomic.Bool    // input waits behind the claim: wake the connection when over
	err    error          // why the answer could not be written
	at     int64          // when it was written, on the server's clock
	served sync.WaitGroup // over when whoever ends the wait has done that
	armed  bool           // served waits for that

	out protocol.Writer // where the answer is put together
}

var past = time.Unix(1, 0)

// mayWait prepares a claim to wait in line for up to d. What was answered before
// goes out first: the claim's answer may come from another goroutine at any time.
func (c *conn) mayWait(put *locks.Put, d time.Duration, byPolicy bool) error {
	if c.unsure != nil {
		c.unsure.asked = true
	}
	if err := c.flush(); err != nil {
		return err
	}
	p := c.spare
	if p == nil {
		p = &parked{conn: c}
		p.writer, _ = c.transport.(nowWriter)
		c.spare = p
	}
	p.byPolicy, p.meta.flags = byPolicy, nil
	p.how, p.err = 0, nil
	p.over.Store(false)
	p.behind.Store(p.writer == nil) // it may be reading, and has to be told
	p.arm()
	put.Wait, put.Waiter, put.Waiting, put.Named = d, p, &p.waiting, !byPolicy
	return nil
}

// startWaiting puts the connection to rest after its claim was queued. The
// answer may be written already.
func (c *conn) startWaiting() {
	c.parked = c.spare
	c.state.Store(stateWait)
	if c.parked.over.Load() {
		c.state.Store(stateParse)
	}
	if c.in.Buffered() > 0 {
		c.parked.behind.Store(true)
	}
	c.in.Release() // nothing is read while the client waits
}

// Served writes how the wait ended. A client that has gone, or does not read
// what it is sent, is cut off.
func (p *parked) Served(w *locks.Waiting, how locks.Outcome) bool {
	c := p.conn
	p.how, p.at = how, c.srv.now()
	answered := p.writer == nil || p.answer()
	if !answered {
		c.transport.cutOff()
	}
	p.over.Store(true)
	// From now on it is the client that is waited for, whoever looks after the connection.
	c.lastRead.Store(p.at)
	c.state.Store(stateParse)
	behind := p.behind.Load() // before the connection may use p for another wait
	p.served.Done()
	if behind {
		c.transport.wake()
	}
	return answered
}

// arm has await wait for the next call of Served. (If the claim before did not have to
// wait, or gave up in time, it still does.)
func (p *parked) arm() {
	if !p.armed {
		p.armed = true
		p.served.Add(1)
	}
}

// await returns when Served has. It may be called again.
func (p *parked) await() {
	p.served.Wait()
	p.armed = false
}

// answer writes the answer without ever waiting for the client.
func (p *parked) answer() bool {
	c := p.conn
	c.appendOutcome(&p.out, p, p.how)
	b := p.out.Bytes()
	n, err := p.writer.writeNow(b)
	if err == nil && n < len(b) {
		err = errUnread
	}
	p.out.Drop()
	if p.err = err; err != nil {
		return false
	}
	c.bytesWritten.Add(uint64(n))
	return true
}

// endWait ends the wait, if it has not ended, because the client has gone or sent
// what ends it. It reports whether the connection goes on.
func (c *conn) endWait(gone bool) bool {
	p, goesOn := c.parked, true
	if p.over.Load() || c.srv.locks.GiveUp(&p.waiting, gone) {
		if !p.over.Load() {
			c.transport.detach()
		}
		p.await()
		goesOn = c.afterOutcome(p)
	} else {
		// A client that has closed its side only may read this.
		c.appendOutcome(&c.out, p, locks.TimedOut)
	}
	c.parked = nil
	c.state.Store(stateParse)
	c.lastRead.Store(c.srv.now())
	return goesOn
}

// afterOutcome goes on after a wait that another goroutine has ended.
func (c *conn) afterOutcome(p *parked) bool {
	if p.err != nil {
		c.writeErr = p.err
		return false // withdrawn by whoever granted it
	}
	if p.writer == nil && !c.writeOutcome(p) {
		return false
	}
	beside := c.in.Buffered() > 0
	more := c.transport.readBehind()
	if more {
		c.heard() // after the answers before this one
	}
	if p.how == locks.Granted {
		// What was read just now may have been sent before the answer, and is no proof.
		c.addUnsure(p.waiting.Key(), unsureGrant{token: p.waiting.Token(), at: p.at, sure: proof - 1})
		c.unsure.asked = beside || !more
	}
	return !broken(c.readErr) // a client that has closed is read to its end
}

// writeOutcome writes the answer, and nothing with it, so that it is known whether it
// could be written as a whole. If not, a grant is withdrawn.
func (c *conn) writeOutcome(p *parked) bool {
	c.appendOutcome(&c.out, p, p.how)
	if c.flush() == nil {
		return true
	}
	if p.how == locks.Granted {
		c.srv.locks.Withdraw(p.waiting.Key(), p.waiting.Token())
	}
	return false
}

// keepAnswer notes how an ms that may wait is to be answered. The reply is
// written by another goroutine when the reader's buffer is in use for something
// else: hence the copy.
func (p *parked) keepAnswer(a *setAnswer) {
	p.text = append(append(p.text[:0], a.flags...), a.key...)
	p.meta = *a
	p.meta.flags, p.meta.key = p.text[:len(a.flags)], p.text[len(a.flags):]
}

// appendOutcome appends the answer to a claim that has waited.
func (c *conn) appendOutcome(out *protocol.Writer, p *parked, how locks.Outcome) {
	var err error
	if how != locks.Granted {
		err = locks.ErrNotStored
	}
	switch {
	case p.meta.flags != nil:
		p.meta.append(out, p.waiting.Stored(), err)
	case err != nil:
		out.Line("NOT_STORED")
	default:
		out.Line("STORED")
	}
}
