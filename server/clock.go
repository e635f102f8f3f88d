package server

import (
	"sync"
	"time"

	"github.com/lockcached/lockcached/protocol"
)

// seldom keeps frequent events from filling the log. Safe for concurrent use.
type seldom struct {
	mu     sync.Mutex // guards what follows
	logged time.Time
	missed int
}

// due reports whether to log an event now, at most once a second, and how many events have
// not been logged since the last one that was.
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

// now is the server's clock, in nanoseconds since it started. It is monotonic, so that
// setting the wall clock cuts off no connection; an int64 fits the atomics.
func (s *Server) now() int64 { return int64(time.Since(s.started)) }

func lease(exptime int64) time.Duration { return protocol.Lease(exptime, time.Now) }

// lease is the lease that the present request asks for. It begins at the session's time, and
// ends at the date if exptime is one.
func (c *conn) lease(exptime int64) time.Duration { return protocol.Lease(exptime, c.wallTime) }

// wallTime is the session's time on the wall clock.
func (c *conn) wallTime() time.Time { return time.Now().Add(-c.srv.locks.Lag(&c.session)) }
