package server

import (
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// conn is one connection. All of it belongs to the goroutine in serve, but for
// what is atomic and, while it is parked, the socket's writing side.
type conn struct {
	srv      *Server
	nc       net.Conn
	raw      syscall.RawConn       // nil if nc is no socket
	ready    func(fd uintptr) bool // readable
	writable func(fd uintptr) bool // writeSome
	listener net.Addr              // where it came in; nil if handed over

	in       protocol.Reader
	out      protocol.Writer
	work     *work // while a batch of requests is handled
	session  locks.Session
	parked   *parked // while waiting in line
	spare    *parked // its memory, kept for the next time
	readErr  error
	unsent   []byte // of the write at hand
	writeErr error

	lastRead     atomic.Int64 // Unix nanoseconds
	bytesRead    atomic.Uint64
	bytesWritten atomic.Uint64

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

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{srv: s, nc: nc, in: protocol.NewReader(s.itemMax)}
	if sc, ok := nc.(syscall.Conn); ok {
		c.raw, _ = sc.SyscallConn()
		c.ready, c.writable = c.readable, c.writeSome
	}
	c.lastRead.Store(time.Now().UnixNano())
	return c
}

// serve handles requests until the connection ends. Replies are collected and
// sent when nothing more can be done without reading: one read and one write for
// any number of pipelined requests.
func (c *conn) serve() {
	for c.handleBuffered() && c.flush() == nil {
		if c.parked != nil && c.inCrowd() {
			go c.serveOn()
			return
		}
		if !c.fill() {
			break
		}
	}
	_ = c.flush()
	c.close()
}

// crowd is how many connections wait when memory counts for more than the
// microsecond that another goroutine costs.
const crowd = 1024

// inCrowd reports whether the connection should wait on a goroutine of its own:
// a stack that has grown to 4 KiB to carry out a claim never shrinks again, while
// waiting takes 2. Who handed over the connection waits for serve to return.
func (c *conn) inCrowd() bool { return c.listener != nil && c.srv.parked.Load() > crowd }

// serveOn is serve from the moment that the client waits in line.
func (c *conn) serveOn() {
	if c.fill() {
		c.serve()
		return
	}
	_ = c.flush()
	c.close()
}

func (c *conn) close() {
	c.withdrawUnsure()
	c.srv.locks.Close(&c.session)
	c.out.Drop()
	_ = c.nc.Close()
	c.srv.unregister(c)
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
		if !c.handle(&w.req, err) {
			return false
		}
		if c.out.Buffered() > maxUnsent && c.flush() != nil {
			return false
		}
		if handled == c.srv.config.Settings.ReqsPerEvent {
			// A client that pipelines a lot does not keep the others waiting.
			c.srv.counts.yields.Add(1)
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
		c.srv.config.Logger.Debug().Err(err).Stringer("client", c.nc.RemoteAddr()).Msg("closing")
		return false
	}
	c.fault(q, fault)
	return true
}

func (c *conn) flush() error {
	n, err := c.out.Flush(c)
	if n > 0 {
		c.bytesWritten.Add(uint64(n))
	}
	return err
}

// fill waits for more input. It reports false when the connection has ended.
func (c *conn) fill() bool {
	if c.parked != nil {
		return c.await()
	}
	for {
		c.readErr = nil
		c.read()
		if c.readErr == nil {
			c.unsure = false
			c.lastRead.Store(time.Now().UnixNano())
			return true
		}
		if !errors.Is(c.readErr, os.ErrDeadlineExceeded) {
			return false
		}
		if c.finishing.Load() {
			return c.drain()
		}
		c.clearDeadline()
	}
}

// clearDeadline lets the connection wait for input again after it was woken.
func (c *conn) clearDeadline() {
	_ = c.nc.SetReadDeadline(time.Time{})
	if c.finishing.Load() {
		_ = c.nc.SetReadDeadline(past) // finish came in between: this was its deadline
	}
}

// read waits for input and reads it, or sets readErr.
func (c *conn) read() {
	if c.raw != nil {
		if err := c.raw.Read(c.ready); err != nil {
			c.readErr = err
		}
		return
	}
	n, err := c.nc.Read(c.in.Space())
	c.in.Advance(n)
	c.bytesRead.Add(uint64(n))
	if n == 0 {
		c.readErr = err
	}
}

// finish makes the connection handle what has arrived and close.
func (c *conn) finish() {
	c.finishing.Store(true)
	_ = c.nc.SetReadDeadline(past)
}

// drain reads what the socket holds already and reports whether that was
// anything.
func (c *conn) drain() bool {
	c.readErr = nil
	if c.raw == nil {
		return false
	}
	got := false
	if err := c.raw.Control(func(fd uintptr) { got = c.readable(fd) }); err != nil {
		return false
	}
	return got && c.readErr == nil
}

func (c *conn) idleFor() time.Duration {
	return time.Duration(time.Now().UnixNano() - c.lastRead.Load())
}

func (c *conn) isParked() bool { return c.state.Load() == stateWait }
