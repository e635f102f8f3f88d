package server

import (
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// unsureGrants are the grants of a connection of which it is not known whether the
// client has the answers: until it goes on to ask. If the connection ends without that,
// what the client has not taken is withdrawn, be it one grant or thousands.
//
// They are as many as the locks that the connection holds, at most twice, and so their
// memory is bounded by that for locks.
type unsureGrants struct {
	list []unsureGrant
	keys []byte
	// asked says that a claim of the latest input was ready to wait; plain counts the
	// grants to claims that were not: see maybeUnsure.
	asked bool
	plain int
	// inputs counts how often the client has sent something when all was answered.
	inputs int
	// onWay says that the next input does not count, because some of it was there when
	// the answers were sent.
	onWay bool
}

type unsureGrant struct {
	key   int // where the key ends in keys
	token uint64
	at    int64  // when it was granted, on the server's clock; not yet for a plain one
	end   uint64 // of the answer among the bytes written
	sure  int    // it is sure after so many inputs
	plain bool   // of a claim that was not ready to wait, nor any beside it so far
}

// proof is how many inputs show that an answer before them has arrived. The first one
// may have been sent before that; a client that sends a second one reads.
const proof = 2

// Only connections with such grants have any.
var unsurePool = sync.Pool{New: func() any { return &unsureGrants{list: make([]unsureGrant, 0, 4)} }}

// maxPooledGrants and maxPooledKeys, in bytes, bound what goes back to the pool.
const (
	maxPooledGrants = 1 << 10
	maxPooledKeys   = 32 << 10
)

// maybeUnsure notes the grant of a claim that was served at once, whose answer was put
// together just now, if it may have to be withdrawn. asked says that it was ready to
// wait. One that was not is kept, as memcached would keep it, unless the client has
// sent it together with one that was.
func (c *conn) maybeUnsure(key []byte, token uint64, asked bool) {
	besides := c.unsure != nil && c.unsure.asked
	if asked || besides || c.in.Buffered() > 0 {
		g := unsureGrant{token: token, sure: proof, plain: !asked && !besides}
		if !g.plain {
			g.at = c.srv.now()
		}
		c.addUnsure(key, g)
	}
}

// addUnsure notes a grant; g.sure counts from now.
func (c *conn) addUnsure(key []byte, g unsureGrant) {
	u := c.unsure
	if u == nil {
		u = unsurePool.Get().(*unsureGrants)
		c.unsure = u
	}
	if len(u.list) == cap(u.list) {
		u.keep(func(g unsureGrant, key []byte) bool { return c.srv.locks.Holds(key, g.token) })
		if n := len(u.list); n > cap(u.list)/2 {
			u.list = slices.Grow(u.list, n+1) // or the rest would be looked through too often
		}
	}
	u.keys = append(u.keys, key...)
	g.key = len(u.keys)
	g.end = c.bytesWritten.Load() + uint64(c.out.Buffered())
	g.sure += u.inputs
	u.list = append(u.list, g)
	u.asked = u.asked || !g.plain
	if g.plain {
		u.plain++
	}
}

// settlePlain decides about grants to claims that were not ready to wait: at the end of
// an input it is known what else was in it.
func (u *unsureGrants) settlePlain(now func() int64) {
	switch {
	case u.plain == 0:
		return
	case u.asked:
		at := now()
		for i, g := range u.list {
			if g.plain {
				u.list[i].plain, u.list[i].at = false, at
			}
		}
		u.plain = 0
	case u.plain == len(u.list):
		u.list, u.keys, u.plain = u.list[:0], u.keys[:0], 0
	default:
		u.keep(func(g unsureGrant, _ []byte) bool { return !g.plain })
	}
}

// keep drops all others.
func (u *unsureGrants) keep(which func(g unsureGrant, key []byte) bool) {
	list, keys := u.list[:0], u.keys[:0]
	u.plain = 0
	u.each(func(g unsureGrant, key []byte) {
		if which(g, key) {
			keys = append(keys, key...)
			g.key = len(keys)
			list = append(list, g)
			if g.plain {
				u.plain++
			}
		}
	})
	u.list, u.keys = list, keys
}

// each calls do for every grant; do may use the memory of those before.
func (u *unsureGrants) each(do func(g unsureGrant, key []byte)) {
	start := 0
	for _, g := range u.list {
		end := g.key
		do(g, u.keys[start:end])
		start = end
	}
}

// beforeAnswers is called when answers are about to be sent: what has arrived by then was
// not sent because of them.
func (c *conn) beforeAnswers() {
	u := c.unsure
	if u == nil {
		return
	}
	if c.parked == nil && c.in.Buffered() == 0 { // the input is over
		u.settlePlain(c.srv.now)
		if len(u.list) == 0 {
			c.forgetUnsure() // and the kernel need not be asked
			return
		}
	}
	u.onWay = c.transport.unread() > 0
}

// answersSent is called when all answers are with the kernel.
func (c *conn) answersSent() {
	u := c.unsure
	if u == nil {
		return
	}
	if c.parked == nil {
		u.settlePlain(c.srv.now)
	}
	if len(u.list) == 0 {
		c.forgetUnsure()
		return
	}
	u.onWay = u.onWay || c.in.Buffered() > 0 // the beginning of a request
}

// heard is called when the client has sent something.
func (c *conn) heard() {
	u := c.unsure
	if u == nil {
		return
	}
	u.settlePlain(c.srv.now)
	u.asked = false
	if !u.onWay {
		u.inputs++
		u.keep(func(g unsureGrant, _ []byte) bool { return g.sure > u.inputs })
	}
	u.onWay = false
	if len(u.list) == 0 {
		c.forgetUnsure()
	}
}

func (c *conn) forgetUnsure() {
	u := c.unsure
	if u == nil {
		return
	}
	c.unsure = nil
	if cap(u.list) <= maxPooledGrants && cap(u.keys) <= maxPooledKeys {
		*u = unsureGrants{list: u.list[:0], keys: u.keys[:0]}
		unsurePool.Put(u)
	}
}

// fewUnsure is how many grants are withdrawn before others are let at the worker.
const fewUnsure = 16

// withdrawUnsure takes back the grants whose client has gone without their answers.
func (c *conn) withdrawUnsure() {
	u := c.unsure
	if u == nil {
		return
	}
	u.settlePlain(c.srv.now)
	if len(u.list) == 0 {
		c.forgetUnsure()
		return
	}
	arrived := c.arrived(u.list[len(u.list)-1].at)
	if len(u.list) > fewUnsure {
		c.transport.detach()
	}
	u.each(func(g unsureGrant, key []byte) {
		if !arrived(g) {
			c.srv.locks.Withdraw(key, g.token)
		}
	})
	c.forgetUnsure()
}

// A client of which nothing was heard since a grant has it withdrawn when the
// connection is reset within Config.justGranted. A reset that comes later may be some
// middlebox tired of an idle connection, while the client works under its lock.
const defaultJustGranted = 5 * time.Second

// arrived tells, when the connection has ended, which answers to grants the client has
// received; latest is when the last of them was granted. A kernel sends a reset when
// the receiver closes with answers unread, or is not there: then none is known to have
// arrived. After a FIN it answers what comes too late in the same way, but what it has
// acknowledged before was read.
func (c *conn) arrived(latest int64) func(unsureGrant) bool {
	c.readErr = c.transport.seeOff()
	now := c.srv.now()
	switch {
	case endedHere(c.readErr) && c.writeErr == nil:
		return func(unsureGrant) bool { return true }
	case reset(c.readErr) || reset(c.writeErr):
		return func(g unsureGrant) bool { return now-g.at > int64(c.srv.config.justGranted) }
	}
	confirmed := c.confirmed(latest)
	return func(g unsureGrant) bool { return g.end <= confirmed }
}

// confirmed is how many of the bytes written the client's kernel has acknowledged, when
// it has acknowledged all or will acknowledge no more. A client that has only stopped
// sending may take its time.
func (c *conn) confirmed(latest int64) uint64 {
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		f := c.transport.inFlight()
		late := c.srv.now()-latest > int64(c.srv.config.UserTimeout)
		switch written := c.bytesWritten.Load(); {
		case f.unsent == 0:
			return written
		case (late || !f.open) && !f.plain:
			return 0 // it cannot be told which replies these bytes belong to
		case late || !f.open:
			return written - min(written, uint64(f.unsent))
		}
		c.transport.detach()
		time.Sleep(pause)
	}
}

// linger waits, when the server ends, until the client's kernel has confirmed what
// was sent. To close while the client goes on to send resets a TCP connection, and
// answers that are still on their way would be lost. (What a Unix socket was given,
// its other end can read.)
func (c *conn) linger() {
	gone := c.writeErr != nil || c.readErr != nil && !errors.Is(c.readErr, os.ErrDeadlineExceeded)
	if _, isTCP := c.transport.remote().(*net.TCPAddr); gone || !isTCP || !c.finishing.Load() {
		return
	}
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		if f := c.transport.inFlight(); f.unsent == 0 || !f.open || c.transport.isCut() {
			return
		}
		c.transport.detach()
		time.Sleep(pause)
	}
}

// broken tells an error of the socket from its proper end and from what is done
// on our side.
func broken(err error) bool {
	_, fromKernel := errors.AsType[syscall.Errno](err)
	return fromKernel
}

func reset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// endedHere reports whether it is not for the client's sake that nothing more is
// read.
func endedHere(err error) bool {
	return err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed)
}
