package server

import (
	"errors"
	"net"
	"os"
	"time"

	"github.com/lockcached/lockcached/protocol"
)

// A stream is a connection that is no bare socket: a pipe in a test, TLS. It has
// a goroutine of its own, which reads into a buffer that it keeps.

func newStream(s *Server, nc net.Conn) *conn {
	c := newConn(s)
	c.stream = nc
	return c
}

// serve handles requests until the connection ends. Replies are collected and
// sent when nothing more can be done without reading: one read and one write for
// any number of pipelined requests.
func (c *conn) serve() {
	if c.shakeHands() {
		for c.handleBuffered() && c.flush() == nil && c.fill() {
		}
		c.noteTLSError()
	}
	c.end()
	c.linger()
	_ = c.stream.Close()
	c.srv.unregister(c)
}

// fill waits for more input. It reports false when the connection has ended.
func (c *conn) fill() bool {
	if c.parked != nil {
		return c.await()
	}
	c.answersSent()
	for {
		c.read()
		switch {
		case c.readErr == nil:
			c.heard()
			c.lastRead.Store(c.srv.now())
			if c.finishing.Load() {
				c.nudge()
			}
			return true
		case !errors.Is(c.readErr, os.ErrDeadlineExceeded):
			return false
		case !c.finishing.Load():
			c.clearDeadline()
		case !c.readLast():
			return false
		}
	}
}

// lastRecordTime is how long the rest of a TLS record is waited for at the end.
const lastRecordTime = time.Second

// readLast lets the connection read what has arrived, though it is to end. It
// reports false when there is nothing more.
func (c *conn) readLast() bool {
	if c.unread() == 0 {
		return false
	}
	_ = c.stream.SetReadDeadline(time.Now().Add(lastRecordTime))
	return true
}

// read waits for input and reads it, or sets readErr.
func (c *conn) read() {
	n, err := c.stream.Read(c.in.Space())
	c.in.Advance(n)
	c.bytesRead.Add(uint64(n))
	c.readErr = nil
	if n == 0 {
		c.readErr = err
	}
}

// maxPiece is what is written to a stream at a time; TLS sends no more at once.
const maxPiece = 16 << 10

// writeStream sends b, in pieces each of which shows that the client still reads.
func (c *conn) writeStream(b []byte) (sent int, err error) {
	if err := c.keep(cap(b)); err != nil {
		return 0, err
	}
	defer c.forget(cap(b))
	for sent < len(b) && err == nil {
		c.mustTake()
		var n int
		n, err = c.stream.Write(b[sent:min(len(b), sent+maxPiece)])
		sent += n
	}
	if err != nil {
		c.writeErr = err
	}
	return sent, err
}

// clearDeadline lets the connection wait for input again after it was nudged.
func (c *conn) clearDeadline() {
	_ = c.stream.SetReadDeadline(time.Time{})
	if c.finishing.Load() {
		c.nudge() // finish came in between: this was its deadline
	}
}

// await reads while the client waits in line, and sees to it that the wait ends.
// It reports whether the connection goes on.
func (c *conn) await() bool {
	p := c.parked
	var err error
	if !p.byPolicy || c.in.Buffered() == 0 {
		err = c.watch(p)
	}
	return c.endWait(err != nil)
}

// watch returns when the wait should end or has ended, with an error if the
// client has gone.
func (c *conn) watch(p *parked) error {
	for {
		if p.over.Load() {
			return nil // what to do next is there already
		}
		if c.in.Buffered() >= protocol.MaxLine {
			<-p.done // enough is pipelined; hear no more before the answer
			p.done <- struct{}{}
			continue
		}
		before := c.in.Buffered()
		c.read()
		switch {
		case c.readErr == nil && !p.byPolicy && c.in.Buffered() > before:
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
