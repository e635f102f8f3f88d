package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/client/internal/ctxtime"
)

// A peer is what a Client knows of one server: what it is, and whether it is away.
//
// The first request that gets no answer closes the gate. From then on one request at
// a time is the probe, at growing pauses; whoever else wants something waits for its
// outcome and counts it among its own tries, so that no number of goroutines makes
// more requests than one. A probe that is answered opens the gate.
//
// Once somebody has used up all tries, the gate is a circuit breaker that is open:
// all fail at once, but for a probe after a second, then after 2, 4, 8, 10.
type peer struct {
	name   string
	addr   net.Addr         // nil with a Memcache of the caller's
	mc     *memcache.Client // makes requests there
	onAway func(*peer)      // called when the gate closes
	fleet  *fleet           // that it is a node of; nil for a single server
	seed   bool             // Config.Cluster names it

	mu      sync.Mutex // guards what follows
	kind    kind
	away    bool
	met     bool             // it has answered, at some time
	broken  bool             // away, and somebody has used up all tries
	returns uint64           // how often it came back
	failed  int              // probes in vain
	due     time.Time        // of the next probe
	probe   chan struct{}    // closed when the probe under way is over; nil if there is none
	cause   error            // of the latest fault
	lines   []*line          // idle
	waits   map[*line]string // on which claims wait in line, with their keys
	pulsed  bool             // somebody asks whether it is there, while there are waits
	strays  []*stray         // the oldest first
	watched bool             // somebody watches the strays, and hears of strayed
	strayed chan struct{}    // has room for one

	// Of a node of a cluster:
	node     string            // its name, as it was told
	troubled time.Time         // when it last gave no answer, or SERVER_ERROR
	busy     int               // requests and waits under way
	conns    map[*tracked]bool // to it
}

// Why a request was not made.
var (
	errBroken      = errors.New("client: away, as others have found")
	errInterrupted = errors.New("client: interrupted")
)

// interrupted tells that ctx ended, and why.
func interrupted(ctx context.Context) error {
	return fmt.Errorf("%w: %w", errInterrupted, context.Cause(ctx))
}

// pass lets one request through the gate.
type pass struct {
	returns uint64 // the server's, when it was issued
	probe   bool
}

// attempt makes a request once, when the gate lets it. While the server is away it
// may return the outcome of somebody else's probe instead.
func (s *peer) attempt(ctx context.Context, request func() error) error {
	p, err := s.enter(ctx)
	if err != nil {
		return err
	}
	if s.fleet != nil {
		defer s.fleet.heed(s)()
	}
	err = request()
	if s.leave(p, err) {
		s.onAway(s)
	}
	return err
}

// enter waits for the gate.
func (s *peer) enter(ctx context.Context) (pass, error) {
	for {
		s.mu.Lock()
		p, probe, wait, err := s.tryEnter(time.Now())
		s.mu.Unlock()
		switch {
		case err != nil:
			return p, err
		case probe != nil:
			if err := s.follow(ctx, probe); err != nil {
				return p, err
			}
		case wait > 0:
			if !ctxtime.Sleep(ctx, wait) {
				return p, interrupted(ctx)
			}
		default:
			return p, nil
		}
	}
}

// tryEnter issues a pass, or says what to wait for: the end of somebody's probe, or
// the moment for the next one. The caller holds mu.
func (s *peer) tryEnter(now time.Time) (p pass, probe chan struct{}, wait time.Duration, err error) {
	wait = s.due.Sub(now)
	switch {
	case !s.away:
		return pass{returns: s.returns}, nil, 0, nil
	case s.broken && (s.probe != nil || wait > 0):
		return p, nil, 0, fmt.Errorf("%w: %w", errBroken, s.cause)
	case s.probe != nil:
		return p, s.probe, 0, nil
	case wait > 0:
		return p, nil, wait, nil
	}
	s.probe = make(chan struct{})
	return pass{returns: s.returns, probe: true}, nil, 0, nil
}

// follow waits for the outcome of somebody else's probe. Those who waited come
// through the opened gate one after the other, not all in one moment.
func (s *peer) follow(ctx context.Context, probe chan struct{}) error {
	select {
	case <-probe:
	case <-ctx.Done():
		return interrupted(ctx)
	}
	s.mu.Lock()
	away, cause := s.away, s.cause
	s.mu.Unlock()
	if away {
		return cause
	}
	if !ctxtime.Sleep(ctx, rand.N(spread)) {
		return interrupted(ctx)
	}
	return nil
}

// spread is over how much time those come back who waited for the same probe.
const spread = 50 * time.Millisecond

// bypass issues a pass for what may take long, and so can be no probe: it does not
// wait for the gate.
func (s *peer) bypass() pass {
	s.mu.Lock()
	defer s.mu.Unlock()
	return pass{returns: s.returns}
}

// leave takes note of how a request went, and reports whether the gate has closed.
func (s *peer) leave(p pass, err error) (closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	away := isAway(err)
	if away {
		s.cause = err
	}
	if away || isBusy(err) {
		s.troubled = time.Now()
	}
	s.met = s.met || !away && !errors.Is(err, errInterrupted)
	switch {
	case p.probe && away:
		s.failed, s.kind = s.failed+1, unknown
		s.due = time.Now().Add(s.pause())
	case p.probe:
		s.away, s.broken, s.failed = false, false, 0
		s.returns++
	case away && !s.away && p.returns == s.returns: // otherwise it is old news
		s.away, s.kind, closed = true, unknown, true
		s.due = time.Now().Add(s.pause())
	}
	if p.probe {
		close(s.probe)
		s.probe = nil
	}
	return closed
}

func (s *peer) isAway() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.away
}

// forgive opens the gate although the server is away.
func (s *peer) forgive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away, s.broken, s.failed = false, false, 0
	s.returns++
}

func (s *peer) answered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.met = true
}

func (s *peer) hasAnswered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.met
}

// hopeless reports whether all fail at once.
func (s *peer) hopeless() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// giveUp notes that somebody has used up so many tries. If some of them belong to an
// earlier outage, this one may still be over soon.
func (s *peer) giveUp(tries int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away && !s.broken && s.failed >= tries-1 {
		s.broken, s.failed = true, 0
		s.due = time.Now().Add(s.pause())
	}
}

// pause is how long until the next probe. The caller holds mu.
func (s *peer) pause() time.Duration {
	if s.broken {
		rest := min(time.Second<<min(s.failed, 4), 10*time.Second)
		return rest*3/4 + rand.N(rest/2)
	}
	return pauseAfter(s.failed)
}

// nextTry is how long a call pauses after its nth try in vain: until the next probe,
// if the server is away.
func (s *peer) nextTry(n int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return max(0, time.Until(s.due))
	}
	return pauseAfter(n)
}
