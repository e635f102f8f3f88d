package locks

import (
	"cmp"
	"encoding/json"
	"net/url"
	"runtime"
	"slices"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/stats"
	"github.com/lockcached/lockcached/stats/ledger"
	"github.com/lockcached/lockcached/store"
)

// Lock is what is known of one lock at one moment.
type Lock struct {
	Held  bool
	Owner string        // the holder's value, printable and cut
	Token uint64        // 0 if not held
	Age   time.Duration // of the present hold
	TTL   time.Duration // left; ttl.Forever if the lease does not end

	Queued, Polling int
	Rank            int // how many of them are ahead of the caller

	// Delay is how much longer a lock that nobody holds is closed by its lock-delay;
	// Settling is how much longer the server, which has just started, grants no lock at
	// all.
	Delay, Settling time.Duration

	// SuggestedTTL is a lease that a hold hardly ever outlives, 0 if that is unknown.
	// Retry is how long to wait before asking again for a lock that is held or closed;
	// SuggestedWait is after how long it makes no sense to wait any more for a held one.
	SuggestedTTL, Retry, SuggestedWait time.Duration

	stats.Record
}

// Waiters is how many wait for the lock.
func (l *Lock) Waiters() int { return l.Queued + l.Polling }

// Lookup returns what is known of the lock of a key, as s sees it; a lock that nobody
// holds may still have waiters and a past.
func (m *Manager) Lookup(key []byte, s *Session) (l Lock, err error) {
	sh, hash := m.shardOf(key)
	sh.mu.Lock()
	defer sh.unlock()
	if !m.owns(key) {
		return Lock{}, ErrMoved
	}
	sh.forgetAll()
	now := sh.now(nil)
	it := sh.find(hash, key, now)
	l = sh.present(key, it, s, now)
	l.Record = sh.record(key, it)
	return l, nil
}

// present returns what is known of the lock of a key, as s sees it, but without its past;
// it is the key's item, or nil.
func (sh *shard) present(key []byte, it *item, s *Session, now time.Duration) (l Lock) {
	if it != nil && held(it) {
		l.Held, l.Owner, l.Token = true, printable(it.Value()), it.CAS()
		l.Age, l.TTL = now-it.Attached.since, ttl.Forever
		if it.Expires() != ttl.Forever {
			l.TTL = it.Expires() - now
		}
	}
	line := sh.lines[string(key)]
	if line != nil {
		l.Queued, l.Polling, l.Rank = line.Queue.Len(), line.Polling(), line.Rank(s)
	}
	switch l.Delay, l.Settling = sh.closedFor(key, now); {
	case l.Held:
		sh.advise(&l, it, s, now)
	case it == nil:
		l.Retry, l.SuggestedTTL = sh.retryClosed(key, now), sh.suggestedTTL(key)
	}
	return l
}

// record is the past of the lock of a key, as far as it is known.
func (sh *shard) record(key []byte, it *item) stats.Record {
	var past *ledger.Past
	if it != nil && held(it) {
		past = it.Attached.past
	} else {
		past = sh.ledger.Known(key)
	}
	if past == nil {
		return stats.Record{}
	}
	return past.Copy()
}

// maxShown bounds how much of a value is shown as a lock's owner.
const maxShown = 120

// printable makes one word of a value, for log lines and statistics.
func printable(value []byte) string {
	return url.PathEscape(string(value[:min(len(value), maxShown)]))
}

// Class returns the statistics of a class; ok is false if none are known.
func (m *Manager) Class(name string) (r stats.Record, ok bool) {
	for _, sh := range m.shards {
		sh.mu.Lock()
		ok = sh.ledger.MergeClass(name, &r) || ok
		sh.mu.Unlock()
	}
	if ok {
		m.books.MergeLaw(name, &r)
	}
	return r, ok
}

// NamedRecord is a lock or class by name with its past.
type NamedRecord struct {
	Name string
	stats.Record
}

// MarshalJSON encodes the name beside all that is known.
func (r NamedRecord) MarshalJSON() ([]byte, error) {
	name, err := json.Marshal(struct{ Name string }{r.Name})
	if err != nil {
		return nil, err
	}
	known, err := r.Record.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return append(append(name[:len(name)-1], ','), known[1:]...), nil
}

// UnmarshalJSON is the reverse of MarshalJSON.
func (r *NamedRecord) UnmarshalJSON(data []byte) error {
	var name struct{ Name string }
	if err := json.Unmarshal(data, &name); err != nil {
		return err
	}
	r.Name = name.Name
	return r.Record.UnmarshalJSON(data)
}

