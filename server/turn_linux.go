package server

import (
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// begin makes w attend to the connection, because of the events of its socket, or without
// events because of mail. It reports false if another goroutine does already.
func (s *socket) begin(w *worker, events uint32) bool {
	if !s.claim() {
		return false
	}
	s.worker = w
	switch {
	case events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0:
		s.input = inputEnds
	case events != 0:
		s.expectInput()
	}
	return true
}

// attend gives the connection its turn. It reports false when it had to wait: then another
// goroutine runs the worker.
func (s *socket) attend() bool {
	w := s.worker
	if s.turn() && s.worker == w && s.conn.out.Buffered() > 0 {
		w.unsent = append(w.unsent, s)
		return true
	}
	return s.endTurn()
}

// expectInput records that something may have arrived.
func (s *socket) expectInput() {
	if s.input == noInput {
		s.input = moreInput
	}
}

// endTurn ends the turn that begin began. It sends the replies, and then closes the
// connection or leaves it unattended; if something has happened meanwhile it first gives
// the connection another turn. It reports false when another goroutine runs the worker.
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
		s.input = inputEnds // the events were not recorded
		s.turn()
	}
}

// isOver reports whether the connection must be closed: because of its client, because it was
// cut off, or because the server shuts down and all that has arrived is handled.
func (s *socket) isOver() bool {
	if s.stage == ended {
		return true
	}
	finished := s.stage == lastInput && !s.again && (s.input == noInput || s.rest <= 0)
	return s.conn.parked == nil && (s.cut.Load() || finished)
}

// turn does what can be done without waiting for the client, but no more than is fair to
// others. It does not send the replies. It reports whether the connection goes on.
func (s *socket) turn() bool {
	if !s.takeTurn() {
		s.stage = ended
	}
	return s.stage != ended
}

func (s *socket) takeTurn() bool {
	c := s.conn
	if c.finishing.Load() && s.stage == serving {
		// A client that keeps sending must not keep the server from shutting down.
		s.stage = lastInput
		s.rest = s.unread() + s.ahead().n
	}
	c.session.SetTime(0)
	switch {
	case c.parked != nil:
	case s.again:
		c.session.SetTime(c.srv.locks.Now())
	case !s.receive():
		return c.readErr == nil
	default:
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
			if s.shared && c.parked.yields() {
				acknowledge(s.fd)
			}
			return true // there is no input that could end the wait
		}
	}
}

// receive takes what has arrived. It reports false if there is nothing, with readErr set if
// nothing more will arrive.
func (s *socket) receive() bool {
	c := s.conn
	c.readErr = nil
	space := c.in.Space()
	n, limit, err := s.read(space)
	switch {
	case err == syscall.EAGAIN:
		c.hasRead(true)
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
	c.hasRead(n < limit)
	s.rest -= n
	switch { // on a stream socket, a short read has read everything
	case s.input == inputEnds:
	case n < limit:
		s.input = noInput
	default:
		s.input = moreInput
	}
	return true
}

func (s *socket) readBehind() bool { return !broken(s.conn.readErr) && s.receive() }

// stirred is the outcome of stir.
type stirred uint8

const (
	waitGoesOn stirred = iota // nothing has happened that ends the wait
	waitOver                  // the wait has ended, the connection goes on
	connOver                  // the connection must be closed
)

// stir gives a connection whose client waits in line its turn.
func (s *socket) stir() stirred {
	c, p := s.conn, s.conn.parked
	s.expectInput()
	if p.isOver() {
		return s.endWait(false)
	}
	// Nothing is read: what is pipelined stays in the kernel, whose buffer is bounded.
	got := pollNow(s.fd, unix.POLLIN|unix.POLLRDHUP)
	gone := got&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0 || s.cut.Load()
	more := got&unix.POLLIN != 0 || c.in.Buffered() > 0
	switch {
	case gone:
		s.input, c.readErr = inputEnds, io.EOF
		return s.endWait(true) // writing the answer will tell if it was reset
	case more:
		s.shared = s.shared || p.yields()
		if p.hasten() {
			return s.endWait(false)
		}
	}
	if c.finishing.Load() {
		p.finish()
	}
	if !p.isOver() {
		return waitGoesOn
	}
	return s.endWait(false)
}

func (s *socket) endWait(gone bool) stirred {
	if s.conn.parked.end(gone) {
		return waitOver
	}
	return connOver
}
