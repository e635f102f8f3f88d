package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Host carries out what other nodes pass on.
type Host interface {
	// Open begins a session for a client of another node.
	Open(client string) Session
	// Withdraw takes back the grant with the token, if it still holds. done is called once
	// that is confirmed.
	Withdraw(key []byte, token uint64, done func(Reply))
	// Flush releases all locks, and ends all items, when delay is over.
	Flush(delay time.Duration, done func(Reply))
	// Hears reports whether an incarnation of another node has been heard of late.
	Hears(incarnation string) bool
}

// Session carries out the calls for one client, one at a time. Its methods do not wait.
type Session interface {
	// Do carries out a request, which it may keep, and calls done once.
	Do(c Call, done func(Reply))
	// Hurry ends a wait that the client has not asked for, Cancel any wait.
	Hurry()
	Cancel()
	// Close ends the session. It withdraws no grant: nobody knows whether the client got it.
	Close()
}

// Far is what the far end of links needs to know. All fields but the last are required.
type Far struct {
	Self    func() string // the present incarnation of this node
	Host    Host
	Silence time.Duration // as in Config

	senders senders
}

// Why a connection is closed whose frames could still be read.
var (
	// errStranger: it is meant for another incarnation, or speaks another version.
	errStranger = errors.New("link: the connection is not meant for this node")
	// errSucceeded: the sender has made a newer one.
	errSucceeded = errors.New("link: the sender has given the connection up")
	// errPaused: nothing was read for so long that the sender must have given it up.
	errPaused = errors.New("link: this end was silent for too long")
)

// Serve serves a connection that another node has made, until it ends, and closes it.
func (far *Far) Serve(ctx context.Context, nc net.Conn) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(ctx, func() { _ = nc.Close() })
	s := &served{far: far, out: newOutbox(), sessions: make(map[uint64]Session), calls: make(map[uint64]Session)}
	var sender sync.WaitGroup
	sender.Go(func() {
		_ = s.out.run(nc)
		stop()
	})
	err := s.read(nc)
	far.senders.leave(s.sender)
	for _, session := range s.sessions {
		session.Close()
	}
	stop()
	s.out.close()
	sender.Wait()
	return err
}

// served is one connection at its far end. Only the goroutine that reads uses its sessions.
type served struct {
	far      *Far
	self     string // the incarnation that the connection is meant for
	sender   *sender
	number   uint64
	out      *outbox
	sessions map[uint64]Session

	mu    sync.Mutex // guards calls
	calls map[uint64]Session
}

func (s *served) read(nc net.Conn) error {
	r := frameReader{from: nc}
	greeted := false
	for {
		began := time.Now()
		_ = nc.SetReadDeadline(began.Add(s.far.Silence))
		f, err := r.next()
		switch {
		case err != nil:
			return err
		case time.Since(began) > s.far.Silence:
			return errPaused // before the deadline was noticed, a frame was there
		case f.kind == beat: // answered here, whatever the calls wait for
			s.out.add(answer, f.id, nil)
		case f.kind == hello && !greeted:
			if err := s.meet(f); err != nil {
				return err
			}
			greeted = true
		case !greeted:
			return errFrame
		default:
			if err := s.take(f); err != nil {
				return err
			}
		}
	}
}

// meet checks that the connection is meant for this incarnation: what is meant for an earlier
// one must not be carried out.
func (s *served) meet(f frame) error {
	b := body{left: f.body}
	v, from, to := b.uint16(), b.text(), b.text()
	if err := b.err(); err != nil {
		return err
	}
	if s.self = to; v != version || to != s.far.Self() {
		return fmt.Errorf("%w: version %d from %s for %s", errStranger, v, from, to)
	}
	if s.number = f.id; s.number != noNumber {
		s.sender = s.far.senders.meet(from, s.number)
	}
	return nil
}

// take carries a frame out, unless the sender has made another connection: it has told its clients
// already that what it sent on this one is lost.
func (s *served) take(f frame) error {
	if s.sender == nil {
		return errFrame // a probe has nothing else to say
	}
	s.sender.mu.Lock()
	defer s.sender.mu.Unlock()
	switch {
	case s.self != s.far.Self(): // what was asked of an earlier incarnation is not carried out
		return errStranger
	case s.number != s.sender.latest:
		return errSucceeded
	}
	return s.carryOut(f)
}

func (s *served) carryOut(f frame) error {
	switch f.kind {
	case call:
		return s.call(f)
	case hurry:
		if session := s.sessionOf(f.id); session != nil {
			session.Hurry()
		}
	case cancel:
		if session := s.sessionOf(f.id); session != nil {
			session.Cancel()
		}
	case endOf:
		if session := s.sessions[f.id]; session != nil {
			delete(s.sessions, f.id)
			session.Close()
		}
	case withdraw:
		b := body{left: f.body}
		token := b.uint64()
		s.far.Host.Withdraw(append([]byte(nil), b.left...), token, s.answer(f.id))
		return b.err()
	case flush:
		b := body{left: f.body}
		s.far.Host.Flush(b.duration(), s.answer(f.id))
		return b.err()
	case hears:
		s.answer(f.id)(Reply{Granted: s.far.Host.Hears(string(f.body))})
	default:
		return errFrame
	}
	return nil
}

func (s *served) call(f frame) error {
	c, err := readCall(f.body)
	if err != nil {
		return err
	}
	c.Request = append([]byte(nil), c.Request...)
	session := s.sessions[c.Session]
	if session == nil {
		session = s.far.Host.Open(c.Client)
		s.sessions[c.Session] = session
	}
	s.mu.Lock()
	s.calls[f.id] = session
	s.mu.Unlock()
	session.Do(c, s.answer(f.id))
	return nil
}

// sessionOf returns the session whose call has no reply yet, nil if it has.
func (s *served) sessionOf(id uint64) Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[id]
}

func (s *served) answer(id uint64) func(Reply) {
	return func(r Reply) {
		s.mu.Lock()
		delete(s.calls, id)
		s.mu.Unlock()
		s.out.add(reply, id, r.appendTo)
	}
}
