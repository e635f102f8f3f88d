package locks

import (
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockcached/lockcached/stats"
)

// contention is what a lock for which somebody had to wait needs for advice.
type contention struct {
	law      *stats.Hazard  // of its own holds, once there are enough
	promises stats.Promises // when whom it refused was told to come back
	cycle    time.Duration  // mean time from grant to grant
	last     time.Duration  // the latest grant
	absent   float64        // share of the promises that were not kept
}

// classLaw is how long the locks of a class are held and waited for, in all shards.
// It exists where there was contention: a hold of a class that has none takes no
// second lock, but counts in its shard's HoldLaw.
type classLaw struct {
	mu         sync.Mutex // guards what follows; taken after a shard's
	hold, wait stats.Histogram
	moments    stats.Moments // of released holds
	hazard     stats.Hazard
	aged       time.Duration
}

// enough is how many holds of a lock it takes to go by them rather than by those of
// its class.
const enough = 8

// contended notes that somebody waits for the lock, and returns what is to be kept
// of that.
func (ks *keyStats) contended(m *Manager) *contention {
	if ks.contention == nil {
		ks.contention = new(contention)
		ks.HoldLaw, ks.WaitLaw = new(stats.Histogram), new(stats.Histogram)
	}
	if ks.class.law == nil {
		ks.class.join(m.lawOf(ks.class.name))
	}
	return ks.contention
}

// lawOf returns the law of a class, a new one if there is none.
func (m *Manager) lawOf(class string) *classLaw {
	law, ok := m.laws.Get(class)
	if !ok {
		law = new(classLaw)
		if known, ok, _ := m.laws.PeekOrAdd(class, law); ok {
			return known
		}
		go m.gather(class, law)
	}
	return law
}

// gather brings together what the shards know of a class.
func (m *Manager) gather(class string, law *classLaw) {
	for _, sh := range m.shards {
		sh.mu.Lock()
		if cs, ok := sh.classes.Peek(class); ok {
			cs.join(law)
		}
		sh.mu.Unlock()
	}
}

// join moves what a shard knows of its class to where all shards' holds count.
func (cs *classStats) join(law *classLaw) {
	if cs.law != nil {
		return
	}
	cs.law = law
	law.mu.Lock()
	law.moments.Merge(&cs.Hold)
	if cs.HoldLaw != nil {
		law.hold.Merge(cs.HoldLaw)
	}
	law.mu.Unlock()
	cs.HoldLaw = nil
}

func (c *classLaw) released(took time.Duration) {
	c.mu.Lock()
	c.hold.Add(took)
	c.moments.Add(took)
	c.mu.Unlock()
}

func (c *classLaw) expired(took time.Duration) {
	c.mu.Lock()
	c.hold.Censor(took)
	c.mu.Unlock()
}

func (c *classLaw) waited(took time.Duration) {
	c.mu.Lock()
	c.wait.Add(took)
	c.mu.Unlock()
}

// age lets the past fade, as stats.Record does it.
func (c *classLaw) age(now time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if elapsed := now - c.aged; elapsed >= time.Minute {
		c.aged = now
		factor := stats.FadeFactor(elapsed)
		c.hold.Fade(factor)
		c.wait.Fade(factor)
		c.moments.Fade(factor)
	}
}

// granted follows the time between grants while there is contention.
func (c *contention) granted(now time.Duration, waited bool) {
	if waited && c.last != 0 {
		c.cycle = stats.NextCycle(c.cycle, now-c.last)
	}
	c.last = now
}

// kept notes whether who was told to come back at some time did.
func (c *contention) kept(did bool) {
	const share = 1.0 / 32 // what one promise counts for
	c.absent -= c.absent * share
	if !did {
		c.absent += share
	}
}

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

// overload is by how much prices go up because too much is asked of the server: the
// rate of tries falls with their root.
func (t *meter) overload(limit float64) float64 {
	over := math.Float64frombits(t.rate.Load()) / limit
	return max(1, over*over)
}

// momentary is how long a claim may wait and still be taken for one that will
// probably be refused. Pollers do not reckon with those ahead of them.
const momentary = 500 * time.Millisecond

// adviser says when to ask again for one lock at one moment. It goes by the lock's
// own holds if there are enough, otherwise by those of its class.
type adviser struct {
	stats.Scene
	byRank bool
	stddev float64
	holds  *stats.Histogram // behind the Scene's Law; nil if there are none
	law    *classLaw        // locked until done
}

