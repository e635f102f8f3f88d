package server

import (
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// attend gives the connection its turn, which events of its socket are the
// reason for, or mail if there are none. It reports false when it had to wait:
// the worker has a successor by now.
func (s *socket) attend(w *worker, events uint32) bool {
	if !s.claim() {
		return true
	}
	s.worker = w
	switch {
	case events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0:
		s.input = inputEnds
	case events != 0:
		s.expectInput()
	}
	if s.turn() && s.worker == w && s.conn.out.Buffered() > 0 {
		w.unsent = append(w.unsent, s)
		return true
	}
	return s.endTurn()
}

// expectInput notes that something may have arrived.
func (s *socket) expectInput() {
	if s.input == noInput {
		s.input = moreInput
	}
}

// endTurn ends what attend has begun: it sends the replies, and lets go of the
// connection if it is to go on and nothing has happened meanwhile. It reports
// false when the worker has a successor.
func (s *socket) endTurn() bool {
	c := s.conn
	for {
		if c.flush() != nil || s.isOver() {
			c.end()
			c.linger()
			s.state.Store(closed)
			s.loop.remove(s)
			return s.worker != nil
		}
		c.answersSent()
		w, unfinished := s.worker, c.parked == nil && (s.again || s.input != noInput)
		s.watchLess()
		if s.state.CompareAndSwap(attended, unattended) {
			switch {
			case !unfinished:
			case w != nil:
				w.later = append(w.later, s)
			default:
				s.loop.post(s)
			}
			return w != nil
		}
		s.state.Store(attended)
		s.input = inputEnds // nobody has noted what has happened
		s.turn()
	}
}

// isOver reports whether the connection is to be closed: by its client, by us, or
// because the server is to end and all that has arrived is handled.
func (s *socket) isOver() bool {
	if s.stage == ended {
		return true
	}
	finished := s.stage == lastInput && !s.again && (s.input == noInput || s.rest <= 0)
	return s.conn.parked == nil && (s.cut.Load() || finished)
}

// turn does what can be done without waiting for the client, but no more than is
// fair; the replies are still to be sent. It reports whether the connection goes on.
func (s *socket) turn() bool {
	if !s.takeTurn() {
		s.stage = ended
	}
	return s.stage != ended
}

func (s *socket) takeTurn() bool {
	c := s.conn
	if c.finishing.Load() && s.stage == serving {
		// A client that goes on to send must not keep the server from its end.
		s.stage = lastInput
		s.rest = s.unread()
	}
	if c.parked == nil && !s.again {
		if !s.receive() {
			return c.readErr == nil
		}
		c.heard()
		c.lastRead.Store(s.loop.now.Load())
	}
	s.again = false
	for {
		if c.parked != nil {
			switch s.stir() {
			case waitGoesOn:
				return true
			case connOver:
				return false
			}
		}
		if !c.handleBuffered() {
			return false
		}
		if c.parked == nil {
			c.in.Release()
			return true
		}
		if c.in.Buffered() == 0 && s.input == noInput {
			return true // there is nothing that concerns the wait
		}
	}
}

// receive reads what has arrived. It reports false if that is nothing, with
// readErr set if there will be no more.
func (s *socket) receive() bool {
	c := s.conn
	c.readErr = nil
	space := c.in.Space()
	n, err := transfer(syscall.SYS_READ, s.fd, space)
	switch {
	case err == syscall.EAGAIN:
		s.input = noInput
		c.in.Release()
		return false
	case err != nil:
		c.readErr = err
		return false
	case n == 0:
		c.readErr = io.EOF
		return false
	}
	c.received(n)
	s.rest -= n
	switch { // of a stream, less than was asked for is all there is
	case s.input == inputEnds:
	case n < len(space):
		s.input = noInput
	default:
		s.input = moreInput
	}
	return true
}

func (s *socket) readBehind() bool { return !broken(s.conn.readErr) && s.receive() }

// stirred is what has become of a connection whose client waited in line.
type stirred uint8

const (
	waitGoesOn stirred = iota // nothing has happened that ends it
	waitOver                  // the connection goes on
	connOver                  // the connection is to be closed
)

// stir looks after a connection whose client waits in line.
func (s *socket) stir() stirred {
	c, p := s.conn, s.conn.parked
	s.expectInput()
	if p.over.Load() {
		return s.endWait(false)
	}
	// Nothing is read: what is pipelined stays where it bounds itself.
	got := pollNow(s.fd, unix.POLLIN|unix.POLLRDHUP)
	gone := got&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0 || s.cut.Load()
	more := got&unix.POLLIN != 0 || c.in.Buffered() > 0
	switch {
	case gone:
		s.input, c.readErr = inputEnds, io.EOF
		return s.endWait(true) // to answer will tell if it was reset
	case more && p.byPolicy:
		return s.endWait(false)
	case more || c.finishing.Load(): // to finish, all waits are being ended
		p.behind.Store(true)
	}
	if !p.over.Load() {
		return waitGoesOn
	}
	return s.endWait(false)
}

func (s *socket) endWait(gone bool) stirred {
	if s.conn.endWait(gone) {
		return waitOver
	}
	return connOver
}
