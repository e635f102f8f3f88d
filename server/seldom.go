package server

import (
	"sync"
	"time"
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
