package locks

import (
	"cmp"
	"errors"
	"hash/maphash"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/stats/ledger"
)

// Reasons why a request was not carried out in the ordinary way.
var (
	// Refusals: part of normal life.
	ErrNotStored = errors.New("locks: not stored") // add: the key exists; replace, append: it does not
	ErrExists    = errors.New("locks: another version is there")
	ErrNotFound  = errors.New("locks: no such key")
	ErrQueued    = errors.New("locks: waiting in line") // the answer comes through Waiter

	// Not for this node of a cluster, which has done nothing: see Config.Owned.
	ErrMoved = errors.New("locks: another node serves the key")

	// Faults of the request.
	ErrTooLarge  = errors.New("locks: item too large")
	ErrNotNumber = errors.New("locks: not a number")

	// Faults of the server.
	ErrNoMemory = errors.New("locks: out of memory")
)

// Manager owns all items and locks. Its methods may be called from any
// goroutine, but those that take a Session only from the session's.
type Manager struct {
	live    atomic.Pointer[effect]
	fixed   *Config    // the first one, for what cannot change
	change  sync.Mutex // held by Reconfigure; taken before any shard's
	logger  zerolog.Logger
	seed    maphash.Seed
	shards  []*shard
	mask    uint64
	matches matcher
	epoch   time.Time // when the Manager's clock began

	journal Journal               // nil if locks are kept in memory alone
	strict  bool                  // as the journal says
	failure atomic.Pointer[error] // of the latest reply that could not be confirmed
	drift   atomic.Int64          // how far the journal's clock is ahead of ours, in nanoseconds
	settled time.Duration         // no grants before

	token atomic.Uint64 // the latest CAS id that was not chosen by a client; below 2^63
	limit atomic.Int64  // bytes; 0 is no limit
	used  atomic.Int64  // bytes, as settled by the shards

	books  *ledger.Shared // what the ledgers of all shards share
	scrape sync.Mutex     // held by Metrics; taken before any shard's

	waiters atomic.Int64 // now
	peak    atomic.Int64 // most waiters at a time

	waits      sync.Mutex // guards what follows, every claimant's wait, and line.holder; taken after a shard's
	namedWaits uint64     // asked for by name, ever
	circleLog  zerolog.Logger
	lostLog    zerolog.Logger

	tries meter // refused tries at all locks

	ending atomic.Bool // no claim may begin to wait any more

	flushAt atomic.Int64 // when a delayed flush_all is due, 0 if none
	wakeAt  atomic.Int64 // when Run wakes
	wake    chan struct{}
}

// NewManager returns an empty Manager. Expiry is acted on while Run runs.
func NewManager(c Config) *Manager {
	c.setDefaults()
	m := &Manager{
		logger:    c.Logger,
		circleLog: c.Logger.Sample(&zerolog.BurstSampler{Burst: maxCirclesLogged, Period: time.Second}),
		lostLog:   c.Logger.Sample(&zerolog.BurstSampler{Burst: maxLostLogged, Period: time.Second}),
		seed:      maphash.MakeSeed(),
		matches:   c.LockKeys,
		journal:   c.Journal,
		wake:      make(chan struct{}, 1),
	}
	m.live.Store(newEffect(c, nil))
	m.fixed = &c
	m.strict = m.journal != nil && m.journal.Strict()
	m.startClock()
	m.books = ledger.NewShared(c.ClassDelimiter, c.StatsClasses, c.NamedClasses)
	n := shardCount(min(c.StatsKeys, c.StatsClasses))
	m.mask = uint64(n - 1)
	m.limit.Store(c.MemoryLimit)
	// Larger than every token of an earlier process, unless that gave more than
	// one per nanosecond or the wall clock was set back.
	m.token.Store(uint64(time.Now().UnixNano()))
	for range n {
		m.shards = append(m.shards, newShard(m, c.StatsKeys/n))
	}
	return m
}

// shardCount is a power of two: enough that threads rarely meet, few enough
// that a bound on statistics can be divided among them.
func shardCount(bound int) int {
	n := min(64, max(8, 4*runtime.GOMAXPROCS(0)))
	for n > bound {
		n /= 2
	}
	return max(1, 1<<(bits.Len(uint(n))-1))
}

