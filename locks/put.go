package locks

import (
	"math"
	"time"

	"github.com/lockcached/lockcached/stats/ledger"
	"github.com/lockcached/lockcached/store"
	"github.com/lockcached/lockcached/waitqueue"
)

// Op is how a Put treats what is there.
type Op uint8

// The storage commands.
const (
	Set Op = iota
	Add
	Replace
	Append
	Prepend
	CompareAndSwap
)

// Put is what a storage command asks for. With Add and the key of a lock it is a
// claim. It is only read, so it may be used again.
type Put struct {
	Op      Op
	Dated   bool // Lease ends at a date, which a wait does not put off
	Flags   uint32
	Key     []byte // 1 to 250 bytes
	Value   []byte
	Lease   time.Duration // from now; zero or less ends what is there
	Session *Session      // who asks
	Claim   ClaimID       // of a claim in a cluster, so that it can be sent again

	Compare    uint64 // with HasCompare or CompareAndSwap: only this version
	NewCAS     uint64 // the id to set instead of the next one, if not 0
	HasCompare bool
	Invalidate bool // with Compare: an older id stores too, but marks the item stale
	Vivify     bool // Append and Prepend make the item if there is none
	Binary     bool // the key is shown in base64
	WithLine   bool // fill in Stored.Place
	WithRetry  bool // with WithLine: fill in Place.Retry, too
}

// Stored is the result of a Put. It is kept small enough for registers: 4 words.
type Stored struct {
	CAS   uint64 // 0 if it was refused
	Entry uint64 // the number of the grant in the journal, for Disavow; 0 if there is none
	Size  int32  // bytes of the value; of the one that was sent if it was refused

	Place // with WithLine
}

// Place is where in line a claim stands.
type Place struct {
	Waiters int32 // how many wait for the key
	Rank    int32 // how many of them are ahead; 0 if it was granted
	retryMs int32
}

// Retry is when to ask again, in whole milliseconds and at most 24 days; 0 if the claim was
// granted.
func (p Place) Retry() time.Duration { return time.Duration(p.retryMs) * time.Millisecond }

// setRetry rounds to whole milliseconds.
func (p *Place) setRetry(d time.Duration) {
	p.retryMs = int32(min(d.Milliseconds(), math.MaxInt32))
}

// headerBytes is what memcached counts besides key and value towards the item
// limit, so that the same values fit here: 48 bytes of item, 8 of CAS, the ends
// of key and value.
const headerBytes = 48 + 8 + 1 + 2

func (m *Manager) fits(c *Put, size int) bool {
	total := headerBytes + len(c.Key) + size
	if c.Flags != 0 {
		total += 4
	}
	return total <= m.fixed.ItemSizeMax
}

// fitsJournal reports whether a lock with a value of that size can be kept.
func (m *Manager) fitsJournal(key []byte, size int) bool {
	if m.journal == nil {
		return true
	}
	limit := m.journal.Limit()
	return limit == 0 || len(key)+size <= limit
}

// Put carries out a storage command. A refusal is ErrNotStored, ErrExists or
// ErrNotFound.
func (m *Manager) Put(c *Put) (Stored, error) { return m.PutOrWait(c, nil) }

// PutOrWait is Put, but a claim on a held lock may wait in line instead of being refused:
// then PutOrWait returns ErrQueued, and the result comes through the wait's Waiter. It
// reads wait, which may be nil, only until it returns.
func (m *Manager) PutOrWait(c *Put, wait *Wait) (Stored, error) {
	if !m.fits(c, len(c.Value)) || !m.fitsJournal(c.Key, len(c.Value)) && m.isClaim(c) {
		m.Oversize(c.Key, c.Op == Set)
		return Stored{}, ErrTooLarge
	}
	if wait != nil && wait.For <= 0 {
		wait = nil
	}
	sh, hash := m.shardOf(c.Key)
	for {
		sh.mu.Lock()
		if !m.owns(c.Key) {
			sh.unlock()
			return Stored{}, ErrMoved
		}
		done, err := sh.put(c, hash, wait, sh.now(c.Session))
		sh.unlock()
		if err != errNoRoom {
			if err != nil {
				m.boundLines(c.Session) // it may be in one line more now
			}
			return done, err
		}
		switch {
		case m.makeRoom(sh, len(c.Key), len(c.Value)):
		case wait != nil:
			wait = nil // a refusal needs no room
		default:
			m.NoRoom(c.Key, c.Op == Set)
			return Stored{}, ErrNoMemory
		}
	}
}

// makeRoom is for errNoRoom: the shard has nothing left to evict, but another one may
// have, or may have room that it has not yet reported. It reports whether to try again.
func (m *Manager) makeRoom(sh *shard, keyLen, valueLen int) bool {
	return m.evictAnywhere(sh.table.SizeFor(keyLen, valueLen))
}

