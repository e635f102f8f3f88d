package locks

import (
	"strconv"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/stats/ledger"
	"github.com/lockcached/lockcached/store"
)

// View is an item as a meta command sees it. The command may change some of it while it
// works through its flags, in their order.
type View struct {
	Item   *Item
	Number uint64        // the result of Count
	TTL    time.Duration // left; ttl.Forever if it does not end
	Idle   time.Duration // since it was last used, before this

	Made    bool // made just now, because there was none
	Fetched bool // read since it was stored, before this
	Stale   bool // invalidated
	Taken   bool // a client was told before to recache it
	Won     bool // the caller is told to recache it
	Binary  bool // the key is shown in base64

	touched bool
	old     bool // it has expired, and is shown all the same: it stays what it is
}

// Viewer is shown the item of a meta command. View is called while the shard is locked:
// it may copy, but do nothing that takes long.
type Viewer interface{ View(v *View) }

// Touch gives the item a new lease: a renewal if it is a held lock, a release if
// the lease is over.
func (v *View) Touch(lease time.Duration) {
	if !v.old {
		v.TTL, v.touched = max(lease, 0), true
	}
}

// Recache lets the caller win if less than within is left and nobody has won yet. It
// compares whole seconds, as Seconds returns them.
func (v *View) Recache(within time.Duration) {
	if !v.Made && !v.Taken && !v.old && v.TTL != ttl.Forever && wholeSeconds(v.TTL) < within {
		v.Won = true
	}
}

// Seconds is the TTL in whole seconds, -1 if the item does not end.
func (v *View) Seconds() int64 {
	if v.TTL == ttl.Forever {
		return -1
	}
	return int64(wholeSeconds(v.TTL) / time.Second)
}

// wholeSeconds rounds up: a lease of 30 s that has just begun has 30 s left.
func wholeSeconds(d time.Duration) time.Duration {
	if rest := d % time.Second; rest != 0 {
		d += time.Second - rest
	}
	return d
}

// viewOf returns a View that is good until the next call.
func (sh *shard) viewOf(it *item, made bool, now time.Duration) *View {
	v := &sh.view
	*v = View{
		Item:    it,
		TTL:     ttl.Forever,
		Idle:    now.Truncate(time.Second) - it.LastUse(),
		Made:    made,
		Fetched: it.Has(store.Fetched),
		Stale:   it.Has(store.Stale),
		Taken:   it.Has(store.Won),
		Binary:  it.Has(store.Binary),
	}
	if it.Expires() != ttl.Forever {
		v.TTL = it.Expires() - now
	}
	v.Won = made || v.Stale && !v.Taken
	return v
}

// show makes the View one of an item that is shown although nothing can be done with it: it has
// expired, or is not there any more.
func (v *View) show() {
	v.TTL, v.old = max(v.TTL, 0), true
	v.Stale, v.Taken, v.Won = false, false, false
}

// ViewOf shows, as Look does, an item with which a held get is answered, since Look has not
// found it any more.
func (m *Manager) ViewOf(it *Item, r Viewer) {
	v := View{Item: it, TTL: ttl.Forever, Binary: it.Has(store.Binary)}
	if it.Expires() != ttl.Forever {
		v.TTL = it.Expires() - m.now()
	}
	v.show()
	r.View(&v)
}

// Look is what mg asks for.
type Look struct {
	Key     []byte
	Session *Session      // who asks, nil if that is not known
	Touch   bool          // the Viewer gives the item another lease; counted as a touch
	Lease   time.Duration // with Touch: that lease
	Unseen  bool          // the item does not count as used
	Vivify  bool          // make an empty item if there is none; the Viewer gives it its lease
	NewCAS  uint64        // the id of the item that is made, if not 0
	Binary  bool          // the key of the item that is made is shown in base64
	Fetch   *Fetch        // if there are policies for fills; nil with Vivify
	Only    uint64        // only this version, if not 0; otherwise nothing happens
}

// Look shows the item of a key, or returns ErrNotFound. An item made on a miss is a
// placeholder for clients that recache values, not a lock.
func (m *Manager) Look(l *Look, r Viewer) error {
	sh, hash := m.shardOf(l.Key)
	for {
		sh.mu.Lock()
		if !m.owns(l.Key) {
			sh.unlock()
			return ErrMoved
		}
		err := sh.look(l, hash, r, sh.now(l.Session))
		sh.unlock()
		if err != errNoRoom {
			return err
		}
		if !m.makeRoom(sh, len(l.Key), 0) {
			return ErrNotFound
		}
	}
}

