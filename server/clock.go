package server

import (
	"sync"
	"time"

	"github.com/lockcached/lockcached/protocol"
)

// seldom keeps what happens often from filling the log. Safe for concurrent use.
type seldom struct {
	mu     sync.Mutex // guards what follows
	logged time.Time
	missed int
}

// due reports whether to log something now, once a second at most, and how many
// times it was not logged since.
func (s *seldom) due() (missed int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.logged) < time.Second {
		s.missed++
		return 0, false
	}
	missed, s.missed, s.logged = s.missed, 0, time.Now()
	return missed, true
}

// now is the clock that connections go by: monotonic, so that setting the wall
// clock cuts nobody off. In nanoseconds, for atomics.
func (s *Server) now() int64 { return int64(time.Since(s.started)) }

func lease(exptime int32) time.Duration { return protocol.Lease(exptime, time.Now) }
