package cache

import (
	"sync"
	"sync/atomic"
)

// Stats counts what the callers of a Cache met. Hits, Stale, Negative and Misses
// together are all calls that had an answer.
type Stats struct {
	Hits        uint64 // found a fresh value
	Stale       uint64 // found a value that was over, and got it all the same
	Negative    uint64 // found that computing had failed a short time ago
	Misses      uint64 // found nothing that they could use
	Stampedes   uint64 // of the misses: found others computing already
	Waited      uint64 // of those: got the value that the others computed
	FellThrough uint64 // of the misses: computed without the lock
	Early       uint64 // computations begun before the value was over
	Computed    uint64 // computations that succeeded
	Failed      uint64 // computations that failed
	Lost        uint64 // computations whose lock was lost before they ended
	Unreadable  uint64 // values found that nobody could make sense of
	Unstorable  uint64 // values that the server did not store, or did not keep
}

// counters are Stats while they are counted.
type counters struct {
	hits, stale, negative, misses  atomic.Uint64
	stampedes, waited, fellThrough atomic.Uint64
	early, computed, failed        atomic.Uint64
	lost, unreadable, unstorable   atomic.Uint64
}

func (c *counters) stats() Stats {
	return Stats{
		Hits: c.hits.Load(), Stale: c.stale.Load(), Negative: c.negative.Load(), Misses: c.misses.Load(),
		Stampedes: c.stampedes.Load(), Waited: c.waited.Load(), FellThrough: c.fellThrough.Load(),
		Early: c.early.Load(), Computed: c.computed.Load(), Failed: c.failed.Load(),
		Lost: c.lost.Load(), Unreadable: c.unreadable.Load(), Unstorable: c.unstorable.Load(),
	}
}

// countersByName are the counters of the caches of a Client, by their names.
type countersByName struct {
	mu     sync.Mutex // guards byName
	byName map[string]*counters
}

// of returns the counters of the caches that have a name. Observers learn of a new name.
func (c *countersByName) of(name string, observed []Observer) *counters {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.byName[name]
	if found == nil {
		if c.byName == nil {
			c.byName = make(map[string]*counters)
		}
		found = new(counters)
		c.byName[name] = found
		for _, o := range observed {
			o.Watch(name, found.stats)
		}
	}
	return found
}