func (sh *shard) look(l *Look, hash uint64, r Viewer, now time.Duration) (err error) {
	var it *item
	seen := Present
	if l.Fetch == nil {
		it = sh.find(hash, l.Key, now)
	} else if it, seen = sh.see(l.Fetch, hash, now); seen == Held {
		return ErrHeld
	}
	if l.Only != 0 && (it == nil || it.CAS() != l.Only) {
		return ErrExists
	}
	made := it == nil && l.Vivify
	if made {
		it, err = sh.vivify(&Put{Key: l.Key, NewCAS: l.NewCAS, Binary: l.Binary, Lease: ttl.Forever}, hash, now)
		if err != nil {
			return err
		}
	}
	if l.Touch && it != nil {
		sh.counts.CmdTouch++
		sh.counts.TouchHits++
	} else {
		sh.counts.CmdGet++
	}
	if it == nil {
		sh.counts.miss(sh)
		return ErrNotFound
	}
	if !l.Touch {
		sh.counts.GetHits++
	} else if err = sh.keepable(it, l.Lease <= 0); err != nil {
		return err
	}
	v := sh.viewOf(it, made, now)
	if seen == Old {
		v.show()
	}
	r.View(v)
	if !l.Unseen {
		it.Mark(store.Fetched)
		sh.table.Use(it, now)
	}
	if v.Won {
		it.Mark(store.Won)
	}
	sh.afterView(v, l.Session, now)
	return nil
}

// vivify makes an item that is not a lock. A Viewer decides its lease.
func (sh *shard) vivify(c *Put, hash uint64, now time.Duration) (*item, error) {
	if !sh.evict(sh.table.SizeFor(len(c.Key), len(c.Value)), nil) {
		return nil, errNoRoom
	}
	return sh.insert(c, hash, now, false), nil
}

// afterView carries out what a Viewer has decided. The item may be gone afterwards.
func (sh *shard) afterView(v *View, by *Session, now time.Duration) {
	if v.touched {
		sh.touch(v.Item, v.TTL, by, now)
	}
	v.Item = nil
}

// Inspect shows the item of a key, or returns ErrNotFound. It counts neither as a get nor
// as a use.
func (m *Manager) Inspect(key []byte, r Viewer) error {
	sh, hash := m.shardOf(key)
	sh.mu.Lock()
	defer sh.unlock()
	if !m.owns(key) {
		return ErrMoved
	}
	now := sh.now(nil)
	it := sh.find(hash, key, now)
	if it == nil {
		return ErrNotFound
	}
	r.View(sh.viewOf(it, false, now))
	return nil
}

// Count is Arith for ma: it can make an item on a miss, and shows the result.
func (m *Manager) Count(d *Delta, r Viewer) error {
	sh, hash := m.shardOf(d.Key)
	for {
		sh.mu.Lock()
		if !m.owns(d.Key) {
			sh.unlock()
			return ErrMoved
		}
		err := sh.count(d, hash, r, sh.now(d.Session))
		sh.unlock()
		if err != errNoRoom {
			return err
		}
		if !m.makeRoom(sh, len(d.Key), maxDigits) {
			return ErrNoMemory
		}
	}
}

// maxDigits is the length of the longest number.
const maxDigits = 20

func (sh *shard) count(d *Delta, hash uint64, r Viewer, now time.Duration) (err error) {
	it, n := sh.find(hash, d.Key, now), d.Initial
	made := it == nil && d.Vivify
	if made {
		var text [maxDigits]byte
		it, err = sh.vivify(&Put{
			Key:    d.Key,
			Value:  strconv.AppendUint(text[:0], n, 10),
			NewCAS: d.NewCAS,
			Binary: d.Binary,
			Lease:  ttl.Forever,
		}, hash, now)
	} else {
		n, err = sh.arith(it, d, now)
	}
	if err != nil {
		return err
	}
	v := sh.viewOf(it, made, now)
	v.Number = n
	r.View(v)
	sh.afterView(v, d.Session, now)
	if made && sh.fillings != nil {
		if it = sh.table.Find(hash, d.Key); it != nil {
			sh.stored(it, d.Session, now)
		}
	}
	return nil
}

