package server

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// A stream is a transport that is not a bare socket: TLS, or a pipe in a test. It has a
// goroutine of its own, and keeps its buffer while it waits for input.
type stream struct {
	conn *conn
	nc   net.Conn
	cut  atomic.Bool // close it without waiting for anything
}

// newStream makes a connection over nc.
func newStream(s *Server, nc net.Conn) *stream {
	stream := &stream{conn: newConn(s), nc: nc}
	stream.conn.transport = stream
	return stream
}

// serve handles requests until the connection ends. It collects the replies, and sends them
// when it has to read before it can go on: one read and one write for any number of
// pipelined requests.
func (s *stream) serve() {
	c := s.conn
	c.srv.streams.Add(1)
	defer c.srv.streams.Add(-1)
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

// lastRecordTime is how long the server waits for the rest of a TLS record when it shuts down.
const lastRecordTime = time.Second

// readLast lets a connection that must finish read what has arrived. It reports false when
// nothing is left.
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
	c.willRead()
	n, err := s.nc.Read(c.in.Space())
	c.received(n)
	c.hasRead(s.conn.srv.pauses.isFresh(c.srv.now())) // more may be in the layers below
	c.readErr = nil
	if n == 0 {
		c.readErr = err
	}
}

// maxPiece is how many bytes are written to a stream at a time: the size of a TLS record.
const maxPiece = 16 << 10

// write sends b in pieces. Each piece that is sent shows that the client still reads.
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

// clearDeadline lets the connection wait for input again after wake.
func (s *stream) clearDeadline() {
	_ = s.nc.SetReadDeadline(time.Time{})
	if s.conn.finishing.Load() {
		s.wake() // finish was called meanwhile, and its deadline has just been cleared
	}
}

// await reads while the connection is parked, and then ends the wait. It reports whether the
// connection goes on.
func (s *stream) await() bool {
	c := s.conn
	p := c.parked
	var err error
	if c.in.Buffered() == 0 || !p.hasten() {
		err = s.watch(p)
	}
	return p.end(err != nil)
}

// watch returns when the wait should end or has ended, with an error if the client has gone.
func (s *stream) watch(p parked) error {
	c := s.conn
	for {
		if p.isOver() {
			return nil // the answer is ready
		}
		if c.in.Buffered() >= protocol.MaxLine {
			p.await() // enough is pipelined; read no more before the answer
			return nil
		}
		before := c.in.Buffered()
		s.read()
		switch {
		case c.readErr == nil && c.in.Buffered() > before && !p.hasten():
			continue // pipelined behind a wait that the client asked for
		case !errors.Is(c.readErr, os.ErrDeadlineExceeded):
			return c.readErr
		case c.finishing.Load():
			p.finish()
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

// A stream's goroutine serves only its own client, so these two have nothing to do.

func (s *stream) detach()   {}
func (s *stream) passLead() {}

func (s *stream) served() *locks.Served { return nil }

func (s *stream) yield() (later bool) {
	runtime.Gosched()
	return false
}

func (s *stream) wake() { _ = s.nc.SetReadDeadline(past) }

// cutOff leaves closing to the stream's goroutine, because TLS sends a last record, which
// might block.
func (s *stream) cutOff() {
	s.cut.Store(true)
	s.conn.finishing.Store(true)
	_ = s.nc.SetDeadline(past)
}

func (s *stream) isCut() bool { return s.cut.Load() }

// inFlight assumes that everything has arrived if there is no descriptor.
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
