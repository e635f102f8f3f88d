package locks

import (
	"strconv"
	"time"

	"github.com/lockcached/lockcached/stats/ledger"
	"github.com/lockcached/lockcached/store"
)

// Item is an item as a Reader sees it.
type Item = store.Item[hold]

// Reader is shown items. Item is called while the shard is locked: it may copy, but do
// nothing that takes long.
type Reader interface{ Item(it *Item) }

// Get shows the item of the key, or returns ErrNotFound. by is who asks, nil if that is not
// known.
func (m *Manager) Get(key []byte, by *Session, r Reader) error {
	sh, hash := m.shardOf(key)
	sh.mu.Lock()
	defer sh.unlock()
	if !m.owns(key) {
		return ErrMoved
	}
	now := sh.now(by)
	return sh.show(sh.find(hash, key, now), r, now)
}

// show counts a get, and shows what it has found; nil is nothing.
func (sh *shard) show(it *item, r Reader, now time.Duration) error {
	sh.counts.CmdGet++
	if it == nil {
		sh.counts.miss(sh)
		return ErrNotFound
	}
	sh.counts.GetHits++
	r.Item(it)
	it.Mark(store.Fetched)
	sh.table.Use(it, now)
	return nil
}

// Renewal is what touch and gat ask for.
type Renewal struct {
	Key     []byte
	Lease   time.Duration // from now; zero or less ends what is there
	Session *Session      // who asks, nil if that is not known
	Reader  Reader        // is shown the item, unless it is nil
	Fetch   *Fetch        // of a gat, if there are policies for fills
	Only    uint64        // only this version, if not 0; otherwise nothing happens
}

// Renewed is what Renew tells of the item that it has given a new lease.
type Renewed struct {
	Flags uint32
	CAS   uint64
}

// Renew gives the item of the key a new lease, or returns ErrNotFound. It is a renewal if
// the item is a held lock, a release if the lease is over.
func (m *Manager) Renew(r *Renewal) (Renewed, error) {
	sh, hash := m.shardOf(r.Key)
	sh.mu.Lock()
	defer sh.unlock()
	if !m.owns(r.Key) {
		return Renewed{}, ErrMoved
	}
	now := sh.now(r.Session)
	var it *item
	if r.Fetch == nil {
		it = sh.find(hash, r.Key, now)
	} else {
		var s Sight
		switch it, s = sh.see(r.Fetch, hash, now); s {
		case Held:
			return Renewed{}, ErrHeld
		case Old: // it stays what it is
			sh.counts.CmdTouch++
			sh.counts.TouchHits++
			r.Reader.Item(it)
			sh.table.Use(it, now)
			return Renewed{it.Flags, it.CAS()}, nil
		}
	}
	if r.Only != 0 && (it == nil || it.CAS() != r.Only) {
		return Renewed{}, ErrExists
	}
	sh.counts.CmdTouch++
	if it == nil {
		sh.counts.TouchMisses++
		return Renewed{}, ErrNotFound
	}
	sh.counts.TouchHits++
	if err := sh.keepable(it, r.Lease <= 0); err != nil {
		return Renewed{}, err
	}
	if r.Reader != nil {
		r.Reader.Item(it)
		it.Mark(store.Fetched)
	}
	sh.table.Use(it, now)
	renewed := Renewed{it.Flags, it.CAS()}
	sh.touch(it, r.Lease, r.Session, now)
	return renewed, nil
}

// Touch renews the item of the key, or ends it if the lease is over.
func (m *Manager) Touch(key []byte, lease time.Duration) error {
	_, err := m.Renew(&Renewal{Key: key, Lease: lease})
	return err
}

// touch renews or, with a lease that is over, releases. The caller has checked with
// keepable that a renewal can be kept.
func (sh *shard) touch(it *item, lease time.Duration, by *Session, now time.Duration) {
	if lease <= 0 {
		sh.invalidate(it.Key())
		sh.release(it, by, now)
		return
	}
	sh.setLease(it, lease, now)
	sh.changed(it, ledger.Renewed, now)
}

func (sh *shard) setLease(it *item, lease, now time.Duration) {
	sh.table.SetExpires(it, expiresAt(lease, now))
	sh.m.dueAt(it.Due())
}

// Delete removes the item of the key: a release if it is a held lock, whoever
// asks for it.
func (m *Manager) Delete(key []byte) error { return m.Remove(&Removal{Key: key}) }

// Delta is what incr, decr and ma ask for.
type Delta struct {
	Key     []byte
	By      uint64
	Decr    bool
	Session *Session // who asks, nil if that is not known

	Touch   bool          // the Viewer gives the item another lease,
	Lease   time.Duration // this one; one that is over is a release
	Compare uint64        // only this version, if not 0
	NewCAS  uint64        // the id to set instead of the next one, if not 0
	Vivify  bool          // make the item if there is none,
	Initial uint64        // and let it begin with this
	Binary  bool          // the key of an item that is made is shown in base64
}

