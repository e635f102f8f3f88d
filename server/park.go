package server

import (
	"io"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// parked is what a connection needs while its client waits in line. Its socket
// is watched all the while; whoever ends the wait writes the answer from its own
// goroutine, so that a hand-off takes no switch of goroutines.
type parked struct {
	conn     *conn
	waiting  locks.Waiting
	byPolicy bool      // the client did not ask to wait: more input ends it
	meta     setAnswer // to an ms; no flags for add
	text     []byte    // memory for its flags and key

	how    locks.Outcome
	over   atomic.Bool // the answer is written
	behind atomic.Bool // input waits behind the claim: nudge the connection when over
	failed atomic.Bool // the answer could not be written
	at     time.Time   // when it was written
	last   grant
	done   chan struct{} // holds one element once over

	out protocol.Writer // where the answer is put together
}

// grant is one of which it is not sure yet that the client knows.
type grant struct {
	key   []byte
	token uint64
	at    time.Time
}

var past = time.Unix(1, 0)

// mayWait prepares a claim to wait in line for up to d. What was answered before
// goes out first: the claim's answer may come from another goroutine at any time.
func (c *conn) mayWait(put *locks.Put, d time.Duration, byPolicy bool) error {
	if err := c.flush(); err != nil {
		return err
	}
	p := c.spare
	if p == nil {
		p = &parked{conn: c, done: make(chan struct{}, 1)}
		c.spare = p
	}
	c.unsure = false // of a grant before this one
	p.byPolicy, p.meta.flags = byPolicy, nil
	p.how = 0
	p.over.Store(false)
	p.behind.Store(c.sock == nil) // a stream's goroutine reads on, and has to be told
	put.Wait, put.Waiter, put.Waiting = d, p, &p.waiting
	return nil
}

// startWaiting puts the connection to rest after its claim was queued. The
// answer may be written already.
func (c *conn) startWaiting() {
	c.parked = c.spare
	c.state.Store(stateWait)
	if c.in.Buffered() > 0 {
		c.parked.behind.Store(true)
	}
	c.in.Release() // nothing is read while the client waits
}

// Served writes how the wait ended. A client that has gone, or does not read
// what it is sent, is cut off.
func (p *parked) Served(w *locks.Waiting, how locks.Outcome) bool {
	c := p.conn
	p.how, p.at = how, time.Now()
	c.appendOutcome(&p.out, p, how)
	n := p.out.Buffered()
	err := p.send()
	if err == nil {
		c.bytesWritten.Add(uint64(n))
	} else {
		p.failed.Store(true)
		c.cutOff()
	}
	p.over.Store(true)
	behind := p.behind.Load() // before the connection may use p for another wait
	p.done <- struct{}{}
	if behind {
		c.nudge()
	}
	return err == nil
}

// send writes the answer without ever waiting for the client. It is a few bytes:
// a socket that does not take them at once belongs to a client that does not read.
func (p *parked) send() error {
	if p.conn.sock == nil {
		_, err := p.out.Flush(p.conn.stream)
		return err
	}
	b := p.out.Bytes()
	n, err := transfer(syscall.SYS_WRITE, p.conn.sock.fd, b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	p.out.Drop()
	return err
}

// endWait ends the wait, if it has not ended, because the client has gone or sent
// what ends it. It reports whether the connection goes on.
func (c *conn) endWait(gone bool) bool {
	p, goesOn := c.parked, true
	if p.over.Load() || c.srv.locks.GiveUp(&p.waiting, gone) {
		c.waitUntil(p.done)
		goesOn = c.afterOutcome(p)
	} else {
		// A client that has closed its side only may read this.
		c.appendOutcome(&c.out, p, locks.TimedOut)
	}
	c.parked = nil
	c.state.Store(stateParse)
	c.lastRead.Store(time.Now().UnixNano())
	return goesOn
}

// waitUntil waits until another goroutine has written the answer.
func (c *conn) waitUntil(done <-chan struct{}) {
	select {
	case <-done:
		return
	default:
	}
	if c.sock != nil {
		c.sock.detach()
	}
	<-done
}

// afterOutcome goes on after an answer written by another goroutine.
func (c *conn) afterOutcome(p *parked) bool {
	if p.failed.Load() {
		return false // withdrawn by whoever granted it
	}
	if p.how == locks.Granted {
		c.granted(p.waiting.Key(), p.waiting.Token(), p.at)
	}
	if c.sock == nil {
		c.clearDeadline()
	} else if !broken(c.readErr) {
		// What was sent before the answer does not show that it arrived; what
		// comes after this will.
		c.receive()
	}
	return !broken(c.readErr) // a client that has closed is read to its end
}

// granted notes a grant to a claim that was ready to wait. Such a client may have
// given up by now, even if it was served at once: until it sends something else it
// is not sure that the answer has arrived.
func (c *conn) granted(key []byte, token uint64, at time.Time) {
	last := &c.spare.last
	last.key, last.token, last.at = append(last.key[:0], key...), token, at
	c.unsure = true
}

// withdrawUnsure takes back a grant whose client has gone without its answer.
func (c *conn) withdrawUnsure() {
	if c.unsure && !c.arrived(c.spare.last.at) {
		c.srv.locks.Withdraw(c.spare.last.key, c.spare.last.token)
	}
}
