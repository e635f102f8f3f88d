package server

import (
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// A socket is a transport that is served by a loop. All of it belongs to the worker that
// attends to the connection, but for what is atomic.
type socket struct {
	conn   *conn
	fd     int
	loop   *loop
	client netip.AddrPort // invalid for a Unix socket

	worker *worker       // who attends to it, nil if that is its own goroutine
	input  input         // what may be left to read
	stage  stage         // how near to its end it is
	again  bool          // requests that were read are left for the next turn
	roomy  bool          // the loop watches for room to write
	state  atomic.Int32  // see below
	cut    atomic.Bool   // to be closed without further ado
	rest   int           // bytes that are read in the stage lastInput
	room   chan struct{} // tells who waits for room that something has happened; made under loop.mu
}

// input is what the kernel may have for the server.
type input uint8

const (
	moreInput input = iota // possibly: reading tells
	inputEnds              // so, too, and less than was asked for is not all: the end may be behind it
	noInput                // all that had arrived was read
)

// stage is how far a socket is on the way to its end.
type stage uint8

const (
	serving   stage = iota
	lastInput       // the server is to end: what has arrived by now is read, and no more
	ended           // to be closed
)

// newSocket has c served by a loop; add begins with that.
func newSocket(c *conn, fd int, l *loop, client netip.AddrPort) *socket {
	s := &socket{conn: c, fd: fd, loop: l, client: client}
	s.state.Store(attended) // by who accepted it, until the loop knows it
	c.transport = s
	return s
}

// welcomeSocket has a loop serve an accepted connection if it is a bare socket, and
// turns it away if there are too many.
func (s *Server) welcomeSocket(nc net.Conn, l net.Listener) (served bool, err error) {
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
	c.listener = l.Addr()
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
	closed           // its descriptor may be another's by now
)

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

// write sends b, and waits for room if there is none.
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

// writePatiently sends what there was no room for, all but the first so many bytes.
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
		case !s.waitForRoom(): // which also returns when the client has sent something
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

// writeNow is for a few bytes: a socket that does not take them at once belongs to a
// client that does not read.
func (s *socket) writeNow(b []byte) (int, error) { return transfer(syscall.SYS_WRITE, s.fd, b) }

func (s *socket) passLead() {
	if s.worker != nil {
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
