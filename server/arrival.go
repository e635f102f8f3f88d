package server

import (
	"bytes"
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// unsureGrants are the grants of a connection whose answers may not have reached the
// client. A grant is sure once the client has sent enough further input. If the connection
// ends before that, every grant that the client has not received is withdrawn.
//
// There are at most twice as many as the connection holds locks, so the limit on the
// memory of locks bounds these, too; in a cluster, maxUnsure does. Plain grants are as many
// as one input asks for.
type unsureGrants struct {
	list []unsureGrant
	keys []byte
	// asked says that some claim in the latest input was ready to wait; plain counts the
	// grants to claims that were not: see maybeUnsure.
	asked bool
	plain int
	// inputs counts how often the client has sent something after everything was answered.
	inputs int
	// onWay says that the next input does not count, because part of it had arrived before
	// the answers were sent.
	onWay bool
}

type unsureGrant struct {
	key   int // where the key ends in keys
	token uint64
	at    int64  // when it was granted, on the server's clock; zero while it is plain
	end   uint64 // where its answer ends among the bytes written
	sure  int    // the value of inputs at which it is sure
	plain bool   // neither its claim nor, so far, any other in the same input was ready to wait
}

// proof is how many inputs after an answer show that it has arrived. The client may have
// sent the first input before it read the answer; a client that sends a second one reads.
const proof = 2

// unsurePool serves the connections that have such grants; the others need no memory for them.
var unsurePool = sync.Pool{New: func() any { return &unsureGrants{list: make([]unsureGrant, 0, 4)} }}

// What is larger does not go back to the pool: maxPooledGrants is a number of grants,
// maxPooledKeys is in bytes.
const (
	maxPooledGrants = 1 << 10
	maxPooledKeys   = 32 << 10
)

// maxUnsure is how many grants are remembered in a cluster, where nobody here knows whether
// those of other nodes still hold. Older ones then stay until their TTL.
const maxUnsure = 4 << 10

// maybeUnsure records the grant of a claim that was served at once, if the grant may have
// to be withdrawn. The answer has just been put together. asked says that the claim was
// ready to wait. A grant to a claim that was not stays, as it would in memcached, unless
// the client has sent that claim together with one that was ready to wait.
func (c *conn) maybeUnsure(key []byte, token uint64, asked bool) {
	if c.isRemote() {
		c.member.remote.grants(token) // the front will judge
		return
	}
	besides := c.unsure != nil && c.unsure.asked
	if asked || besides || c.in.Buffered() > 0 {
		g := unsureGrant{token: token, sure: proof, plain: !asked && !besides}
		if !g.plain {
			g.at = c.srv.now()
		}
		c.addUnsure(key, g)
	}
}

// addUnsure records a grant; g.sure counts from now.
func (c *conn) addUnsure(key []byte, g unsureGrant) {
	u := c.unsure
	if u == nil {
		u = unsurePool.Get().(*unsureGrants)
		c.unsure = u
	}
	if len(u.list) == cap(u.list) && u.plain < len(u.list) { // plain ones go when the input is over
		u.keep(func(g unsureGrant, key []byte) bool { return c.srv.locks.Holds(key, g.token) })
		switch n := len(u.list); {
		case n >= maxUnsure && c.member != nil:
			u.forgetOldest(n / 2)
		case n > cap(u.list)/2:
			u.list = slices.Grow(u.list, n+1) // otherwise the list would be searched too often
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

// ended is called when the client has removed the key. If that was its latest grant, whether the
// answer to that arrived does not matter any more, and the kernel need not be asked. (An older
// one costs a look whether it still holds.)
func (u *unsureGrants) ended(key []byte) {
	last := len(u.list) - 1
	if last < 0 {
		return
	}
	start := 0
	if last > 0 {
		start = u.list[last-1].key
	}
	if !bytes.Equal(u.keys[start:], key) {
		return
	}
	if u.list[last].plain {
		u.plain--
	}
	u.list, u.keys = u.list[:last], u.keys[:start]
}

// settlePlain decides which grants to claims that were not ready to wait stay unsure. It
// is called at the end of an input, when all claims in that input are known.
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

// keep drops the grants for which which returns false.
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

// forgetOldest drops the first n grants.
func (u *unsureGrants) forgetOldest(n int) {
	u.keep(func(unsureGrant, []byte) bool {
		n--
		return n < 0
	})
}

// each calls do for every grant; do may overwrite the memory of earlier grants.
func (u *unsureGrants) each(do func(g unsureGrant, key []byte)) {
	start := 0
	for _, g := range u.list {
		end := g.key
		do(g, u.keys[start:end])
		start = end
	}
}

// beforeAnswers is called when answers are about to be sent. The client cannot have sent
// what has already arrived in reply to them.
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

// answersSent is called when the kernel has taken all answers.
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

// fewUnsure is how many grants may be withdrawn without handing the worker's other
// connections to a successor.
const fewUnsure = 16

// withdrawUnsure withdraws the grants whose answers the client had not received when the
// connection ended.
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
			c.srv.withdraw(key, g.token)
		}
	})
	c.forgetUnsure()
}

// withdraw takes back a grant that its client did not get.
func (s *Server) withdraw(key []byte, token uint64) {
	if s.config.Cluster != nil {
		s.config.Cluster.Withdraw(key, token)
		return
	}
	s.locks.Withdraw(key, token)
}

// If a client has sent nothing since a grant, and the connection is reset within
// Config.justGranted, the grant is withdrawn. A later reset may come from a middlebox that
// drops idle connections while the client works under its lock.
const defaultJustGranted = 5 * time.Second

// arrived is called when the connection has ended. The function that it returns reports
// whether the client has received the answer to a grant; latest is when the last of them
// was granted. A kernel sends a reset when the client closes with answers unread, or is no
// longer there: then no answer is known to have arrived. After a FIN the kernel also
// resets what comes too late, but the client has read what was acknowledged before.
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

// confirmed returns how many of the bytes written the client's kernel has acknowledged. It
// waits until the kernel has acknowledged all or will acknowledge no more: a client that
// has only stopped sending may still read slowly.
func (c *conn) confirmed(latest int64) uint64 {
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		f := c.transport.inFlight()
		late := c.srv.now()-latest > int64(c.srv.config.UserTimeout)
		switch written := c.bytesWritten.Load(); {
		case f.unsent == 0:
			return written
		case (late || !f.open) && !f.plain:
			return 0 // nobody can tell which replies these bytes belong to
		case late || !f.open:
			return written - min(written, uint64(f.unsent))
		}
		c.transport.detach()
		time.Sleep(pause)
	}
}

// linger waits, when the server shuts down, until the client's kernel has acknowledged what
// was sent. Closing a TCP connection while the client still sends resets it, and answers
// that are still on their way would be lost. (The other end of a Unix socket can always
// read what was written to it.)
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

// broken reports whether err is an error of the socket, rather than its proper end or
// something that this side has done.
func broken(err error) bool {
	_, fromKernel := errors.AsType[syscall.Errno](err)
	return fromKernel
}

func reset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// endedHere reports whether reading stopped because of this side, not because of the client.
func endedHere(err error) bool {
	return err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed)
}
