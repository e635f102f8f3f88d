package daemon

import (
	"os"
	"runtime/debug"
)

// What the process needs besides the memory that -m counts, in bytes, rounded up generously.
const (
	processMemory    = 64 << 20
	connectionMemory = 36 << 10 // 1.4 KB, and a buffer of 16 KB each way while it is busy
	statsKeyMemory   = 2500     // of a lock that is always contended
	recordMemory     = 20 << 20 // of recent events, for the page
)

// processLimit is how much memory the Go runtime should use at most, in bytes. An item takes up to
// a quarter more than -m counts for it, because memory is allocated in certain sizes; a second
// quarter keeps the garbage collector from running all the time.
func processLimit(c *config, items int64) int64 {
	limit := processMemory + items + items/2 +
		int64(c.server.MaxConns)*connectionMemory + int64(c.locks.StatsKeys)*statsKeyMemory
	if c.locks.Recent {
		limit += recordMemory
	}
	return limit
}

// boundMemory sets processLimit as the Go runtime's memory limit, unless the user has set
// GOMEMLIMIT. Without a limit the process may take twice the memory in use. The limit is soft: the
// runtime exceeds it if it has to.
func (s *service) boundMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	c := s.config
	s.sized.Store(c)
	debug.SetMemoryLimit(processLimit(c, c.locks.MemoryLimit))
	c.server.MemoryLimitChanged = func(items int64) { debug.SetMemoryLimit(processLimit(s.sized.Load(), items)) }
}

// boundAgain applies the limits of memory of a new configuration. That of items stays if it is the
// same as in the old one: a client may have set it since.
func (s *service) boundAgain(old *config) {
	c := s.config
	if c.megabytes != old.megabytes {
		s.manager.SetMemoryLimit(c.locks.MemoryLimit)
		s.server.BoundRequests(c.locks.MemoryLimit)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		s.sized.Store(c)
		debug.SetMemoryLimit(processLimit(c, s.manager.Totals().LimitBytes))
	}
}
