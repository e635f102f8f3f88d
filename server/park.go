package server

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// parked is what a connection needs while its client waits in line. Its
// goroutine goes on watching the socket; whoever ends the wait writes the answer
// from its own goroutine, so that a hand-off takes no switch of goroutines.
type parked struct {
	conn     *conn
	waiting  locks.Waiting
	byPolicy bool      // the client did not ask to wait: more input ends it
	meta     setAnswer // to an ms; no flags for add
	text     []byte    // memory for its flags and key

	how     locks.Outcome
	telling atomic.Bool // the answer is being written, or is
	over    atomic.Bool // the answer is written
	behind  atomic.Bool // input waits behind the claim: wake the goroutine when over
	failed  atomic.Bool // the answer could not be written
	at      time.Time   // when it was written
	last    grant
	done    chan struct{} // holds one element once over

	out   protocol.Writer // where the answer is put together
	write func(fd uintptr) bool
	sent  error
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
		p.write = p.writeOnce
		c.spare = p
	}
	c.unsure = false // of a grant before this one
	p.byPolicy, p.meta.flags = byPolicy, nil
	p.how = 0
	p.telling.Store(false)
	p.over.Store(false)
	p.behind.Store(c.raw == nil)
	put.Wait, put.Waiter, put.Waiting = d, p, &p.waiting
	return nil
}

// startWaiting puts the connection to rest after its claim was queued. The
// answer may be written already.
func (c *conn) startWaiting() {
	c.parked = c.spare
	c.srv.parked.Add(1)
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
	p.telling.Store(true)
	p.how, p.at = how, time.Now()
	c.appendOutcome(&p.out, p, how)
	n := p.out.Buffered()
	err := p.send()
	if err == nil {
		c.bytesWritten.Add(uint64(n))
	} else {
		p.failed.Store(true)
		_ = c.nc.Close()
	}
	p.over.Store(true)
	if p.behind.Load() {
		_ = c.nc.SetReadDeadline(past)
	}
	p.done <- struct{}{}
	return err == nil
}

// send writes out without ever waiting for the client.
func (p *parked) send() error {
	if p.conn.raw == nil {
		_, err := p.out.Flush(p.conn.nc)
		return err
	}
	p.sent = nil
	err := p.conn.raw.Write(p.write)
	p.out.Drop()
	if err == nil {
		err = p.sent
	}
	return err
}

// writeOnce is called by RawConn.Write. An answer is a few bytes: a socket that
// does not take them at once belongs to a client that does not read.
func (p *parked) writeOnce(fd uintptr) bool {
	b := p.out.Bytes()
	n, err := transfer(syscall.SYS_WRITE, fd, b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	p.sent = err
	return true
}

// await watches the socket while the client waits in line, and sees to it that
// the wait ends. It reports whether the connection goes on.
func (c *conn) await() bool {
	p := c.parked
	var err error
	if !p.byPolicy || c.in.Buffered() == 0 {
		err = c.watch(p)
	}
	gone, goOn := err != nil, true
	if p.over.Load() || c.srv.locks.GiveUp(&p.waiting, gone) {
		<-p.done
		goOn = c.afterOutcome(p, gone)
	} else {
		// A client that has closed its side only may read this.
		c.appendOutcome(&c.out, p, locks.TimedOut)
	}
	c.parked = nil
	c.srv.parked.Add(-1)
	c.state.Store(stateParse)
	c.lastRead.Store(time.Now().UnixNano())
	return goOn
}

// watch returns when the wait should end or has ended, with an error if the
// client has gone.
func (c *conn) watch(p *parked) error {
	for {
		if p.over.Load() && p.behind.Load() {
			return nil // what to do next is there already
		}
		c.readErr = nil
		if c.raw == nil && c.in.Buffered() >= protocol.MaxLine {
			<-p.done // enough is pipelined; hear no more before the answer
			p.done <- struct{}{}
			continue
		}
		before := c.in.Buffered()
		c.read()
		switch {
		case c.readErr == nil && c.raw == nil && !p.byPolicy && c.in.Buffered() > before:
			continue // pipelined behind a wait asked for by name
		case !errors.Is(c.readErr, os.ErrDeadlineExceeded):
			return c.readErr
		case c.finishing.Load():
			// All waits are ended now; the answer is at most being written.
			<-p.done
			p.done <- struct{}{}
			return nil
		}
		c.clearDeadline()
	}
}

// afterOutcome goes on after an answer written by another goroutine.
func (c *conn) afterOutcome(p *parked, gone bool) bool {
	if p.failed.Load() {
		return false // withdrawn by whoever granted it
	}
	if p.how == locks.Granted {
		c.granted(p.waiting.Key(), p.waiting.Token(), p.at)
	}
	if p.behind.Load() {
		c.clearDeadline()
	}
	if !broken(c.readErr) && (gone || p.behind.Load() || c.in.Buffered() == 0) {
		// What was sent before the answer does not show that it arrived; what
		// comes after this will.
		c.drain()
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