// put is PutOrWait with the shard locked. wait is nil if the claim may not wait.
func (sh *shard) put(c *Put, hash uint64, wait *Wait, now time.Duration) (Stored, error) {
	it := sh.find(hash, c.Key, now)
	done, err := sh.putOn(it, c, hash, wait, now)
	if err != errNoRoom {
		sh.counts.CmdSet++
	}
	if err != nil {
		done.Size = int32(len(c.Value))
	}
	if c.WithLine {
		done.Place = sh.place(c, hash, err == nil, now)
	}
	if sh.fillings != nil && err == nil && len(sh.fillings.byKey) > 0 {
		joined := it != nil && (c.Op == Append || c.Op == Prepend)
		sh.afterPut(c, hash, joined, now)
	}
	return done, err
}

func (sh *shard) putOn(it *item, c *Put, hash uint64, wait *Wait, now time.Duration) (Stored, error) {
	switch c.Op {
	case Add:
		if it != nil && sh.ids.isGrantOf(it, c) {
			return Stored{CAS: it.CAS(), Size: int32(len(c.Value))}, nil
		}
		if it != nil && sh.fillings != nil && sh.fillsEarly(c) {
			return sh.update(it, c, now) // to its client there is no item
		}
		if it != nil || sh.isClosed(c, now) {
			return Stored{}, sh.refuse(c, hash, wait, it, now)
		}
	case Replace:
		if it == nil {
			return Stored{}, ErrNotStored
		}
	case Append, Prepend:
		if it == nil && !c.Vivify {
			return Stored{}, ErrNotStored
		}
	case CompareAndSwap:
		if c.Lease <= 0 && (it == nil || it.CAS() != c.Compare) {
			sh.noteOverrun(c.Key, c.Compare, it != nil)
		}
		if it == nil {
			sh.counts.CasMisses++
			return Stored{}, ErrNotFound
		}
	}
	if it == nil {
		return sh.create(c, hash, wait.began(now), now)
	}
	return sh.update(it, c, now)
}

// isClaim reports whether a Put is an add that makes a lock, not an ordinary item. If the
// lease is over, the item is stored and gone at once: that is not a lock.
func (m *Manager) isClaim(c *Put) bool {
	return c.Op == Add && c.Lease > 0 && m.isLockKey(c.Key)
}

// create stores under a key that is free: a grant if it is a claim. since is when the
// claimant began to wait at another node, 0 if it did not.
func (sh *shard) create(c *Put, hash uint64, since, now time.Duration) (Stored, error) {
	isClaim := sh.m.isClaim(c)
	if isClaim && sh.m.journal != nil {
		if err := sh.m.JournalErr(); err != nil {
			return Stored{}, err
		}
	}
	if !sh.evict(sh.table.SizeFor(len(c.Key), len(c.Value)), nil) {
		return Stored{}, errNoRoom
	}
	if isClaim {
		it := sh.grant(c, hash, since, now)
		return Stored{CAS: it.CAS(), Size: int32(len(c.Value)), Entry: sh.wrote}, nil
	}
	it := sh.insert(c, hash, now, false)
	return Stored{CAS: it.CAS(), Size: int32(len(c.Value))}, nil
}

// compare checks the id that a Put requires. stale says that the item has a later one,
// but that the Put is an invalidation and stores all the same.
func (sh *shard) compare(it *item, c *Put) (stale bool, err error) {
	if c.Op != CompareAndSwap {
		if c.HasCompare && c.Compare != it.CAS() {
			return false, ErrExists
		}
		return false, nil
	}
	if c.Compare != it.CAS() {
		stale = c.Invalidate && c.Compare != 0 && c.Compare < it.CAS()
		if !stale {
			sh.counts.CasBadval++
			return false, ErrExists
		}
	}
	sh.counts.CasHits++
	return stale, nil
}

