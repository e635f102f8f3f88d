package ledger

import (
	"time"

	"github.com/lockcached/lockcached/stats"
)

// Contention is what advice needs to know of a lock for which somebody had to wait.
type Contention struct {
	Promises stats.Promises // when refused waiters were told to come back
	hazard   *stats.Hazard  // of the lock's own holds, once there are enough
	share    stats.Share    // of the lock's own holds in those of its class
	cycle    time.Duration  // mean time from grant to grant
	last     time.Duration  // the latest grant
	absent   float64        // share of the promises that were not kept
}

// granted updates the mean time from grant to grant, as long as grants are waited for.
func (c *Contention) granted(now time.Duration, waited bool) {
	if waited && c.last != 0 {
		c.cycle = stats.NextCycle(c.cycle, now-c.last)
	}
	c.last = now
}

// Kept notes whether a waiter that was told to come back at some time did.
func (c *Contention) Kept(did bool) {
	const share = 1.0 / 32 // what one promise counts for
	c.absent -= c.absent * share
	if !did {
		c.absent += share
	}
}

// Knowledge is what is known of a lock's hold times: of its own if there are enough,
// otherwise those of its class.
type Knowledge struct {
	Mean, Stddev, Weight float64          // of released holds, in nanoseconds
	Law                  *stats.Hazard    // nil as long as nobody had to wait
	Holds                *stats.Histogram // nil if there are none
	Cycle                time.Duration    // mean time from grant to grant; 0 if unknown
	Absent               float64          // share of the waiters told to come back that did not
}

// Describe fills in what a Scene says of the past.
func (k *Knowledge) Describe(s *stats.Scene) {
	s.Law, s.Mean, s.Weight = k.Law, k.Mean, k.Weight
	s.Cycle, s.Absent = k.Cycle, k.Absent
}

// enough is the number of holds from which on a lock goes by its own rather than by those
// of its class.
const enough = 8

// Consult calls use with what is known of the lock. It is valid until use returns: until
// then the law of its class is locked.
func (p *Past) Consult(use func(Knowledge)) {
	k := Knowledge{Mean: p.Hold.Mean(), Stddev: p.Hold.Stddev(), Weight: p.Hold.Weight()}
	if c := p.contention; c != nil {
		k.Cycle, k.Absent = c.cycle, c.absent
	}
	law := p.class.law
	if law == nil { // nobody has had to wait, so only this Ledger knows something
		k.Holds = p.class.HoldLaw
		use(k)
		return
	}
	law.mu.Lock()
	defer law.mu.Unlock()
	p.consultLaw(law, &k)
	use(k)
}

// consultLaw weighs the lock's own holds against those of its class, whose law is
// locked.
func (p *Past) consultLaw(law *law, k *Knowledge) {
	own := p.HoldLaw
	if own != nil && own.Weight() < enough {
		own = nil
	}
	k.Holds = &law.hold
	if p.contention == nil || p.Hold.Weight() < enough {
		if law.hazard.Stale(nil, &law.hold) {
			law.hazard.Rebuild(nil, &law.hold, &law.moments)
		}
		if w := law.moments.Weight(); w > k.Weight {
			k.Mean, k.Stddev, k.Weight = law.moments.Mean(), law.moments.Stddev(), w
		}
		k.Law = &law.hazard
		return
	}
	c := p.contention
	if c.hazard == nil {
		c.hazard = new(stats.Hazard)
	}
	if c.hazard.Stale(own, &law.hold) {
		class := &law.hold
		if own != nil { // a lock is no second witness of its own holds
			class = c.share.Others(class, own)
		}
		c.hazard.Rebuild(own, class, &p.Hold)
	}
	k.Law = c.hazard
	if own != nil {
		k.Holds = own
	}
}
