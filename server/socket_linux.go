package server

import (
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// A socket is a transport that is served by a loop. It belongs to the worker that attends to
// the connection, except for the atomic fields.
type socket struct {
	conn   *conn
	fd     int
	loop   *loop
	client netip.AddrPort // invalid for a Unix socket

	worker *worker       // that attends to it; nil after detach
	input  input         // what may be left to read
	stage  stage         // how near to its end it is
	again  bool          // requests that were read are left for the next turn
	shared bool          // its client has sent more while a claim waited
	roomy  bool          // the loop watches for room to write
	state  atomic.Int32  // see below
	cut    atomic.Bool   // close it without waiting for anything
	rest   int           // bytes still to be read in the stage lastInput
	room   chan struct{} // wakes the goroutine that waits for room; made under loop.mu
}

// input is what the kernel may still have for the server to read.
type input uint8

const (
	moreInput input = iota // possibly more: a read will tell
	inputEnds              // possibly more, and after a short read, too: the end may follow
	noInput                // all that had arrived was read
)

// stage is how far a socket is on the way to its end.
type stage uint8

const (
	serving   stage = iota
	lastInput       // the server shuts down: what has arrived by now is read, and no more
	ended           // to be closed
)

// newSocket makes c a connection that a loop serves, once it is passed to add.
func newSocket(c *conn, fd int, l *loop, client netip.AddrPort) *socket {
	s := &socket{conn: c, fd: fd, loop: l, client: client}
	s.state.Store(attended) // by the goroutine that accepted it, until the loop knows it
	c.transport = s
	return s
}

// welcomeSocket has the loop serve an accepted connection if it is a bare socket, or turns
// it away if there are too many. It reports false if it is not a bare socket.
func (s *Server) welcomeSocket(nc net.Conn, a *acceptor) (served bool, err error) {
	fd, client, err := bare(nc)
	if err == nil && fd < 0 {
		return false, nil
	}
	defer nc.Close()
	if err != nil {
		s.turnAway(nc)
		return true, err
	}
	loop, err := s.startLoop()
	if err != nil {
		s.turnAway(nc)
		_ = unix.Close(fd)
		return true, err
	}
	c := newConn(s)
	c.acceptor = a
	sock := newSocket(c, fd, loop, client)
	if !s.register(c) {
		s.turnAway(nc)
		_ = unix.Close(fd)
		return true, nil
	}
	s.tune(fd)
	return true, loop.add(sock)
}

// States of a socket.
const (
	unattended int32 = iota
	attended         // by one worker
	wanted           // attended, and something has happened since
	closed           // its descriptor may be in use for another socket
)

// claim reports whether the caller now attends to the connection. If another goroutine
// does, claim tells it that something has happened.
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
				default: // no goroutine waits for room, or it was told already
				}
				return false
			}
		}
	}
}

// detach has a new goroutine run the worker, so that this goroutine may wait.
func (s *socket) detach() {
	s.conn.session.SetTime(0)
	if w := s.worker; w != nil {
		s.worker = nil
		go w.run()
	}
}

// watchLess stops watching for room to write.
func (s *socket) watchLess() {
	if s.roomy {
		s.roomy = false
		s.watch(watched)
	}
}

func (s *socket) watch(events uint32) {
	_ = control(s.loop.poll, unix.EPOLL_CTL_MOD, s.fd, events)
}

// write sends b. If there is no room it waits.
func (s *socket) write(b []byte) (sent int, err error) {
	for sent < len(b) && err == nil {
		var n int
		n, err = send(s.fd, b[sent:])
		sent += n
	}
	if err == syscall.EAGAIN {
		return s.writePatiently(b, sent)
	}
	return sent, err
}

// writePatiently sends the rest of b, after the first sent bytes, and waits for room.
func (s *socket) writePatiently(b []byte, sent int) (int, error) {
	c := s.conn
	if err := c.keep(cap(b)); err != nil {
		return sent, err
	}
	defer c.forget(cap(b))
	c.mustTake()
	for sent < len(b) {
		n, err := send(s.fd, b[sent:])
		sent += n
		switch {
		case n > 0:
			c.mustTake()
		case err == nil: // a signal interrupted it
		case err != syscall.EAGAIN:
			return sent, err
		case !s.waitForRoom(): // it also returns when the client has sent something
			return sent, errCut
		}
	}
	return sent, nil
}

// waitForRoom waits until there may be room to write. It reports false if the connection was
// cut off.
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

// writeNow is for a few bytes. If a socket does not take them at once, its client does not
// read.
func (s *socket) writeNow(b []byte) (int, error) { return transfer(syscall.SYS_WRITE, s.fd, b) }

func (s *socket) passLead() {
	s.conn.session.SetTime(0)
	if s.worker != nil {
		s.worker.bulk.time = 0
		s.worker.tellServed()
		s.worker.passLead()
	}
}

func (s *socket) yield() (later bool) {
	s.again = true
	return true
}

func (s *socket) wake() { s.loop.post(s) }

func (s *socket) cutOff() {
	s.cut.Store(true)
	s.wake()
}

func (s *socket) isCut() bool { return s.cut.Load() }

func (s *socket) seeOff() error { return s.conn.readErr }

func (s *socket) inFlight() flight {
	unsent, open := unconfirmed(s.fd)
	return flight{unsent, open, true}
}

func (s *socket) unread() int { return unreadBytes(s.fd) }

func (s *socket) remote() net.Addr {
	if s.client.IsValid() {
		return net.TCPAddrFromAddrPort(s.client)
	}
	return &net.UnixAddr{Net: "unix"} // clients of a Unix socket have no name
}

func (s *socket) descriptor() int { return s.fd }