// update stores over an item: a renewal if it is a held lock.
func (sh *shard) update(it *item, c *Put, now time.Duration) (Stored, error) {
	stale, err := sh.compare(it, c)
	if err != nil {
		return Stored{}, err
	}
	joins := c.Op == Append || c.Op == Prepend
	if c.Lease <= 0 && !joins && !stale {
		if err := sh.keepable(it, true); err != nil {
			return Stored{}, err
		}
		sh.release(it, c.Session, now)
		return Stored{CAS: sh.m.nextToken(), Size: int32(len(c.Value))}, nil
	}
	growth := len(c.Value)
	if !joins {
		growth -= len(it.Value())
	}
	if err := sh.outgrows(it, c, growth); err != nil {
		return Stored{}, err
	}
	if err := sh.keepable(it, false); err != nil {
		return Stored{}, err
	}
	sh.table.Use(it, now)
	if growth > 0 && !sh.evict(int64(growth), it) { // a renewal that does not grow needs no room
		return Stored{}, errNoRoom
	}
	sh.overwrite(it, c)
	kind := ledger.Renewed
	if stale {
		kind = ledger.Changed
		// The client that was told to recache it still is, and has no more time than
		// before.
		it.Mark(store.Stale)
	} else {
		it.Clear(store.Stale | store.Won)
		if !joins {
			sh.setLease(it, c.Lease, now)
		}
	}
	sh.setCAS(it, c.NewCAS)
	sh.changed(it, kind, now)
	sh.counts.TotalItems++
	sh.settle(settleStep)
	return Stored{CAS: it.CAS(), Size: int32(len(it.Value()))}, nil
}

// outgrows returns why a value must not grow by so many bytes, nil if it may.
func (sh *shard) outgrows(it *item, c *Put, growth int) error {
	joins := c.Op == Append || c.Op == Prepend
	size := len(it.Value()) + growth
	fits := (!joins || sh.m.fits(c, size)) && (!held(it) || sh.m.fitsJournal(it.Key(), size))
	switch {
	case fits:
		return nil
	case joins:
		return ErrNotStored
	}
	sh.counts.TooLarge++
	return ErrTooLarge
}

// overwrite stores the new value and, unless that is joined to the old one, the flags.
func (sh *shard) overwrite(it *item, c *Put) {
	it.Clear(store.Fetched)
	switch c.Op {
	case Append:
		sh.table.SetValue(it, it.Value(), c.Value)
		return
	case Prepend:
		sh.table.SetValue(it, c.Value, it.Value())
		return
	}
	sh.table.SetValue(it, c.Value)
	it.Flags = c.Flags
	it.Clear(store.Binary)
	if c.Binary {
		it.Mark(store.Binary)
	}
}

// refuse answers an add that found an item, or a closed lock, which has none. If the
// claim may wait, it gets a place in line; otherwise its client is counted as a poller.
func (sh *shard) refuse(c *Put, hash uint64, wait *Wait, it *item, now time.Duration) error {
	if it != nil {
		sh.table.Use(it, now)
	}
	if wait != nil && sh.m.isLockKey(c.Key) {
		if err := sh.enqueue(c, hash, wait, it, now); err != ErrNotStored {
			return err
		}
	}
	if it == nil || held(it) {
		sh.expect(c, hash, it, now)
	}
	return ErrNotStored
}

// expect counts a claim that was refused, and its client as a poller.
func (sh *shard) expect(c *Put, hash uint64, it *item, now time.Duration) {
	if it != nil {
		sh.roomForPast(it)
	}
	past := sh.pastOfKey(c.Key, it)
	sh.happenedTo(past, ledger.Refused, now)
	sh.m.tries.add(now)
	l := sh.lineOf(c.Key, it)
	l.contention = sh.ledger.Contended(past)
	if it == nil && l.freeSince == 0 && sh.settling(now) {
		l.freeSince = sh.m.settled
	}
	if sh.poll(l, c.Session, identity(c, it), waitqueue.Place{}, now) != nil {
		c.Session.remember(l)
	}
	sh.noteTry(c, it, WasRefused, now, now)
	switch {
	case l.Overtaken(c.Session):
		c.Session.overtaken = hash
	case c.Session.overtaken == hash:
		c.Session.overtaken = 0
	}
	sh.tidy(l)
}

// Oversize counts a value that was too large to store. As in memcached, a set that fails
// leaves no old value behind; but a held lock stays.
func (m *Manager) Oversize(key []byte, isSet bool) {
	m.failed(key, isSet, func(c *Counts) { c.TooLarge++ })
}

// NoRoom is Oversize for a value for which there is no memory.
func (m *Manager) NoRoom(key []byte, isSet bool) {
	m.failed(key, isSet, func(c *Counts) { c.NoMemory++ })
}

func (m *Manager) failed(key []byte, isSet bool, count func(*Counts)) {
	if len(key) == 0 {
		return
	}
	sh, hash := m.shardOf(key)
	sh.mu.Lock()
	defer sh.unlock()
	count(&sh.counts)
	if !m.owns(key) {
		return
	}
	now := sh.now(nil)
	it := sh.find(hash, key, now)
	if isSet && it != nil && !held(it) {
		sh.end(it, release, now)
	}
	if isSet && sh.kept != nil {
		sh.dropKept(sh.kept, now)
	}
	sh.failedToStore(key, now)
}
