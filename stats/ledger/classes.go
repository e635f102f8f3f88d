package ledger

import (
	"time"

	"github.com/lockcached/lockcached/stats"
)

// MergeClass adds what the Ledger knows of a class, and reports whether it knows it.
func (l *Ledger) MergeClass(name string, r *stats.Record) bool {
	c, ok := l.classes.Peek(name)
	if ok {
		r.Merge(&c.Record)
	}
	return ok
}

// MergeLaw adds what all Ledgers know together of the hold and wait times of a class.
func (s *Shared) MergeLaw(name string, r *stats.Record) {
	if law, ok := s.laws.Peek(name); ok {
		law.mu.Lock()
		defer law.mu.Unlock()
		r.MergeLaws(&law.hold, &law.wait)
	}
}

// EachClass visits the classes that are remembered, in no order. r is the Ledger's own:
// valid until visit returns, and read-only. The Ledger may be changed meanwhile.
func (l *Ledger) EachClass(visit func(name string, r *stats.Record)) {
	l.byPlace.classes.each(func(c *class) { visit(c.name, &c.Record) })
}

// RestoreClass puts back what was known of a class before a restart. If the class was
// contended, all Ledgers know it from now on.
func (l *Ledger) RestoreClass(name string, known stats.Record, now time.Duration) {
	c, ok := l.classes.Get(name)
	if !ok {
		c = newClass(name)
		l.list(c)
	}
	wait := known.WaitLaw
	known.WaitLaw = nil
	c.Record = known
	c.Resume(now)
	if c.HoldLaw == nil {
		c.HoldLaw = new(stats.Histogram)
	}
	if wait == nil { // it was never contended
		return
	}
	restored := &law{aged: now}
	restored.wait.Merge(wait)
	l.shared.laws.Add(name, restored)
	c.join(restored)
}