func (sh *shard) adviser(it *item, ks *keyStats, now time.Duration) (a adviser) {
	config := &sh.m.config
	a.byRank = config.RetryByRank
	a.Now, a.Since, a.Max = now, it.Attached.since, config.RetryMax
	a.Spacing = time.Duration(float64(time.Second) / config.RetryRate)
	a.Overload = sh.m.tries.overload(config.TotalRetryRate)
	if it.Expires() != forever {
		a.Expires = it.Expires()
	}
	if l := it.Attached.line; l != nil {
		a.Queued = l.patient
	}
	a.Mean, a.stddev, a.Weight = ks.Hold.Mean(), ks.Hold.Stddev(), ks.Hold.Weight()
	if ct := ks.contention; ct != nil {
		a.Cycle, a.Absent = ct.cycle, ct.absent
	}
	a.consult(ks)
	return a
}

// consult brings in what is known of hold times.
func (a *adviser) consult(ks *keyStats) {
	own, law, ct := ks.HoldLaw, ks.class.law, ks.contention
	if law == nil { // nobody has had to wait; there is what this shard knows
		a.holds = ks.class.HoldLaw
		return
	}
	if own != nil && own.Weight() < enough {
		own = nil
	}
	law.mu.Lock()
	a.law, a.holds = law, &law.hold
	if ct == nil || ks.Hold.Weight() < enough {
		if law.hazard.Stale(nil, &law.hold) {
			law.hazard.Rebuild(nil, &law.hold, &law.moments)
		}
		if w := law.moments.Weight(); w > a.Weight {
			a.Mean, a.stddev, a.Weight = law.moments.Mean(), law.moments.Stddev(), w
		}
		a.Law = &law.hazard
		return
	}
	if ct.law == nil {
		ct.law = new(stats.Hazard)
	}
	if ct.law.Stale(own, &law.hold) {
		ct.law.Rebuild(own, &law.hold, &ks.Hold)
	}
	a.Law = ct.law
	if own != nil {
		a.holds = own
	}
}

func (a *adviser) done() {
	if a.law != nil {
		a.law.mu.Unlock()
		a.law = nil
	}
}

// mostRanked is how many pollers get advice by their rank: with more, slots need
// fewer tries, and ranks take long to find.
const mostRanked = 64

// retry is when the session should ask again for a held lock. A poller is told the
// same until it has been refused once more; of somebody else it is not known
// whether he will come, so his time is kept free only if he says so.
func (a *adviser) retry(ks *keyStats, l *line, s *Session, comes bool) time.Duration {
	var p *poller
	if l != nil {
		p = l.Poller(s)
	}
	var promises stats.Promises
	known := &promises
	if ks.contention != nil {
		known = &ks.contention.promises
	}
	var at time.Duration
	switch {
	case p == nil && (!comes || ks.contention == nil):
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

// Retry is when to ask again for the lock of a key, in whole milliseconds; 0 if it is
// free. Who reads it is expected to come.
func (m *Manager) Retry(key []byte, s *Session) time.Duration {
	sh, hash := m.shardOf(key)
	sh.mu.Lock()
	defer sh.unlock()
	now := m.now()
	it := sh.find(hash, key, now)
	switch {
	case it == nil:
		return sh.retryClosed(key, now)
	case held(it):
		return sh.retry(it, s, now, true)
	}
	return 0
}

// stands reports whether what a poller was told still holds.
func (a *adviser) stands(p *poller) bool {
	at, owed := p.Promised()
	return !owed && at > a.Now
}

func (sh *shard) retry(it *item, s *Session, now time.Duration, comes bool) time.Duration {
	ks := sh.statsOf(it)
	if comes {
		ks.contended(sh.m)
	}
	a := sh.adviser(it, ks, now)
	defer a.done()
	return a.retry(ks, it.Attached.line, s, comes)
}

// advise fills in what can be told of the future of a held lock.
func (sh *shard) advise(l *Lock, it *item, s *Session, now time.Duration) {
	ks := it.Attached.stats
	a := sh.adviser(it, ks, now)
	defer a.done()
	line := it.Attached.line
	l.Retry = a.retry(ks, line, s, false)
	l.SuggestedTTL = stats.SuggestedTTL(a.holds)
	l.SuggestedWait = stats.SuggestedWait(&a.Scene, a.stddev, l.Rank)
}

// suggestedTTL is the lease for a lock that is free.
func (sh *shard) suggestedTTL(key []byte) time.Duration {
	var a adviser
	a.consult(sh.past(key))
	defer a.done()
	return stats.SuggestedTTL(a.holds)
}

// identity tells waiters apart by what they want to store, as far as that makes
// sense: 0 if it does not, because the holder, if there is one, has stored the same.
func identity(c *Put, it *item) uint64 {
	if len(c.Value) == 0 || it != nil && string(c.Value) == string(it.Value()) {
		return 0
	}
	return valueHash(c.Value)
}

func valueHash(value []byte) uint64 { return maphash.Bytes(values, value) }

var values = maphash.MakeSeed()
