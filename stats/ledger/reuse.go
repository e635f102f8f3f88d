package ledger

import "github.com/lockcached/lockcached/stats"

// reuse tells whether the locks of a class come again. Where they are named after jobs, each is
// used once: to remember it would cost more than the lock itself, and tell nobody anything.
type reuse struct {
	forgotten uint16 // Pasts of late, decaying
	once      uint16 // those of them whose lock was granted only once
	skipped   uint16 // Pasts that were not kept since the last one that was
}

const (
	// A class is judged by the Pasts that were forgotten since reuseHalf was last reached: then both
	// counts are halved.
	reuseLeast = 64
	reuseHalf  = 1024
	// Fewer than one of onceOf locks comes again, in a class whose Pasts are not worth keeping.
	onceOf = 32
	// One Past of keptOf is kept all the same: so it is noticed if the locks come again.
	keptOf = 16
)

// forgot counts a Past that the Ledger remembers no more. That its lock is held now, or was contended,
// is reason enough to remember it.
func (c *class) forgot(p *Past) {
	r := &c.reuse
	r.forgotten++
	if p.Count(stats.Acquired) <= 1 && !p.held && p.contention == nil {
		r.once++
	}
	if r.forgotten >= reuseHalf {
		r.forgotten /= 2
		r.once /= 2
	}
}

// isWorthKeeping reports whether to remember a lock of the class that was released for the first time,
// as far as is known.
func (c *class) isWorthKeeping() bool {
	r := &c.reuse
	if r.forgotten < reuseLeast || (r.forgotten-r.once)*onceOf >= r.forgotten {
		return true
	}
	r.skipped++
	if r.skipped >= keptOf {
		r.skipped = 0
		return true
	}
	return false
}