// Classes returns all classes with statistics, the busiest first.
func (m *Manager) Classes() []NamedRecord {
	byName := make(map[string]*stats.Record)
	for _, sh := range m.shards {
		sh.mu.Lock()
		sh.eachClass(func(name string, known *stats.Record) {
			r := byName[name]
			if r == nil {
				r = new(stats.Record)
				byName[name] = r
			}
			r.Merge(known)
		})
		sh.mu.Unlock()
	}
	all := make([]NamedRecord, 0, len(byName))
	for name, r := range byName {
		all = append(all, NamedRecord{name, *r})
	}
	slices.SortFunc(all, func(a, b NamedRecord) int {
		return cmp.Or(cmp.Compare(b.Count(stats.Acquired), a.Count(stats.Acquired)), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// Contended is a lock that somebody waits for, or waited for in the past.
type Contended struct {
	NamedRecord
	Held    bool
	Waiters int
}

// Contended returns the n locks with the most waiters; of locks with equally many, those
// that most claims did not get at once.
func (m *Manager) Contended(n int) []Contended {
	var wanted []demand
	for _, sh := range m.shards {
		sh.mu.Lock()
		wanted = sh.demand(wanted)
		sh.mu.Unlock()
	}
	slices.SortFunc(wanted, demand.compare)
	all := make([]Contended, 0, min(n, len(wanted)))
	for _, d := range wanted[:min(n, len(wanted))] {
		all = append(all, m.contended(d))
	}
	return all
}

// demand is how much a lock is wanted.
type demand struct {
	past    *ledger.Past
	waiters int
	refused uint64 // claims that did not get it at once
}

func (d demand) compare(o demand) int {
	return cmp.Or(cmp.Compare(o.waiters, d.waiters), cmp.Compare(o.refused, d.refused), cmp.Compare(d.past.Key(), o.past.Key()))
}

// demand appends the shard's locks that are wanted, or were. It unlocks the shard in
// between.
func (sh *shard) demand(all []demand) []demand {
	sh.forgetAll()
	n := 0
	sh.ledger.Each(func(past *ledger.Past) {
		d := demand{past: past, refused: past.Count(stats.Refused) + past.Count(stats.HandedOff)}
		if l := sh.lines[past.Key()]; l != nil {
			d.waiters = l.Waiters()
		}
		if d.waiters > 0 || d.refused > 0 {
			all = append(all, d)
		}
		n = sh.yieldAfter(n)
	})
	return all
}

// contended is what is known of a lock that is wanted.
func (m *Manager) contended(d demand) Contended {
	key := bytesOf(d.past.Key())
	sh, hash := m.shardOf(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	it := sh.table.Find(hash, key)
	return Contended{
		NamedRecord: NamedRecord{d.past.Key(), d.past.Copy()},
		Held:        it != nil && held(it) && it.Expires() > m.now(),
		Waiters:     d.waiters,
	}
}

// Totals is the whole Manager at one moment.
type Totals struct {
	stats.Counters
	Counts
	Held, Queued, Polling int
	WaitersPeak           int64
	QueuedBytes           int64 // what queued claims want to store; part of MemoryBytes, not of Bytes
	MemoryBytes           int64 // all that counts towards the memory limit
	Items                 int
	Bytes                 int64
	LimitBytes            int64
	Buckets               int // of the hash tables, of BucketBytes each
	StatsKeys             int // keys with statistics
	OldestUse             time.Duration
}

// BucketBytes is the size of a bucket in bytes.
const BucketBytes = store.BucketBytes

// Totals counts everything.
func (m *Manager) Totals() (t Totals) {
	now := m.now()
	for _, sh := range m.shards {
		sh.mu.Lock()
		sh.forgetAll()
		t.Counts.add(&sh.counts)
		t.Counters.Merge(sh.ledger.Totals())
		t.Held += sh.table.PinnedLen()
		t.Queued += sh.queued
		t.Polling += sh.polling
		t.QueuedBytes += sh.claims
		t.MemoryBytes += sh.bytes()
		t.Items += sh.table.Len()
		t.Bytes += sh.table.Bytes()
		t.Buckets += sh.table.Buckets()
		t.StatsKeys += sh.ledger.Len()
		if it := sh.table.Oldest(); it != nil {
			t.OldestUse = max(t.OldestUse, now-it.LastUse())
		}
		sh.mu.Unlock()
	}
	t.WaitersPeak = m.peak.Load()
	t.LimitBytes = m.limit.Load()
	return t
}

// ResetCounters zeroes the counters, as "stats reset" does. What is known of
// locks and classes stays: the server goes on learning from it.
func (m *Manager) ResetCounters() {
	for _, sh := range m.shards {
		sh.mu.Lock()
		sh.counts.reset()
		sh.ledger.ResetTotals()
		if sh.fillings != nil {
			sh.fillings.book.ResetTotals()
		}
		sh.mu.Unlock()
	}
	m.peak.Store(m.waiters.Load())
}

// Dump shows all items, in no particular order, for listings. After a few of them it
// calls more, while no shard is locked: to send what was collected, or to end the Dump by
// returning false. An item that comes or goes meanwhile may be shown or not; every other
// item is shown once.
func (m *Manager) Dump(r Viewer, more func() bool) {
	for _, sh := range m.shards {
		for cursor, done := uint32(0), false; !done; done = cursor == 0 {
			sh.mu.Lock()
			cursor = sh.dump(cursor, r, sh.now(nil))
			sh.mu.Unlock()
			if !more() {
				return
			}
			runtime.Gosched() // as yield does
		}
	}
}

// dump shows some live items, and returns the cursor for the next ones.
func (sh *shard) dump(cursor uint32, r Viewer, now time.Duration) (next uint32) {
	return sh.table.Scan(cursor, stride, func(it *item) {
		if it.Expires() > now {
			r.View(sh.viewOf(it, false, now))
		}
	})
}