func (c *Config) setDefaults() {
	c.MemoryLimit = cmp.Or(c.MemoryLimit, DefaultMemoryLimit)
	c.ItemSizeMax = cmp.Or(c.ItemSizeMax, DefaultItemSizeMax)
	c.StatsKeys = cmp.Or(c.StatsKeys, DefaultStatsKeys)
	c.StatsClasses = cmp.Or(c.StatsClasses, DefaultStatsClasses)
	c.ClassDelimiter = cmp.Or(c.ClassDelimiter, ':')
	c.MaxWait = cmp.Or(c.MaxWait, DefaultMaxWait)
	c.MaxWaiters = cmp.Or(c.MaxWaiters, DefaultMaxWaiters)
	c.MaxWaitersTotal = cmp.Or(c.MaxWaitersTotal, DefaultMaxWaitersTotal)
	c.RetryRate = cmp.Or(c.RetryRate, DefaultRetryRate)
	c.TotalRetryRate = cmp.Or(c.TotalRetryRate, DefaultTotalRetryRate)
	c.RetryMax = cmp.Or(c.RetryMax, DefaultRetryMax)
}

// Config returns the Manager's configuration, defaults filled in.
func (m *Manager) Config() Config { return m.config().Config }

// config is the configuration in effect. Reconfigure may replace it at any time.
func (m *Manager) config() *effect { return m.live.Load() }

// now is the Manager's clock: monotonic, so that setting the wall clock changes
// no lease.
func (m *Manager) now() time.Duration { return time.Since(m.epoch) }

// Now is the Manager's clock, for Session.SetTime.
func (m *Manager) Now() time.Duration { return m.now() }

// startClock starts the clock above 0, which stands for "not held", "not free"; if there
// is a journal, at the time of the journal's clock, so that times are the same on both.
func (m *Manager) startClock() {
	at := time.Second
	if m.journal != nil {
		at = max(at, m.journal.Now())
	}
	m.epoch = time.Now().Add(-at)
	if m.fixed.Settle > 0 {
		m.settled = at + m.fixed.Settle
	}
	m.measureDrift()
}

// measureDrift measures how far the journal's clock, which runs on while the machine
// sleeps, is ahead.
func (m *Manager) measureDrift() {
	if m.journal != nil {
		m.drift.Store(int64(m.journal.Now() - m.now()))
	}
}

// nextToken returns a CAS id larger than every one before.
func (m *Manager) nextToken() uint64 { return m.token.Add(1) }

// isChosen reports whether an id was chosen by a client, and is larger than every
// token. A smaller one does no harm to a search for the largest token.
func (m *Manager) isChosen(id uint64) bool { return id > m.token.Load() }

// owns reports whether this node serves the key, whose shard is locked.
func (m *Manager) owns(key []byte) bool {
	owned := m.fixed.Owned
	return owned == nil || owned(key)
}

// shardOf returns the key's shard and its hash. The low bits choose the shard,
// the high ones the bucket.
func (m *Manager) shardOf(key []byte) (*shard, uint64) {
	h := maphash.Bytes(m.seed, key)
	return m.shards[h&m.mask], h
}

func (m *Manager) addWaiter() {
	n := m.waiters.Add(1)
	for {
		peak := m.peak.Load()
		if n <= peak || m.peak.CompareAndSwap(peak, n) {
			return
		}
	}
}

// crowded reports whether MaxWaitersTotal is reached.
func (m *Manager) crowded() bool { return m.waiters.Load() >= int64(m.config().MaxWaitersTotal) }

// SetMemoryLimit changes the memory limit, in bytes, and evicts down to it.
func (m *Manager) SetMemoryLimit(limit int64) {
	m.limit.Store(limit)
	if !m.config().NoEvict {
		m.evictAnywhere(0)
	}
}

// evictAnywhere frees memory in all shards, one after the other, until need
// bytes fit, and reports whether they do.
func (m *Manager) evictAnywhere(need int64) bool {
	for _, sh := range m.shards {
		sh.mu.Lock()
		fits := sh.evict(need, nil)
		sh.settle(0)
		sh.unlock()
		if fits {
			return true
		}
	}
	return false
}

// expiresAt turns a lease that starts now into a moment; one that is over ends
// now.
func expiresAt(lease, now time.Duration) time.Duration {
	if lease <= 0 {
		return now
	}
	if sum := now + lease; sum > now {
		return sum
	}
	return ttl.Forever // so far away that the sum overflowed
}
