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
}

// classStats is the same for a class, as far as its locks belong to the shard.
// Whoever reads it merges the shards.
type classStats struct {
	stats.Record
	name   string
	listed bool
}

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
	if ks := it.Attached.stats; ks != nil {
		return ks
	}
	ks := sh.knownStats(it.Key())
	if ks == nil {
		key := string(it.Key())
		ks = &keyStats{key: key, class: sh.classOf(key)}
	}
	it.Attached.stats = ks
	if held(it) {
		ks.acquired()
	}
	sh.keep(ks)
	return ks
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
	ks.class.listed = true
	sh.classes.Add(ks.class.name, ks.class)
}

func (sh *shard) classOf(key string) *classStats {
	var buf [256]byte
	name := stats.AppendClass(buf[:0], bytesOf(key), sh.m.config.ClassDelimiter)
	if cs, ok := sh.classes.Get(stringOf(name)); ok {
		return cs
	}
	return &classStats{name: string(name)}
}

// What happens to a lock counts for its class too.

func (ks *keyStats) acquired()     { ks.Acquired++; ks.class.Acquired++ }
func (ks *keyStats) refused()      { ks.Refused++; ks.class.Refused++ }
func (ks *keyStats) renewed()      { ks.Renewed++; ks.class.Renewed++ }
func (ks *keyStats) withdrawn()    { ks.Withdrawn++; ks.class.Withdrawn++ }
func (ks *keyStats) waitTimedOut() { ks.WaitTimeouts++; ks.class.WaitTimeouts++ }

func (ks *keyStats) released(took time.Duration) {
	ks.Released++
	ks.class.Released++
	ks.Hold.Add(took)
	ks.class.Hold.Add(took)
}

func (ks *keyStats) expired(took time.Duration) {
	ks.Expired++
	ks.class.Expired++
	ks.Censored.Add(took)
	ks.class.Censored.Add(took)
}

func (ks *keyStats) wait(took time.Duration) {
	ks.Wait.Add(took)
	ks.class.Wait.Add(took)
}

func (ks *keyStats) gap(took time.Duration) {
	ks.Gap.Add(took)
	ks.class.Gap.Add(took)
}

func (ks *keyStats) handedOff() {
	ks.HandedOff++
	ks.class.HandedOff++
	ks.gap(0)
}

// stringOf and bytesOf look at the same bytes as another type, for a call that
// neither keeps nor changes them. Converting would allocate on the hot path.

func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
