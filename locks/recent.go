package locks

import (
	"time"
	"unsafe"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/lockcached/lockcached/stats/ledger"
)

// What the record of recent events holds at most. A lock with few events takes less.
const (
	recentLocks = 512 // in all shards together; the least recently used one makes room
	recentHolds = 256 // of one lock
	recentTries = 256 // of one lock
)

// sameTry is how close together tries of the same client count as one, so that a client that polls
// without a pause does not push out all others.
const sameTry = 10 * time.Millisecond

// recent is what has happened lately to the contended locks of a shard: the timeline on the page.
// It listens to the shard's events. A lock is in it from the first time that somebody had to wait
// for it, so an uncontended lock costs nothing.
type recent struct {
	strips *simplelru.LRU[string, *strip]
}

// newRecent returns a record for one of so many shards.
func newRecent(shards int) *recent {
	strips, _ := simplelru.NewLRU[string, *strip](max(1, recentLocks/shards), nil)
	return &recent{strips}
}

// strip is the record of one lock. It allocates only while it grows.
type strip struct {
	holds newest[pastHold]
	tries newest[try]
	gap   time.Duration // before the grant that is being recorded
}

// pastHold is a hold, the present one included.
type pastHold struct {
	since, until time.Duration // until is 0 while it goes on
	wait         time.Duration // of its holder, 0 if it did not wait
	gap          time.Duration // how long the lock was free before although somebody waited
	token        uint64
	how          ledger.Kind // that ended it
	owner        name
}

// try is a claim that was not granted at once, or the end of a wait in vain.
type try struct {
	at    time.Duration
	wait  time.Duration // that was in vain
	count uint32        // tries within sameTry
	what  Attempt
	owner name
}

// Attempt is what became of a claim.
type Attempt uint8

// The attempts that a timeline shows. Those that were granted are holds.
const (
	WasRefused Attempt = iota
	WasQueued
	GaveUp
)

// maxName bounds what is recorded of a value, in bytes.
const maxName = 38

// name is the beginning of a value.
type name struct {
	size uint8
	text [maxName]byte
}

func nameOf(value []byte) (n name) {
	n.size = uint8(copy(n.text[:], value))
	return n
}

func (n *name) value() []byte { return n.text[:n.size] }

// newest keeps the latest entries. It grows up to its limit.
type newest[T any] struct {
	all  []T
	next int // the oldest, once the limit is reached
}

// add returns a new entry, which may take the place of the oldest.
func (r *newest[T]) add(limit int) *T {
	var empty T
	if len(r.all) < limit {
		r.all = append(r.all, empty)
		return &r.all[len(r.all)-1]
	}
	x := &r.all[r.next]
	*x = empty
	r.next = (r.next + 1) % limit
	return x
}

// last returns the newest entry, or nil.
func (r *newest[T]) last() *T {
	if len(r.all) == 0 {
		return nil
	}
	return &r.all[(r.next+len(r.all)-1)%len(r.all)]
}

// copy returns the entries, the oldest first.
func (r *newest[T]) copy() []T {
	all := make([]T, 0, len(r.all))
	return append(append(all, r.all[r.next:]...), r.all[:r.next]...)
}

func (r *newest[T]) bytes() int {
	var x T
	return cap(r.all) * int(unsafe.Sizeof(x))
}

func (s *strip) bytes() int { return int(unsafe.Sizeof(*s)) + s.holds.bytes() + s.tries.bytes() }

// open is the hold that goes on, as far as it is known, or nil.
func (s *strip) open() *pastHold {
	if h := s.holds.last(); h != nil && h.until == 0 {
		return h
	}
	return nil
}

// begin records the hold of an item, unless it is known.
func (s *strip) begin(it *item) *pastHold {
	since := it.Attached.since
	h := s.open()
	switch {
	case h == nil:
	case h.since == since:
		return h
	default: // its end was not seen
		h.until, h.how = since, ledger.Left
	}
	h = s.holds.add(recentHolds)
	*h = pastHold{since: since, gap: s.gap, token: it.CAS(), owner: nameOf(it.Value())}
	s.gap = 0
	return h
}

// noteRecent records an event of a held lock, if there is a record of the lock.
func (sh *shard) noteRecent(it *item, e *ledger.Event) {
	if past := it.Attached.past; past == nil || past.Contention() == nil {
		return
	}
	s, known := sh.recent.strips.Get(stringOf(it.Key()))
	if !known {
		return
	}
	switch {
	case e.Kind.EndsHold():
		h := s.begin(it)
		h.until, h.how = h.since+e.Took, e.Kind
	case e.Kind == ledger.Left:
		h := s.begin(it)
		h.until, h.how = e.Now, e.Kind
	case e.Kind == ledger.Granted:
		if h := s.begin(it); e.Waited {
			h.wait = e.Took
		}
	default: // it goes on, perhaps with another value and id
		h := s.begin(it)
		h.token, h.owner = it.CAS(), nameOf(it.Value())
	}
}

// noteGap records for how long a lock was free although somebody waited for it, before the grant
// is recorded.
func (sh *shard) noteGap(key []byte, gap time.Duration) {
	if sh.recent == nil {
		return
	}
	if s, known := sh.recent.strips.Get(stringOf(key)); known {
		s.gap = gap
	}
}

// noteTry records what became of a claim on the lock of an item, which is nil if nobody holds it.
// since is when the claimant began to wait.
func (sh *shard) noteTry(c *Put, it *item, what Attempt, since, now time.Duration) {
	if sh.recent == nil {
		return
	}
	s, known := sh.recent.strips.Get(stringOf(c.Key))
	if !known {
		s = new(strip)
		sh.recent.strips.Add(string(c.Key), s)
	}
	if it != nil && held(it) {
		s.begin(it)
	}
	owner := nameOf(c.Value)
	if t := s.tries.last(); t != nil && t.what == what && what == WasRefused && t.owner == owner && now-t.at < sameTry {
		t.count++
		return
	}
	*s.tries.add(recentTries) = try{at: now, count: 1, what: what, owner: owner, wait: now - since}
}

// Recorded is how many locks there are in the record of recent events, and how many bytes it takes.
// It is at most about 20 MB, beside the memory limit.
func (m *Manager) Recorded() (locks int, bytes int64) {
	for _, sh := range m.shards {
		sh.mu.Lock()
		if sh.recent != nil {
			for _, key := range sh.recent.strips.Keys() {
				s, _ := sh.recent.strips.Peek(key)
				bytes += int64(s.bytes()) + keySize(key) + mapEntryBytes
				locks++
			}
		}
		sh.mu.Unlock()
	}
	return locks, bytes
}
