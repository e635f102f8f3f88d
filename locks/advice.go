package locks

import (
	"hash/maphash"
	"math"
	"sync/atomic"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/stats"
	"github.com/lockcached/lockcached/stats/ledger"
)

// A meter measures how many tries a second are refused.
type meter struct {
	count atomic.Int64
	since atomic.Int64 // when it began to count
	rate  atomic.Uint64
}

func (t *meter) add(now time.Duration) {
	n, since := t.count.Add(1), t.since.Load()
	elapsed := now - time.Duration(since)
	if elapsed > time.Second && t.since.CompareAndSwap(since, int64(now)) {
		t.count.Add(-n)
		t.rate.Store(math.Float64bits(float64(n) / elapsed.Seconds()))
	}
}

// overload is the factor by which prices rise while more than limit tries a second are
// refused: the rate of tries falls with its square root.
func (t *meter) overload(limit float64) float64 {
	over := math.Float64frombits(t.rate.Load()) / limit
	return max(1, over*over)
}

// momentary is the longest wait of a claim that will probably be refused. Advice to
// pollers ignores such claims ahead of them.
const momentary = 500 * time.Millisecond

// adviser says when to ask again for one lock at one moment.
type adviser struct {
	stats.Scene
	byRank bool
	stddev float64
	holds  *stats.Histogram // behind the Scene's Law; nil if there are none
}

// adviser returns an adviser that knows the present hold of a lock, but not its past: see
// know.
func (sh *shard) adviser(it *item, now time.Duration) (a adviser) {
	config := sh.m.config()
	a.byRank = config.RetryByRank
	a.Now, a.Since, a.Max = now, it.Attached.since, config.RetryMax
	a.Spacing = time.Duration(float64(time.Second) / config.RetryRate)
	a.Overload = sh.m.tries.overload(config.TotalRetryRate)
	if it.Expires() != ttl.Forever {
		a.Expires = it.Expires()
	}
	if l := sh.lineFor(it); l != nil {
		a.Queued = int(l.patient)
	}
	return a
}

// know adds what is known of hold times.
func (a *adviser) know(k ledger.Knowledge) {
	k.Describe(&a.Scene)
	a.stddev, a.holds = k.Stddev, k.Holds
}

// mostRanked is the largest number of pollers that get advice by their rank: with more,
// slots need fewer tries, and ranks take long to find.
const mostRanked = 64

// retry is how long the session should wait before it asks again for a held lock. A
// poller is told the same time until it has been refused once more. Any other client may
// not come, so its time is reserved only if comes says that it will.
func (a *adviser) retry(ct *ledger.Contention, l *line, s *Session, comes bool) time.Duration {
	var p *poller
	if l != nil {
		p = l.Poller(s)
	}
	var promises stats.Promises
	known := &promises
	if ct != nil {
		known = &ct.Promises
	}
	var at time.Duration
	switch {
	case p == nil && (!comes || ct == nil):
		at = known.Peek(&a.Scene)
	case p == nil:
		at = known.Advise(&a.Scene)
	case a.stands(p):
		at, _ = p.Promised()
	case a.byRank && l.Polling() <= mostRanked:
		at = known.AdviseRank(&a.Scene, l.Rank(s)-l.Queue.Len())
		p.Promise(at)
	default:
		at = known.Advise(&a.Scene)
		p.Promise(at)
	}
	return time.Duration(stats.RetryMs(a.Now, at, a.Max)) * time.Millisecond
}

// Retry is how long to wait before asking again for the lock of a key, in whole
// milliseconds; 0 if it is free. The session is expected to ask then.
func (m *Manager) Retry(key []byte, s *Session) (time.Duration, error) {
	sh, hash := m.shardOf(key)
	sh.mu.Lock()
	defer sh.unlock()
	if !m.owns(key) {
		return 0, ErrMoved
	}
	now := sh.now(nil)
	it := sh.find(hash, key, now)
	switch {
	case it == nil:
		return sh.retryClosed(key, now), nil
	case held(it):
		sh.roomForPast(it)
		return sh.retry(it, s, now, true), nil
	}
	return 0, nil
}

// stands reports whether the advice given to a poller is still good.
func (a *adviser) stands(p *poller) bool {
	at, owed := p.Promised()
	return !owed && at > a.Now
}

func (sh *shard) retry(it *item, s *Session, now time.Duration, comes bool) (at time.Duration) {
	past := sh.pastOf(it)
	if comes {
		sh.ledger.Contended(past)
	}
	a := sh.adviser(it, now)
	past.Consult(func(k ledger.Knowledge) {
		a.know(k)
		at = a.retry(past.Contention(), sh.lineFor(it), s, comes)
	})
	return at
}

// advise fills in the advice for a held lock.
func (sh *shard) advise(l *Lock, it *item, s *Session, now time.Duration) {
	a, past, line := sh.adviser(it, now), it.Attached.past, sh.lineFor(it)
	past.Consult(func(k ledger.Knowledge) {
		a.know(k)
		l.Retry = a.retry(past.Contention(), line, s, false)
		l.SuggestedTTL = stats.SuggestedTTL(a.holds)
		l.SuggestedWait = stats.SuggestedWait(&a.Scene, a.stddev, l.Rank)
	})
}

// suggestedTTL is the lease for a lock that is free.
func (sh *shard) suggestedTTL(key []byte) (ttl time.Duration) {
	sh.ledger.Likely(key).Consult(func(k ledger.Knowledge) { ttl = stats.SuggestedTTL(k.Holds) })
	return ttl
}

// identity tells waiters apart by the value they want to store. It is 0 if that is empty,
// or if the holder has stored the same.
func identity(c *Put, it *item) uint64 {
	if len(c.Value) == 0 || it != nil && string(c.Value) == string(it.Value()) {
		return 0
	}
	return valueHash(c.Value)
}

func valueHash(value []byte) uint64 { return maphash.Bytes(values, value) }

var values = maphash.MakeSeed()
