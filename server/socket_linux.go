package server

import (
	"errors"
	"io"
	"net/netip"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// socket is what a connection has that is served by a loop. All of it belongs to
// the worker that attends to the connection, but for what is atomic.
type socket struct {
	fd     int
	loop   *loop
	remote netip.AddrPort // invalid for a Unix socket

	worker  *worker       // who attends to it, nil if that is its own goroutine
	again   bool          // requests that were read are left for the next turn
	drained bool          // all that had arrived was read
	hungUp  bool          // the client may have: reading tells
	ended   bool          // the connection is to be closed
	roomy   bool          // the loop watches for room to write
	last    bool          // the server is to end, and no more is read than
	unread  int           // these bytes, which had arrived by then
	state   atomic.Int32  // see below
	cut     atomic.Bool   // to be closed without further ado
	room    chan struct{} // tells who waits for room that something has happened; made under loop.mu
}

func newSocket(fd int, remote netip.AddrPort) *socket {
	s := &socket{fd: fd, remote: remote}
	s.state.Store(attended) // by who accepted it, until the loop knows it
	return s
}

// States of a socket.
const (
	unattended int32 = iota
	attended         // by one worker
	wanted           // attended, and something has happened since
	closed           // its descriptor may be another's by now
)

var errCut = errors.New("server: connection cut")

// attend gives the connection its turn, which events of its socket are the
// reason for, or mail if there are none. It reports false when it had to wait:
// the worker has a successor by now.
func (c *conn) attend(w *worker, events uint32) bool {
	s := c.sock
	if !s.claim() {
		return true
	}
	s.worker = w
	if events != 0 {
		s.drained = false
	}
	s.hungUp = s.hungUp || events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	if c.turn() && s.worker == w && c.out.Buffered() > 0 {
		w.unsent = append(w.unsent, c)
		return true
	}
	return c.settle()
}

// settle ends what attend has begun: it sends the replies, and lets go of the
// connection if it is to go on and nothing has happened meanwhile. It reports
// false when the worker has a successor.
func (c *conn) settle() bool {
	s := c.sock
	for {
		if c.flush() != nil || c.over() {
			c.end()
			c.linger()
			s.state.Store(closed)
			s.loop.remove(c)
			return s.worker != nil
		}
		c.answersSent()
		w, unfinished := s.worker, c.parked == nil && (s.again || !s.drained)
		s.watchLess()
		if s.state.CompareAndSwap(attended, unattended) {
			switch {
			case !unfinished:
			case w != nil:
				w.later = append(w.later, c)
			default:
				s.loop.post(c)
			}
			return w != nil
		}
		s.state.Store(attended)
		s.drained, s.hungUp = false, true // nobody has noted what has happened
		c.turn()
	}
}

// over reports whether the connection is to be closed: by its client, by us, or
// because the server is to end and all that has arrived is handled.
func (c *conn) over() bool {
	s := c.sock
	if s.ended {
		return true
	}
	finished := s.last && !s.again && (s.drained || s.unread <= 0)
	return c.parked == nil && (s.cut.Load() || finished)
}

// claim reports whether it is for the caller to attend to the connection. If
// somebody else does, that one is told that something has happened.
func (s *socket) claim() bool {
	for {
		switch state := s.state.Load(); state {
		case unattended:
			if s.state.CompareAndSwap(unattended, attended) {
				return true
			}
		case closed:
			return false
		default:
			if s.state.CompareAndSwap(state, wanted) {
				s.loop.mu.Lock()
				room := s.room
				s.loop.mu.Unlock()
				select {
				case room <- struct{}{}:
				default: // nobody waits for room, or was told
				}
				return false
			}
		}
	}
}

// detach gives the worker a successor, so that this goroutine may wait.
func (s *socket) detach() {
	if w := s.worker; w != nil {
		s.worker = nil
		go w.run()
	}
}

// watchLess stops to watch for room to write.
func (s *socket) watchLess() {
	if s.roomy {
		s.roomy = false
		s.watch(watched)
	}
}

func (s *socket) watch(events uint32) {
	_ = control(s.loop.poll, unix.EPOLL_CTL_MOD, s.fd, events)
}

// turn does what can be done without waiting for the client, but no more than is
// fair; the replies are still to be sent. It reports whether the connection goes on.
func (c *conn) turn() bool {
	s := c.sock
	s.ended = !c.takeTurn()
	return !s.ended
}

func (c *conn) takeTurn() bool {
	s := c.sock
	if c.finishing.Load() && !s.last {
		// A client that goes on to send must not keep the server from its end.
		s.last = true
		s.unread = c.unread()
	}
	if c.parked == nil && !s.again {
		if !c.receive() {
			return c.readErr == nil
		}
		c.heard()
		c.lastRead.Store(s.loop.now.Load())
	}
	s.again = false
	for {
		if c.parked != nil {
			if over, goesOn := c.stir(); !over || !goesOn {
				return goesOn
			}
		}
		if !c.handleBuffered() {
			return false
		}
		if c.parked == nil {
			c.in.Release()
			return true
		}
		if c.in.Buffered() == 0 && s.drained {
			return true // there is nothing that concerns the wait
		}
	}
}

// receive reads what has arrived. It reports false if that is nothing, with
// readErr set if there will be no more.
func (c *conn) receive() bool {
	s := c.sock
	c.readErr = nil
	space := c.in.Space()
	n, err := transfer(syscall.SYS_READ, s.fd, space)
	switch {
	case err == syscall.EAGAIN:
		s.drained, s.hungUp = true, false
		c.in.Release()
		return false
	case err != nil:
		c.readErr = err
		return false
	case n == 0:
		c.readErr = io.EOF
		return false
	}
	c.in.Advance(n)
	c.bytesRead.Add(uint64(n))
	s.unread -= n
	// Of a stream, less than was asked for is all there is.
	s.drained = n < len(space) && !s.hungUp
	return true
}

// stir looks after a connection whose client waits in line. It reports whether
// the wait is over, and whether the connection goes on.
func (c *conn) stir() (over, goesOn bool) {
	p, s := c.parked, c.sock
	s.drained = false
	if p.over.Load() {
		return true, c.endWait(false)
	}
	// Nothing is read: what is pipelined stays where it bounds itself.
	got := pollNow(s.fd, unix.POLLIN|unix.POLLRDHUP)
	gone := got&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0 || s.cut.Load()
	more := got&unix.POLLIN != 0 || c.in.Buffered() > 0
	switch {
	case gone:
		s.hungUp, c.readErr = true, io.EOF
		return true, c.endWait(true) // to answer will tell if it was reset
	case more && p.byPolicy:
		return true, c.endWait(false)
	case more || c.finishing.Load(): // to finish, all waits are being ended
		p.behind.Store(true)
	}
	if !p.over.Load() {
		return false, true
	}
	return true, c.endWait(false)
}

// writeAll sends b, and waits for room if there is none.
func (c *conn) writeAll(b []byte) (sent int, err error) {
	for sent < len(b) && err == nil {
		var n int
		n, err = send(c.sock.fd, b[sent:])
		sent += n
	}
	if err == syscall.EAGAIN {
		sent, err = c.writePatiently(b, sent)
	}
	if err != nil && err != errCut && err != errUnread {
		c.writeErr = err
	}
	return sent, err
}

// writePatiently sends what there was no room for, all but the first so many bytes.
func (c *conn) writePatiently(b []byte, sent int) (int, error) {
	if err := c.keep(cap(b)); err != nil {
		return sent, err
	}
	defer c.forget(cap(b))
	c.mustTake()
	for sent < len(b) {
		n, err := send(c.sock.fd, b[sent:])
		sent += n
		switch {
		case n > 0:
			c.mustTake()
		case err == nil: // a signal interrupted it
		case err != syscall.EAGAIN:
			return sent, err
		case !c.sock.waitForRoom(): // which also returns when the client has sent something
			return sent, errCut
		}
	}
	return sent, nil
}

// waitForRoom returns when there may be room to write, false if the connection is
// to be closed.
func (s *socket) waitForRoom() bool {
	s.detach()
	if !s.roomy {
		s.roomy = true
		s.loop.mu.Lock()
		if s.room == nil {
			s.room = make(chan struct{}, 1)
		}
		s.loop.mu.Unlock()
		s.watch(watched | unix.EPOLLOUT)
	}
	if !s.cut.Load() {
		<-s.room
	}
	return !s.cut.Load()
}
