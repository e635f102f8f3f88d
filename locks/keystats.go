package locks

import (
	"time"
	"unsafe"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/lockcached/lockcached/stats"
)

// keyStats is what is known of the past of one lock. While the lock is held its
// item refers to it; otherwise only the shard's LRU does, which may forget it.
type keyStats struct {
	stats.Record
	key    string
	class  *classStats
	listed bool // in the LRU

	contention *contention // nil until a claim was refused
	lostToken  uint64      // of the latest hold, if that expired
}

// classStats is the same for a class, as far as its locks belong to the shard.
// Whoever reads it merges the shards.
type classStats struct {
	stats.Record
	name    string
	listed  bool
	metrics *classMetrics // see tallied
	law     *classLaw     // nil until one of its locks was contended
	// unnamed stands for the statistics of held locks of which nothing is known
	// yet but their class. Its counts mean nothing.
	unnamed keyStats
}

// isUnnamed reports whether the statistics are a class's for its unknown locks.
func (ks *keyStats) isUnnamed() bool { return ks.key == "" }

func (sh *shard) initStats(keys, classes int) {
	// The only error is a size that is not positive.
	sh.keys, _ = simplelru.NewLRU(max(1, keys), func(_ string, ks *keyStats) { ks.listed = false })
	sh.classes, _ = simplelru.NewLRU(max(1, classes), func(_ string, cs *classStats) { cs.listed = false })
}

// knownStats returns what is known of the key, nil if that is nothing.
func (sh *shard) knownStats(key []byte) *keyStats {
	ks, ok := sh.keys.Get(stringOf(key))
	if !ok {
		return nil
	}
	return ks
}

// statsOf returns the statistics of a held lock, new ones if there are none. For
// an item that is no lock they begin with nothing acquired.
func (sh *shard) statsOf(it *item) *keyStats {
	ks := it.Attached.stats
	if ks != nil && !ks.isUnnamed() {
		return ks
	}
	if ks != nil {
		ks = &keyStats{key: string(it.Key()), class: ks.class}
		ks.Acquired = 1 // the class has counted it
		sh.keep(ks)
	} else {
		ks = sh.statsOfKey(it.Key())
	}
	it.Attached.stats = ks
	return ks
}

// statsOfKey is statsOf for a lock that nobody holds.
func (sh *shard) statsOfKey(key []byte) *keyStats {
	ks := sh.knownStats(key)
	if ks == nil {
		ks = &keyStats{key: string(key), class: sh.classOf(key)}
	}
	sh.keep(ks)
	return ks
}

// granted counts a grant, and returns what is known of the lock.
func (sh *shard) granted(it *item) *keyStats {
	ks := sh.knownStats(it.Key())
	if ks == nil {
		ks = &sh.classOf(it.Key()).unnamed
	}
	ks.acquired()
	return ks
}

// past is what is known of a lock that is free, or of its class. To ask for it makes
// nothing that would have to be remembered.
func (sh *shard) past(key []byte) *keyStats {
	if ks, ok := sh.keys.Peek(stringOf(key)); ok {
		return ks
	}
	var buf [256]byte
	name := stringOf(stats.AppendClass(buf[:0], key, sh.m.config.ClassDelimiter))
	if cs, ok := sh.classes.Peek(name); ok {
		return &cs.unnamed
	}
	law, _ := sh.m.laws.Peek(name) // from the locks of other shards
	return &keyStats{class: &classStats{law: law}}
}

// keep puts the statistics back among those that are remembered; they may have
// been forgotten while the lock was held.
func (sh *shard) keep(ks *keyStats) {
	if !ks.listed {
		ks.listed = true
		sh.keys.Add(ks.key, ks)
	}
	if ks.class.listed {
		return
	}
	if cs, ok := sh.classes.Get(ks.class.name); ok {
		ks.class = cs // it was forgotten and began anew meanwhile
		return
	}
	sh.list(ks.class)
}

