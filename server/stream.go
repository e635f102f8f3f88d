package server

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/lockcached/lockcached/protocol"
)

// A stream is a transport that is no bare socket: a pipe in a test, TLS. It has a
// goroutine of its own, which reads into a buffer that it keeps.
type stream struct {
	conn *conn
	nc   net.Conn
	cut  atomic.Bool // to be closed without further ado
}

// newStream makes a connection that is carried by nc.
func newStream(s *Server, nc net.Conn) *stream {
	stream := &stream{conn: newConn(s), nc: nc}
	stream.conn.transport = stream
	return stream
}

// serve handles requests until the connection ends. Replies are collected and
// sent when nothing more can be done without reading: one read and one write for
// any number of pipelined requests.
func (s *stream) serve() {
	c := s.conn
	if s.shakeHands() {
		for c.handleBuffered() && c.flush() == nil && s.fill() {
		}
		s.noteTLSError()
	}
	c.end()
	c.linger()
	_ = s.nc.Close()
	c.srv.unregister(c)
}

// fill waits for more input. It reports false when the connection has ended.
func (s *stream) fill() bool {
	c := s.conn
	if c.parked != nil {
		return s.await()
	}
	c.answersSent()
	for {
		s.read()
		switch {
		case c.readErr == nil:
			c.heard()
			c.lastRead.Store(c.srv.now())
			if c.finishing.Load() {
				s.wake()
			}
			return true
		case !errors.Is(c.readErr, os.ErrDeadlineExceeded):
			return false
		case !c.finishing.Load():
			s.clearDeadline()
		case !s.readLast():
			return false
		}
	}
}

// lastRecordTime is how long the rest of a TLS record is waited for at the end.
const lastRecordTime = time.Second

// readLast lets the connection read what has arrived, though it is to end. It
// reports false when there is nothing more.
func (s *stream) readLast() bool {
	if s.unread() == 0 {
		return false
	}
	_ = s.nc.SetReadDeadline(time.Now().Add(lastRecordTime))
	return true
}

// read waits for input and reads it, or sets readErr.
func (s *stream) read() {
	c := s.conn
	n, err := s.nc.Read(c.in.Space())
	c.received(n)
	c.readErr = nil
	if n == 0 {
		c.readErr = err
	}
}

// maxPiece is what is written to a stream at a time; TLS sends no more at once.
const maxPiece = 16 << 10

// write sends b, in pieces each of which shows that the client still reads.
func (s *stream) write(b []byte) (sent int, err error) {
	c := s.conn
	if err := c.keep(cap(b)); err != nil {
		return 0, err
	}
	defer c.forget(cap(b))
	for sent < len(b) && err == nil {
		c.mustTake()
		var n int
		n, err = s.nc.Write(b[sent:min(len(b), sent+maxPiece)])
		sent += n
	}
	return sent, err
}

// clearDeadline lets the connection wait for input again after it was nudged.
func (s *stream) clearDeadline() {
	_ = s.nc.SetReadDeadline(time.Time{})
	if s.conn.finishing.Load() {
		s.wake() // finish came in between: this was its deadline
	}
}

// await reads while the client waits in line, and sees to it that the wait ends.
// It reports whether the connection goes on.
func (s *stream) await() bool {
	c := s.conn
	p := c.parked
	var err error
	if !p.byPolicy || c.in.Buffered() == 0 {
		err = s.watch(p)
	}
	return c.endWait(err != nil)
}

// watch returns when the wait should end or has ended, with an error if the
// client has gone.
func (s *stream) watch(p *parked) error {
	c := s.conn
	for {
		if p.over.Load() {
			return nil // what to do next is there already
		}
		if c.in.Buffered() >= protocol.MaxLine {
			p.await() // enough is pipelined; hear no more before the answer
			return nil
		}
		before := c.in.Buffered()
		s.read()
		switch {
		case c.readErr == nil && !p.byPolicy && c.in.Buffered() > before:
			continue // pipelined behind a wait asked for by name
		case !errors.Is(c.readErr, os.ErrDeadlineExceeded):
			return c.readErr
		case c.finishing.Load():
			// All waits are ended now; the answer is at most being written.
			p.await()
			return nil
		}
		s.clearDeadline()
	}
}

func (s *stream) readBehind() bool {
	s.clearDeadline()
	if s.unread() == 0 {
		return false
	}
	s.read()
	return s.conn.readErr == nil
}

// Nobody waits for a stream's goroutine but its own client.

func (s *stream) detach()   {}
func (s *stream) passLead() {}

func (s *stream) yield() (later bool) {
	runtime.Gosched()
	return false
}

func (s *stream) wake() { _ = s.nc.SetReadDeadline(past) }

// cutOff leaves it to the goroutine to close: TLS says goodbye, which might have to wait.
func (s *stream) cutOff() {
	s.cut.Store(true)
	s.conn.finishing.Store(true)
	_ = s.nc.SetDeadline(past)
}

func (s *stream) isCut() bool { return s.cut.Load() }

// inFlight takes what has no descriptor for arrived.
func (s *stream) inFlight() (f flight) {
	onDescriptor(s.wire(), func(fd int) { f.unsent, f.open = unconfirmed(fd) })
	_, encrypted := s.nc.(*tls.Conn)
	f.plain = !encrypted
	return f
}

func (s *stream) unread() (n int) {
	onDescriptor(s.wire(), func(fd int) { n = unreadBytes(fd) })
	return n
}

func (s *stream) remote() net.Addr { return s.nc.RemoteAddr() }

func (s *stream) descriptor() int { return fdOf(s.wire()) }
