package server

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// conn is one connection. All of it belongs to one goroutine, that in serve or
// that of the loop, but for what is atomic and, while it is parked, the writing
// side.
type conn struct {
	srv      *Server
	sock     *socket  // what a loop serves it by, or
	stream   net.Conn // what a goroutine of its own reads: a pipe, TLS
	listener net.Addr // where it came in; nil if handed over

	in       protocol.Reader
	out      protocol.Writer
	work     *work // while a batch of requests is handled
	session  locks.Session
	parked   *parked // while waiting in line
	spare    *parked // its memory, kept for the next time
	readErr  error
	writeErr error

	lastRead     atomic.Int64 // Unix nanoseconds
	bytesRead    atomic.Uint64
	bytesWritten atomic.Uint64

	promises *promises // in replies not sent yet; nil if there are none
	begun    int       // where in out the reply to the request at hand begins
	replying bool      // there is such a request
	kept     bool      // what the replies have seen is committed

	unsure    bool          // that the last grant in spare has arrived
	withCAS   bool          // the get at hand wants ids
	finishing atomic.Bool   // what has arrived is to be finished, then it closes
	state     atomic.Uint32 // for "stats conns"
}

// work is the memory that handling a request takes; idle connections have none.
type work struct {
	req protocol.Request
	put locks.Put
}

var works = sync.Pool{New: func() any { return new(work) }}

// States of a connection, as "stats conns" names them.
const (
	stateParse uint32 = iota // conn_parse_cmd
	stateNread               // conn_nread: a data block is on its way
	stateWait                // waits in line for a lock
)

func newConn(s *Server) *conn {
	c := &conn{srv: s, in: protocol.NewReader(s.itemMax)}
	c.lastRead.Store(time.Now().UnixNano())
	return c
}

// end does what is left to do for a client that has gone or is to go. All that
// remains is to close.
func (c *conn) end() {
	_ = c.flush()
	c.forgetPromises()
	c.withdrawUnsure()
	c.srv.locks.Close(&c.session)
	c.out.Drop()
}

// maxUnsent is how many bytes of replies are collected before they are sent
// though more requests are there.
const maxUnsent = 64 << 10

// handleBuffered handles the requests that have arrived, until one has to wait.
// It reports false when the connection is to be closed.
func (c *conn) handleBuffered() bool {
	if c.in.Buffered() == 0 {
		return true
	}
	if c.srv.config.Settings.Protocol == ProtocolBinary {
		return false
	}
	w := works.Get().(*work)
	c.work = w
	defer func() {
		*w = work{}
		works.Put(w)
		c.work = nil
	}()
	for handled := 1; c.parked == nil; handled++ {
		err := c.in.Next(&w.req)
		if err == protocol.ErrShort {
			c.noteState()
			return true
		}
		c.beginReply()
		goesOn := c.handle(&w.req, err)
		if !w.req.More { // the reply to a get in pieces is one
			c.endReply()
		}
		if !goesOn {
			return false
		}
		if c.out.Buffered() > maxUnsent && c.flush() != nil {
			return false
		}
		if handled == c.srv.config.Settings.ReqsPerEvent {
			// A client that pipelines a lot does not keep the others waiting.
			c.srv.counts.yields.Add(1)
			if c.sock != nil {
				c.sock.again = true
				return true
			}
			runtime.Gosched()
			handled = 0
		}
	}
	return true
}

// noteState tells "stats conns" what the connection waits for.
func (c *conn) noteState() {
	state := stateParse
	if c.in.InData() {
		state = stateNread
	}
	if c.state.Load() != state {
		c.state.Store(state)
	}
}

// handle answers one request, or the fault that takes its place, and reports
// whether the connection goes on.
func (c *conn) handle(q *protocol.Request, err error) bool {
	if err == nil {
		return c.run(q)
	}
	var fault *protocol.Fault
	if !errors.As(err, &fault) {
		c.srv.config.Logger.Debug().Err(err).Stringer("client", c.remote()).Msg("closing")
		return false
	}
	c.fault(q, fault)
	return true
}

// flush sends the replies collected, when what they promise is kept. It returns when
// all are with the kernel.
func (c *conn) flush() error {
	if c.out.Buffered() == 0 {
		return nil
	}
	if err := c.keepPromises(); err != nil {
		c.out.Drop()
		return err
	}
	n, err := c.out.Flush(c)
	if n > 0 {
		c.bytesWritten.Add(uint64(n))
	}
	return err
}

// Write sends b. It is what replies are flushed to.
func (c *conn) Write(b []byte) (int, error) {
	if c.sock != nil {
		return c.writeAll(b)
	}
	return c.stream.Write(b)
}

// finish makes the connection handle what has arrived and close. It may be
// called from any goroutine, as may what follows.
func (c *conn) finish() {
	c.finishing.Store(true)
	c.nudge()
}

// nudge makes whoever serves the connection look after it.
func (c *conn) nudge() {
	if c.sock != nil {
		c.sock.loop.post(c)
		return
	}
	_ = c.stream.SetReadDeadline(past)
}

// cutOff ends the connection without further ado.
func (c *conn) cutOff() {
	if c.sock != nil {
		c.sock.cut.Store(true)
		c.nudge()
		return
	}
	_ = c.stream.Close()
}

// remote is the client's address.
func (c *conn) remote() net.Addr {
	switch {
	case c.sock == nil:
		return c.stream.RemoteAddr()
	case c.sock.remote.IsValid():
		return net.TCPAddrFromAddrPort(c.sock.remote)
	}
	return &net.UnixAddr{Net: "unix"} // clients of a Unix socket have no name
}

func (c *conn) idleFor() time.Duration {
	return time.Duration(time.Now().UnixNano() - c.lastRead.Load())
}

func (c *conn) isParked() bool { return c.state.Load() == stateWait }