// Arith adds to the number in the item's value, or subtracts from it, and returns the
// result and the item's new id. The number wraps at 2^64 and stops at 0.
func (m *Manager) Arith(d *Delta) (n, cas uint64, err error) {
	sh, hash := m.shardOf(d.Key)
	sh.mu.Lock()
	defer sh.unlock()
	if !m.owns(d.Key) {
		return 0, 0, ErrMoved
	}
	now := sh.now(d.Session)
	it := sh.find(hash, d.Key, now)
	if n, err = sh.arith(it, d, now); err == nil {
		cas = it.CAS()
	}
	return n, cas, err
}

func (sh *shard) arith(it *item, d *Delta, now time.Duration) (uint64, error) {
	if it == nil {
		sh.counts.arithMiss(d.Decr)
		return 0, ErrNotFound
	}
	if d.Compare != 0 && d.Compare != it.CAS() {
		return 0, ErrExists
	}
	if err := sh.keepable(it, d.Touch && d.Lease <= 0); err != nil {
		return 0, err
	}
	n, ok := number(it.Value())
	switch {
	case !ok:
		return 0, ErrNotNumber
	case !d.Decr:
		n += d.By
	case d.By > n:
		n = 0
	default:
		n -= d.By
	}
	var text [24]byte
	digits := strconv.AppendUint(text[:0], n, 10)
	// As in memcached, a number that gets shorter is padded to its old length.
	for len(digits) < len(it.Value()) {
		digits = append(digits, ' ')
	}
	sh.table.SetValue(it, digits)
	sh.settle(settleStep)
	sh.setCAS(it, d.NewCAS)
	sh.changed(it, ledger.Changed, now)
	sh.table.Use(it, now)
	sh.counts.arithHit(d.Decr)
	return n, nil
}

// number reads a value as memcached's strtoull does: spaces around it and a plus
// sign are fine.
func number(v []byte) (n uint64, ok bool) {
	i := 0
	for i < len(v) && isSpace(v[i]) {
		i++
	}
	if i < len(v) && v[i] == '+' {
		i++
	}
	start := i
	for ; i < len(v) && v[i]-'0' <= 9; i++ {
		d := uint64(v[i] - '0')
		if n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, i > start && (i == len(v) || isSpace(v[i]))
}

func isSpace(c byte) bool { return c == ' ' || c-'\t' <= '\r'-'\t' }

// Flush makes every item that was stored before now expire, and releases every lock: the
// next in line gets it. by is who asks, nil if that is not known. It returns the number
// of the journal's latest entry that ends a hold, 0 if there is none. A node of a cluster
// does that for the keys that it owns; without a quorum it returns an ErrJournal and frees
// nothing.
func (m *Manager) Flush(by *Session) (entry uint64, err error) {
	if m.strict {
		if err := m.JournalErr(); err != nil {
			return 0, err
		}
	}
	m.flushAt.Store(0)
	return m.flushNow(by), nil
}

func (m *Manager) flushNow(by *Session) (entry uint64) {
	for _, sh := range m.shards {
		sh.mu.Lock()
		sh.flush(by, sh.now(nil))
		entry = max(entry, sh.ended)
		sh.unlock()
	}
	return entry
}

func (sh *shard) flush(by *Session, now time.Duration) {
	var all []*item
	sh.table.All(func(it *item) bool {
		all = append(all, it)
		return true
	})
	if sh.fillings != nil {
		for _, f := range sh.fillings.byKey {
			f.invalidate()
		}
	}
	for _, it := range all {
		if it.Expires() <= now {
			it.Mark(store.Spent) // it may be kept beyond its expiry
			continue
		}
		if !sh.m.owns(it.Key()) {
			continue
		}
		if held(it) || hasLine(it) {
			sh.release(it, by, now)
			continue
		}
		it.Mark(store.Flushed)
		sh.table.SetExpires(it, now)
		sh.m.dueAt(it.Due())
	}
	sh.settle(0)
}

// FlushAfter flushes when delay is over, as a client of its own, so that the holders may be at
// work: see claimant.shared. A later flush, delayed or not, replaces one that is pending. What
// is due while a node of a cluster has no quorum waits for that.
func (m *Manager) FlushAfter(delay time.Duration) {
	if delay <= 0 {
		_, _ = m.Flush(new(Session))
		return
	}
	at := expiresAt(delay, m.now())
	m.flushAt.Store(int64(at))
	m.dueAt(at)
}
