package locks

import (
	"context"
	"sync"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
)

// Run acts on what is due: leases that end, waits and lock-delays that are over, a
// delayed flush; and it maintains the journal. It returns when the context is done.
// Without it, an expiry is noticed only when the key is next used.
func (m *Manager) Run(ctx context.Context) {
	if m.journal != nil {
		var keeping sync.WaitGroup
		keeping.Go(func() { m.keep(ctx) })
		defer keeping.Wait()
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		// From here on, whatever becomes due is recorded in wakeAt, so nothing is missed
		// between expireDue and sleep.
		m.wakeAt.Store(int64(ttl.Forever))
		m.wakeEarlier(m.expireDue())
		if !m.sleep(ctx, timer) {
			return
		}
	}
}

// Due and ExpireDue are what Run does, for a program with a clock of its own, such as a
// simulation. Its sessions are told the time of each request with SetTime, and its clock has to be
// ahead of Now. Due is when something may be due next.
func (m *Manager) Due() time.Duration { return time.Duration(m.wakeAt.Load()) }

// ExpireDue acts on what is due at that moment.
func (m *Manager) ExpireDue(now time.Duration) {
	for _, sh := range m.shards {
		sh.mu.Lock()
		sh.latest = max(sh.latest, now)
		sh.mu.Unlock()
	}
	m.wakeAt.Store(int64(ttl.Forever))
	m.wakeEarlier(m.expireDue())
}

// sleep returns when something is due, and reports false if the context is done.
func (m *Manager) sleep(ctx context.Context, timer *time.Timer) bool {
	for {
		timer.Reset(time.Duration(m.wakeAt.Load()) - m.now())
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-m.wake: // to sleep for less; nothing is due yet
		}
	}
}

// dueAt makes sure that Run wakes no later than at that moment.
func (m *Manager) dueAt(at time.Duration) {
	if m.wakeEarlier(at) {
		select {
		case m.wake <- struct{}{}:
		default: // it will wake anyway
		}
	}
}

// wakeEarlier brings wakeAt forward and reports whether it was later.
func (m *Manager) wakeEarlier(at time.Duration) bool {
	for {
		old := m.wakeAt.Load()
		if int64(at) >= old {
			return false
		}
		if m.wakeAt.CompareAndSwap(old, int64(at)) {
			return true
		}
	}
}

// expireDue acts on what is due in all shards and returns when something is due next.
func (m *Manager) expireDue() (next time.Duration) {
	now := m.now()
	next = ttl.Forever
	if at := time.Duration(m.flushAt.Load()); at != 0 {
		switch {
		case at > now:
			next = at
		case m.strict && m.JournalErr() != nil:
			next = now + restsFor
		case m.flushAt.CompareAndSwap(int64(at), 0): // if not, a later flush has replaced it
			m.flushNow(new(Session))
		}
	}
	for _, sh := range m.shards {
		next = min(next, m.expireShard(sh))
	}
	return next
}

// batch bounds how much a shard does in one critical section: some things take a few microseconds.
const batch = 32

// expireShard acts on what is due in a shard and returns when something is due next.
func (m *Manager) expireShard(sh *shard) time.Duration {
	for {
		sh.mu.Lock()
		now := sh.now(nil)
		more, next := sh.expireBatch(now), sh.nextDue(now)
		sh.unlock()
		if !more {
			return next
		}
	}
}

// expireBatch acts on what is due, a batch at most, and reports whether there may be
// more.
func (sh *shard) expireBatch(now time.Duration) (more bool) {
	for range batch {
		if !sh.expireOne(now) {
			return false
		}
	}
	return true
}

// expireOne ends one lease, wait or lock-delay that is over, or forgets a client that did
// not come back, and reports whether it did. Leases and delays come first: a waiter whose
// wait is over just as its turn comes gets the lock.
func (sh *shard) expireOne(now time.Duration) bool {
	if it, at := sh.table.NextDue(); it != nil && at <= now {
		if !sh.m.owns(it.Key()) {
			sh.table.Postpone(it, now+restsFor)
			return true
		}
		if sh.fillings != nil {
			if until := sh.keptUntil(it); until > now {
				sh.table.Postpone(it, until)
				return true
			}
		}
		sh.counts.reclaimed(it)
		sh.end(it, expiry, now)
		return true
	}
	if c, due, ok := sh.reopenings.Top(); ok && due <= now {
		if sh.m.owns(bytesOf(c.key)) {
			sh.open(c, now)
		} else {
			sh.reopenings.Move(c.index, now+restsFor)
		}
		return true
	}
	if w, due, ok := sh.deadlines.Top(); ok && due <= now {
		if w.waitEnd <= now || sh.isDeadlock(w, now) {
			sh.timeOut(w, now)
		} else {
			sh.deadlines.Move(w.due, w.waitEnd)
		}
		return true
	}
	if sh.fillings != nil {
		if f, due, ok := sh.fillings.due.Top(); ok && due <= now {
			sh.fillDue(f, now)
			return true
		}
	}
	return sh.forget(now)
}

// restsFor is how late Run may act on what has become due while the key was not Owned, or while
// nothing could be confirmed.
const restsFor = 100 * time.Millisecond

// forgetEvery is how late Run may forget clients that do not come back. With many of
// them, one is due all the time.
const forgetEvery = time.Second

// nextDue is when something is due next.
func (sh *shard) nextDue(now time.Duration) time.Duration {
	_, wait, _ := sh.deadlines.Top()
	_, delay, _ := sh.reopenings.Top()
	_, lease := sh.table.NextDue()
	_, until, _ := sh.expected.Top()
	next := min(wait, delay, lease, max(until, now+forgetEvery))
	if sh.fillings != nil {
		_, fill, _ := sh.fillings.due.Top()
		next = min(next, fill)
	}
	return next
}

// lostLock is a hold that expired while somebody waited for the lock.
type lostLock struct {
	key, owner string
	held       time.Duration
	waiters    int
}

func (sh *shard) noteLost(it *item, took, now time.Duration) {
	sh.forgetBatch(now)
	l := sh.lineFor(it)
	if l == nil {
		return
	}
	if n := l.Waiters(); n > 0 {
		sh.lost = append(sh.lost, lostLock{string(it.Key()), printable(it.Value()), took, n})
	}
}

// maxLostLogged bounds how many lost locks a second are logged. All are counted.
const maxLostLogged = 10

func (m *Manager) report(lost []lostLock) {
	for _, l := range lost {
		m.lostLog.Warn().Str("lock", l.key).Str("owner", l.owner).Dur("held_ms", l.held).
			Int("waiters", l.waiters).Msg("lock lost by expiry while waited for: is its TTL too short?")
	}
}
