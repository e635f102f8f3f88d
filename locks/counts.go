package locks

import (
	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/store"
)

// Counts are memcached's counters, of one shard or of all.
type Counts struct {
	CmdGet, CmdSet, CmdTouch                   uint64
	GetHits, GetMisses, GetExpired, GetFlushed uint64
	DeleteHits, DeleteMisses                   uint64
	IncrHits, IncrMisses, DecrHits, DecrMisses uint64
	CasHits, CasMisses, CasBadval              uint64
	TouchHits, TouchMisses                     uint64
	TooLarge, NoMemory                         uint64
	TotalItems                                 uint64
	Evictions, EvictedNonzero                  uint64
	EvictedUnfetched, EvictedActive            uint64
	ExpiredUnfetched, Reclaimed                uint64
}

func (c *Counts) add(o *Counts) {
	c.CmdGet += o.CmdGet
	c.CmdSet += o.CmdSet
	c.CmdTouch += o.CmdTouch
	c.GetHits += o.GetHits
	c.GetMisses += o.GetMisses
	c.GetExpired += o.GetExpired
	c.GetFlushed += o.GetFlushed
	c.DeleteHits += o.DeleteHits
	c.DeleteMisses += o.DeleteMisses
	c.IncrHits += o.IncrHits
	c.IncrMisses += o.IncrMisses
	c.DecrHits += o.DecrHits
	c.DecrMisses += o.DecrMisses
	c.CasHits += o.CasHits
	c.CasMisses += o.CasMisses
	c.CasBadval += o.CasBadval
	c.TouchHits += o.TouchHits
	c.TouchMisses += o.TouchMisses
	c.TooLarge += o.TooLarge
	c.NoMemory += o.NoMemory
	c.TotalItems += o.TotalItems
	c.Evictions += o.Evictions
	c.EvictedNonzero += o.EvictedNonzero
	c.EvictedUnfetched += o.EvictedUnfetched
	c.EvictedActive += o.EvictedActive
	c.ExpiredUnfetched += o.ExpiredUnfetched
	c.Reclaimed += o.Reclaimed
}

// miss counts a get that found nothing, after find.
func (c *Counts) miss(sh *shard) {
	c.GetMisses++
	if sh.foundExpired {
		c.GetExpired++
	}
	if sh.foundFlushed {
		c.GetFlushed++
	}
}

// reset zeroes what "stats reset" zeroes in memcached: all but the number of
// items stored since the start.
func (c *Counts) reset() { *c = Counts{TotalItems: c.TotalItems} }

func (c *Counts) arithHit(decr bool) {
	if decr {
		c.DecrHits++
	} else {
		c.IncrHits++
	}
}

func (c *Counts) arithMiss(decr bool) {
	if decr {
		c.DecrMisses++
	} else {
		c.IncrMisses++
	}
}

func (c *Counts) evicted(it *item) {
	c.Evictions++
	if it.Expires() != ttl.Forever {
		c.EvictedNonzero++
	}
	if it.Has(store.Fetched) {
		c.EvictedActive++
	} else {
		c.EvictedUnfetched++
	}
}

// reclaimed counts an item whose memory came back because it had expired.
func (c *Counts) reclaimed(it *item) {
	c.Reclaimed++
	if !it.Has(store.Fetched) {
		c.ExpiredUnfetched++
	}
}