// classOf returns the class of a key, a new one if nothing is known of it.
func (sh *shard) classOf(key []byte) *classStats {
	var buf [256]byte
	name := stats.AppendClass(buf[:0], key, sh.m.config.ClassDelimiter)
	if cs, ok := sh.classes.Get(stringOf(name)); ok {
		return cs
	}
	cs := &classStats{name: string(name)}
	cs.unnamed.class = cs
	if law, ok := sh.m.laws.Peek(cs.name); ok {
		cs.law = law
	} else {
		cs.HoldLaw = new(stats.Histogram)
	}
	sh.list(cs)
	return cs
}

// list puts a class among those that are remembered.
func (sh *shard) list(cs *classStats) {
	cs.listed = true
	cs.metrics = sh.metricsOf(cs.name)
	sh.classes.Add(cs.name, cs)
}

// What happens to a lock counts for its class too, and for the class's metrics.

func (ks *keyStats) acquired() {
	ks.Acquired++
	ks.class.Acquired++
	ks.class.tallied().Acquired++
}

func (ks *keyStats) refused() {
	ks.Refused++
	ks.class.Refused++
	ks.class.tallied().Refused++
}

func (ks *keyStats) renewed() {
	ks.Renewed++
	ks.class.Renewed++
	ks.class.tallied().Renewed++
}

func (ks *keyStats) withdrawn() {
	ks.Withdrawn++
	ks.class.Withdrawn++
	ks.class.tallied().Withdrawn++
}

func (ks *keyStats) waitTimedOut() {
	ks.WaitTimeouts++
	ks.class.WaitTimeouts++
	ks.class.tallied().WaitTimeouts++
}

func (ks *keyStats) overran() {
	ks.Overrun++
	ks.class.Overrun++
	ks.class.tallied().Overrun++
	ks.lostToken = 0
}

func (ks *keyStats) deadlocked() {
	ks.Deadlocks++
	ks.class.Deadlocks++
	ks.class.tallied().Deadlocks++
}

// age lets the past fade, of the lock and of its class.
func (ks *keyStats) age(now time.Duration) {
	ks.Age(now)
	ks.class.Age(now)
	if ks.class.law != nil {
		ks.class.law.age(now)
	}
}

func (ks *keyStats) released(took time.Duration) {
	ks.Released++
	ks.class.Released++
	ks.Hold.Add(took)
	ks.class.Hold.Add(took)
	if ks.HoldLaw != nil {
		ks.HoldLaw.Add(took)
	}
	if ks.class.law != nil {
		ks.class.law.released(took)
	} else {
		ks.class.HoldLaw.Add(took)
	}
	c := ks.class.tallied()
	c.Released++
	c.Hold.Add(took)
}

func (ks *keyStats) expired(took time.Duration) {
	ks.Expired++
	ks.class.Expired++
	ks.Censored.Add(took)
	ks.class.Censored.Add(took)
	if ks.HoldLaw != nil {
		ks.HoldLaw.Censor(took)
	}
	if ks.class.law != nil {
		ks.class.law.expired(took)
	} else {
		ks.class.HoldLaw.Censor(took)
	}
	ks.class.tallied().Expired++
}

func (ks *keyStats) wait(took time.Duration) {
	ks.Wait.Add(took)
	ks.class.Wait.Add(took)
	if ks.WaitLaw != nil {
		ks.WaitLaw.Add(took)
	}
	if ks.class.law != nil {
		ks.class.law.waited(took)
	}
	ks.class.tallied().Wait.Add(took)
}

func (ks *keyStats) gap(took time.Duration) {
	ks.Gap.Add(took)
	ks.class.Gap.Add(took)
	ks.class.tallied().Gap.Add(took)
}

func (ks *keyStats) handedOff() {
	ks.HandedOff++
	ks.class.HandedOff++
	ks.class.tallied().HandedOff++
	ks.gap(0)
}

// stringOf and bytesOf look at the same bytes as another type, for a call that
// neither keeps nor changes them. Converting would allocate on the hot path.

func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
