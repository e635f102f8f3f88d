package server

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// conn is one connection: its requests and replies, whatever carries them. All of it
// belongs to the goroutine that serves the transport, but for what is atomic and, while
// it is parked, the writing side.
type conn struct {
	srv       *Server
	transport transport
	listener  net.Addr // where it came in; nil if handed over

	in       protocol.Reader
	out      protocol.Writer
	work     *work // while a batch of requests is handled
	session  locks.Session
	since    int64   // when it connected, on the server's clock
	parked   *parked // while waiting in line
	spare    *parked // its memory, kept for the next time
	readErr  error
	writeErr error

	lastRead     atomic.Int64 // on the server's clock, as is what follows
	sendDue      atomic.Int64 // when the client has to have taken something; 0 if it has all
	requestDue   atomic.Int64 // when more of a request has to be there; 0 if none has begun
	bytesRead    atomic.Uint64
	bytesWritten atomic.Uint64

	began      int64  // when the first of an unfinished request came
	beganAfter uint64 // bytes that were read before
	swept      swept

	promises *promises // in replies not sent yet; nil if there are none
	begun    int       // where in out the reply to the request at hand begins
	replying bool      // there is such a request
	kept     bool      // what the replies have seen is committed

	unsure        *unsureGrants // nil if there are none
	authenticated atomic.Bool   // the client may ask for something
	finishing     atomic.Bool   // what has arrived is to be finished, then it closes
	state         atomic.Uint32 // for "stats conns"
}

// work is the memory that handling a request takes; idle connections have none.
type work struct {
	req     protocol.Request
	put     locks.Put
	withCAS bool // the get at hand wants ids
}

var works = sync.Pool{New: func() any { return new(work) }}

// States of a connection, as "stats conns" names them.
const (
	stateParse uint32 = iota // conn_parse_cmd
	stateNread               // conn_nread: a data block is on its way
	stateWait                // waits in line for a lock
)

func newConn(s *Server) *conn {
	c := &conn{srv: s, in: protocol.NewReader(s.itemMax), since: s.now()}
	c.in.Share(s.unfinished)
	c.lastRead.Store(c.since)
	c.authenticated.Store(s.config.Authenticate == nil)
	return c
}

// end does what is left to do for a client that has gone or is to go. All that
// remains is to close.
func (c *conn) end() {
	_ = c.flush()
	c.requestDue.Store(0)
	c.forgetPromises()
	c.withdrawUnsure()
	c.srv.locks.Close(&c.session)
	c.in.Close()
	c.out.Drop()
}

// maxUnsent is how many bytes of replies are collected before they are sent
// though more requests are there.
const maxUnsent = 64 << 10

// minRate is how many bytes a second have to come of a request that takes longer
// than RequestTimeout.
const minRate = 1 << 10

// noteShort notes that the rest of a request is not there yet: for "stats conns", and
// for sweep, which does not wait for it for ever.
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

// dismiss is for what cannot be answered: the connection is to be closed.
func (c *conn) dismiss(why error) (goesOn bool) {
	c.srv.config.Logger.Debug().Err(why).Stringer("client", c.transport.remote()).Msg("closing")
	return false
}

// flush sends the replies collected, when what they promise is kept. It returns when
// all are with the kernel.
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
	n, err := c.out.Flush(c)
	if n > 0 {
		c.bytesWritten.Add(uint64(n))
	}
	return err
}

// flushIfMany sends the replies collected if they take up too much memory.
func (c *conn) flushIfMany() error {
	if c.out.Buffered() <= maxUnsent {
		return nil
	}
	return c.flush()
}

// Write sends b. It is what replies are flushed to.
func (c *conn) Write(b []byte) (int, error) {
	n, err := c.transport.write(b)
	if err != nil && err != errCut && err != errUnread {
		c.writeErr = err
	}
	return n, err
}

// received notes that n bytes were read into the space of c.in.
func (c *conn) received(n int) {
	c.in.Advance(n)
	c.bytesRead.Add(uint64(n))
}

// mustTake gives the client until SendTimeout to take some of its answers.
func (c *conn) mustTake() { c.sendDue.Store(c.srv.now() + int64(c.srv.config.SendTimeout)) }

// keep takes n bytes of memory for answers that may go unread for a while, forget
// gives them back.
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

// finish makes the connection handle what has arrived and close. It may be
// called from any goroutine.
func (c *conn) finish() {
	c.finishing.Store(true)
	c.transport.wake()
}

func (c *conn) idleFor() time.Duration {
	return time.Duration(c.srv.now() - c.lastRead.Load())
}

func (c *conn) isParked() bool { return c.state.Load() == stateWait }
