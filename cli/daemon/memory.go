package daemon

import (
	"os"
	"runtime/debug"
)

// What the process takes beside what -m counts, in bytes, measured generously.
const (
	processMemory    = 64 << 20
	connectionMemory = 36 << 10 // 1.4 KB, and a buffer of 16 KB each way while it is busy
	statsKeyMemory   = 2500     // of a lock that is always contended
)

// processLimit is how much memory the Go runtime should do with. An item takes up to
// a quarter more than -m counts for it, because memory is given out in certain sizes;
// the second quarter is there so that garbage is not collected all the time.
func processLimit(c *config, items int64) int64 {
	return processMemory + items + items/2 +
		int64(c.server.MaxConns)*connectionMemory + int64(c.locks.StatsKeys)*statsKeyMemory
}

// boundMemory makes the Go runtime keep to processLimit, unless the user has set
// GOMEMLIMIT: without it the process may take twice what is in use. The limit is soft:
// memory that is needed is there.
func boundMemory(c *config) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(processLimit(c, c.locks.MemoryLimit))
	c.server.MemoryLimitChanged = func(items int64) { debug.SetMemoryLimit(processLimit(c, items)) }
}
