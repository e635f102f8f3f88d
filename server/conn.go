package server

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// conn is one connection: its requests and replies, whatever transport carries them. It
// belongs to the goroutine that serves the transport, except for the atomic fields and,
// while it is parked, the writing side.
type conn struct {
	srv       *Server
	transport transport
	acceptor  *acceptor // that accepted it; nil for ServeConn

	in       protocol.Reader
	out      protocol.Writer
	work     *work // while a batch of requests is handled
	session  locks.Session
	parked   parked  // what it waits for; nil while it handles requests
	spare    *inLine // the memory for its next wait in line
	member   *member // nil for one server
	readErr  error
	writeErr error

	lastRead     atomic.Int64 // on the server's clock, as the next three
	sendDue      atomic.Int64 // by when the client must read something; 0 if it has read all
	requestDue   atomic.Int64 // by when more of a request must arrive; 0 if none has begun
	loginDue     atomic.Int64 // by when the client must log in; 0 if it may send requests
	bytesRead    atomic.Uint64
	bytesWritten atomic.Uint64

	began      int64  // when the first bytes of an unfinished request arrived
	beganAfter uint64 // bytesRead at that time

	promises *promises     // of replies not sent yet; nil if there are none
	begun    int           // where in out the reply to the present request begins
	unsure   *unsureGrants // nil if there are none
	group    *heldGet      // quiet gets that wait together, and are not parked yet; nil if there are none

	// What follows is small, and stands together so that it takes little memory.
	groupFills bool          // one of the quiet gets in a row was told a miss, and is to store a value
	fills      bool          // there are policies for fills, as far as the present request is concerned
	replying   bool          // there is a present request
	kept       bool          // all changes that the replies reflect are committed
	kicked     bool          // sweep has cut it off already
	inKernel   int32         // bytes that the client had not taken at the last sweep
	finishing  atomic.Bool   // handle what has arrived, then close
	state      atomic.Uint32 // for "stats conns"
}

// work is the memory that is needed to handle a request; idle connections have none.
type work struct {
	req protocol.Request
	put locks.Put

	holdable  bool        // the present get may be held back
	holding   *heldGet    // it is, if that waits; nil if there was no reason to
	answering *locks.Hold // its requests are read once more
}

var works = sync.Pool{New: func() any { return new(work) }}

// States of a connection, as "stats conns" names them.
const (
	stateParse uint32 = iota // conn_parse_cmd
	stateNread               // conn_nread: a data block has begun to arrive
	stateWait                // conn_waiting: waits in line for a lock, or for another node
)

func newConn(s *Server) *conn {
	now := s.now()
	c := &conn{srv: s, in: protocol.NewReader(s.itemMax)}
	c.in.Share(s.unfinished)
	c.in.Speak(s.config.Dialects)
	c.lastRead.Store(now)
	if s.config.Cluster != nil {
		c.member = &member{cluster: s.config.Cluster}
	}
	if s.config.Authenticate != nil {
		c.in.RequireLogin()
		c.loginDue.Store(now + int64(loginTime))
	}
	return c
}

// end does what remains to be done for a connection that ends, except to close it.
func (c *conn) end() {
	_ = c.flush()
	c.dropGroup()
	c.requestDue.Store(0)
	c.forgetPromises()
	c.withdrawUnsure()
	c.srv.locks.Close(&c.session)
	if c.member != nil {
		c.member.close()
	}
	c.in.Close()
	c.out.Drop()
}

// maxUnsent is how many bytes of replies are collected before they are sent although
// further requests have arrived.
const maxUnsent = 64 << 10

// minRate is how many bytes a second must arrive of a request that takes longer than
// RequestTimeout.
const minRate = 1 << 10

// noteShort records that the rest of a request has not arrived: for "stats conns", and for
// sweep, which bounds how long the rest may take.
func (c *conn) noteShort() {
	state := stateParse
	if c.in.InData() {
		state = stateNread
	}
	if c.state.Load() != state {
		c.state.Store(state)
	}
	if !c.in.Unfinished() {
		return
	}
	now, read := c.lastRead.Load(), c.bytesRead.Load()
	if c.requestDue.Load() == 0 {
		c.began, c.beganAfter = now, read
	}
	slowest := c.began + int64(read-c.beganAfter)*int64(time.Second)/minRate
	c.requestDue.Store(min(now, slowest) + int64(c.srv.config.RequestTimeout))
}

// dismiss logs why a request cannot be answered, and returns false: close the connection.
func (c *conn) dismiss(why error) (goesOn bool) {
	c.srv.config.Logger.Debug().Err(why).Stringer("client", c.transport.remote()).Msg("closing")
	return false
}

// flush commits what the collected replies promise, and then sends them. It returns when
// the kernel has taken them all.
func (c *conn) flush() error {
	if c.out.Buffered() == 0 && c.promises == nil { // a quiet success promises, too
		return nil
	}
	if err := c.keepPromises(); err != nil {
		c.out.Drop()
		c.forgetPromises()
		return err
	}
	if c.out.Buffered() == 0 {
		return nil
	}
	c.beforeAnswers()
	n, err := c.transport.write(c.out.Bytes())
	return c.flushed(n, err)
}

// flushed records that the first n bytes of the collected replies were sent. After an error the
// others are dropped, since the connection is then useless.
func (c *conn) flushed(n int, err error) error {
	c.out.Drop()
	if n > 0 {
		c.bytesWritten.Add(uint64(n))
	}
	if err != nil && err != errCut && err != errUnread {
		c.writeErr = err
	}
	return err
}

// flushIfMany sends the collected replies if they take up too much memory.
func (c *conn) flushIfMany() error {
	if c.out.Buffered() <= maxUnsent || c.isRemote() { // a Remote answers as a whole
		return nil
	}
	return c.flush()
}

// received records that n bytes were read into the space of c.in.
func (c *conn) received(n int) {
	c.in.Advance(n)
	c.bytesRead.Add(uint64(n))
}

// mustTake gives the client SendTimeout from now to read some of its answers.
func (c *conn) mustTake() { c.sendDue.Store(c.srv.now() + int64(c.srv.config.SendTimeout)) }

// keep reserves n bytes for answers that may stay unread for a while; forget gives them
// back. keep returns errUnread if too much is reserved already.
func (c *conn) keep(n int) error {
	if c.srv.unread.Take(n) {
		return nil
	}
	c.srv.counts.unreadKicks.Add(1)
	return errUnread
}

func (c *conn) forget(n int) {
	c.srv.unread.Give(n)
	c.sendDue.Store(0)
}

// finish makes the connection handle what has arrived and then close. It may be called from
// any goroutine.
func (c *conn) finish() {
	c.finishing.Store(true)
	c.transport.wake()
}

func (c *conn) idleFor() time.Duration {
	return time.Duration(c.srv.now() - c.lastRead.Load())
}

// unpark continues after what the connection has waited for.
func (c *conn) unpark() {
	c.parked = nil
	c.state.Store(stateParse)
	c.lastRead.Store(c.srv.now())
}

func (c *conn) isParked() bool { return c.state.Load() == stateWait }
