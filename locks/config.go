package locks

import (
	"time"

	"github.com/rs/zerolog"
)

// Config is what a Manager needs to know. The zero value is useful: every key
// that add makes is a lock, 64 MiB of memory, items of up to 1 MiB.
type Config struct {
	// LockKeys tell which keys are locks: an add of a matching key is a claim. An empty
	// list means every key.
	LockKeys []Pattern
	// MemoryLimit bounds, in bytes, what items take (struct, key, value and
	// bookkeeping), what queued claims want to store, lines with their pollers, closed
	// locks, and statistics of held locks beyond StatsKeys. 0 means DefaultMemoryLimit.
	MemoryLimit int64
	// NoEvict refuses new items when memory is full instead of evicting.
	NoEvict bool
	// ItemSizeMax bounds one item in bytes, key and header included.
	// 0 means DefaultItemSizeMax.
	ItemSizeMax int
	// StatsKeys bounds the number of keys with statistics. Those of held locks beyond
	// that count towards MemoryLimit. 0 means DefaultStatsKeys.
	StatsKeys int
	// StatsClasses bounds the number of classes with statistics, in each shard:
	// a class can have locks in all of them.
	// 0 means DefaultStatsClasses.
	StatsClasses int
	// NamedClasses is how many classes Metrics reports by name.
	NamedClasses int
	// ClassDelimiter separates a key's class from the rest. 0 means ':'.
	ClassDelimiter byte
	// MaxWait caps how long a claim may wait in line. 0 means DefaultMaxWait.
	MaxWait time.Duration
	// MaxWaiters caps the line of one lock. 0 means DefaultMaxWaiters.
	MaxWaiters int
	// MaxWaitersTotal bounds the waiters of all locks together, queued or polling: beyond
	// it no client gets in line or is remembered as a poller. 0 means
	// DefaultMaxWaitersTotal.
	MaxWaitersTotal int
	// RetryRate is how many tries a second the advice allows at one lock, and
	// TotalRetryRate at all locks together. 0 means DefaultRetryRate and
	// DefaultTotalRetryRate.
	RetryRate, TotalRetryRate float64
	// RetryByRank advises up to 64 pollers by their places in line, which is fairer
	// but leaves the lock idle for longer.
	RetryByRank bool
	// LockDelays keep locks closed for a while after a hold that ended by expiry or
	// withdrawal; the first match counts.
	LockDelays []LockDelay
	// WaitPolicies let claims wait although their clients have not asked to; the first
	// match counts.
	WaitPolicies []WaitPolicy
	// HoldPolicies, StalePolicies and EarlyPolicies are for keys that several clients compute,
	// and store after a get has found nothing: while one does, other gets are held back, or are
	// served the expired value; of each kind the first match counts. Keys with
	// such a policy are no locks, unless LockKeys says so; those that LockKeys names have none.
	HoldPolicies  []FillPolicy
	StalePolicies []FillPolicy
	EarlyPolicies []EarlyPolicy
	// GuardRelease are the keys of locks that a blind delete does not release if it comes from
	// a session whose own hold has expired, while another one holds the lock.
	GuardRelease []Pattern
	// Settle is how long after the start no lock is granted: holders from before it may
	// still be at work. Claims are refused, or wait in line.
	Settle time.Duration
	// Journal keeps held locks, so that they outlive the process: see Recover. nil
	// keeps them in memory alone.
	Journal Journal
	// Owned reports whether this node of a cluster serves the key now; nil outside of
	// clusters. It is called with the key's shard locked, and takes no other mutex. While
	// it reports false the key rests: every request about it ends with ErrMoved and does
	// nothing, no lease ends, nobody in line is served. So Barrier is enough to make sure
	// that nothing happens to it any more. It may be served again after that; otherwise
	// Disown forgets it.
	Owned func(key []byte) bool
	// Withdraw takes back a grant of which its client does not know, wherever the key is
	// served by now, since it is not Owned any more. The key is good until Withdraw
	// returns, which must not wait. If Withdraw is nil, such a hold goes on until its lease
	// ends.
	Withdraw func(key []byte, token uint64)
	// Recent keeps a record of what happened lately to the locks that somebody had to wait for, for
	// Detail; see Recorded for the memory that it takes.
	Recent bool
	// RetryMax is the longest advice. 0 means DefaultRetryMax.
	RetryMax time.Duration
	// Logger gets a warning for a lock that expires while somebody waits for it, and for
	// a wait that was ended as a deadlock.
	Logger zerolog.Logger
}

// What the zero values of a Config stand for.
const (
	DefaultMemoryLimit  = 64 << 20
	DefaultItemSizeMax  = 1 << 20
	DefaultStatsKeys    = 10_000
	DefaultStatsClasses = 1_000
	DefaultMaxWait      = time.Minute
	DefaultMaxWaiters   = 100_000

	DefaultMaxWaitersTotal = 1_000_000

	DefaultRetryRate      = 1_000
	DefaultTotalRetryRate = 20_000
	DefaultRetryMax       = time.Minute
)