// Removal is what delete and md ask for.
type Removal struct {
	Key        []byte
	Session    *Session // who asks, nil if that is not known
	Compare    uint64   // with HasCompare: only this version
	HasCompare bool

	Invalidate bool // keep the item, but mark it stale
	Empty      bool // keep the item, without its value and with these flags
	Flags      uint32
	Lease      time.Duration // of an item that is kept, with HasLease
	HasLease   bool
	NewCAS     uint64 // the id of an item that is kept

	// Served, if not nil, takes the waiters whose waits the removal ends, for the caller to tell
	// them. Where their grants must be kept first they are told by themselves.
	Served *Served
}

// Remove removes the item of the key: a release if it is a held lock, whoever
// asks for it. With Compare it cannot end the hold of another client.
func (m *Manager) Remove(r *Removal) error {
	sh, hash := m.shardOf(r.Key)
	sh.mu.Lock()
	err := ErrMoved
	if m.owns(r.Key) {
		err = sh.remove(r, hash, sh.now(r.Session))
	}
	if r.Served != nil && sh.served != nil && m.journal == nil {
		r.Served.add(sh.served, sh.last)
		sh.served, sh.last = nil, nil
	}
	sh.unlock()
	return err
}

func (sh *shard) remove(r *Removal, hash uint64, now time.Duration) error {
	it := sh.find(hash, r.Key, now)
	if sh.kept != nil {
		sh.dropKept(sh.kept, now)
	}
	if it == nil || !r.HasCompare || it.CAS() == r.Compare {
		sh.invalidate(r.Key)
	}
	if it == nil {
		sh.noteOverrun(r.Key, r.Compare, false)
		sh.counts.DeleteMisses++
		return ErrNotFound
	}
	if r.HasCompare && it.CAS() != r.Compare {
		sh.noteOverrun(r.Key, r.Compare, true)
		sh.counts.DeleteMisses++
		return ErrExists
	}
	keeps := r.Invalidate || r.Empty
	if r.Session.hasLost() && !keeps && !r.HasCompare && sh.isLateRelease(it, r.Session, now) {
		sh.counts.DeleteMisses++
		return ErrNotFound
	}
	if err := sh.keepable(it, !keeps || r.HasLease && r.Lease <= 0); err != nil {
		return err
	}
	if !r.Invalidate {
		sh.counts.DeleteHits++
	}
	if keeps {
		sh.keepPart(it, r, now)
	} else {
		sh.release(it, r.Session, now)
	}
	return nil
}

// noteOverrun counts a release that failed because the lease of its hold had ended. It knows
// one by the token of the expired hold or, without a token, by the lock not being held.
func (sh *shard) noteOverrun(key []byte, token uint64, taken bool) {
	if !sh.expired {
		return
	}
	past := sh.ledger.Known(key)
	if past == nil || past.ExpiredToken() == 0 {
		return
	}
	if token == past.ExpiredToken() || token == 0 && !taken {
		sh.happenedTo(past, ledger.Overran, sh.now(nil))
	}
}

// keepPart removes the part of an item that r does not keep. A held lock stays held, and
// the rest is a new version with an id of its own. (memcached 1.6.45 keeps the id of an
// item that it empties, so that a cas finds the version that it has read.)
func (sh *shard) keepPart(it *item, r *Removal, now time.Duration) {
	lease, touched := r.Lease, r.HasLease
	if r.Empty {
		sh.table.SetValue(it, nil)
		sh.counts.TotalItems++
		sh.settle(settleStep)
		it.Flags = r.Flags
		it.Clear(store.Fetched | store.Stale | store.Won)
		if !touched {
			lease, touched = ttl.Forever, true // as if it were set anew
		}
	}
	if r.Invalidate {
		it.Mark(store.Stale)
		it.Clear(store.Won) // the next to read it is told to recache it
	}
	sh.setCAS(it, r.NewCAS)
	if touched {
		sh.touch(it, lease, r.Session, now)
	} else {
		sh.changed(it, ledger.Changed, now)
	}
}
