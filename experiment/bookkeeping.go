package main

import (
	"slices"
	"time"

	"github.com/lockcached/lockcached/stats"
)

// bookkeeping is what the server records about one lock to advise the clients
// that it refuses. It does in virtual time, for a lock that is alone in its
// class and on its server, what package locks does.
type bookkeeping struct {
	keeps, ranked bool
	faults

	hold     stats.Moments
	holds    stats.Histogram
	hazard   stats.Hazard
	promises stats.Promises

	polling []int         // clients that were refused and will come back, the longest waiting first
	held    time.Duration // when the lock was last granted
	cycle   time.Duration // mean time between grants while there is contention
}

func (b *bookkeeping) init(t trial) {
	b.keeps, b.ranked = t.policy.needs&(tells|advises) != 0, t.policy.ranked
	b.faults = t.faults
}

func (b *bookkeeping) released(took time.Duration) {
	if b.keeps {
		b.hold.Add(took)
		b.holds.Add(took)
	}
}

func (b *bookkeeping) expired(took time.Duration) {
	if b.keeps {
		b.holds.Censor(took)
	}
}

// granted records that a client has the lock, and whether any client had to wait.
func (b *bookkeeping) granted(client int, now time.Duration, contended bool) {
	if i := slices.Index(b.polling, client); i >= 0 {
		b.polling = slices.Delete(b.polling, i, i+1)
	}
	if contended && b.held > 0 {
		b.cycle = stats.NextCycle(b.cycle, now-b.held)
	}
	b.held = now
}

// refused records that a client will come back.
func (b *bookkeeping) refused(client int) {
	if b.ranked && !slices.Contains(b.polling, client) {
		b.polling = append(b.polling, client)
	}
}

// forget clears what the server forgets if no client asks for the lock for long.
func (b *bookkeeping) forget() {
	b.polling, b.held = nil, 0
}

// tell returns what the server tells a client that computes its own pause.
func (b *bookkeeping) tell(age time.Duration, waiters int) scene {
	return scene{
		mean: time.Duration(b.hold.Mean()), stddev: time.Duration(b.hold.Stddev()),
		age: age, waiters: waiters,
	}
}

// advise returns the pause that the server suggests to a client it refuses. No client
// counts as queued: one that is parked for a moment will most likely be refused, too.
func (b *bookkeeping) advise(client int, now time.Duration) time.Duration {
	if b.hazard.Stale(&b.holds, nil) {
		b.hazard.Rebuild(&b.holds, nil, &b.hold)
	}
	s := stats.Scene{
		Now: now, Since: b.held,
		Law: &b.hazard, Mean: b.hold.Mean(), Weight: b.holds.Weight(),
		Cycle: b.cycle,
	}
	if b.dying > 0 {
		s.Expires = b.leaseEnd(b.held, now)
	}
	var at time.Duration
	if b.ranked {
		b.refused(client)
		at = b.promises.AdviseRank(&s, slices.Index(b.polling, client))
	} else {
		at = b.promises.Advise(&s)
	}
	return time.Duration(stats.RetryMs(now, at, 0)) * time.Millisecond
}
