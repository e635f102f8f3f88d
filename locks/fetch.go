package locks

import (
	"math/rand/v2"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/stats/fills"
	"github.com/lockcached/lockcached/store"
)

// Sight is what a get sees of a key.
type Sight uint8

// What a get can see.
const (
	Unknown Sight = iota
	Missing       // no item, or none that it is to be told of
	Present       // an item
	Old           // an item that has expired, to be shown until there is a new value
	Held          // nothing yet: see Hold
)

// Asked is what kind of get asks.
type Asked uint8

// Kinds of gets.
const (
	AsGet   Asked = iota // get, gets, and mg without T
	AsGat                // gat, gats
	AsTouch              // mg with T
)

// Fetch is what a get asks for if there are policies for fills.
type Fetch struct {
	Key     []byte
	Session *Session
	Back    HolderBack // for an answer that may be held back; nil if it must not be
	As      Asked
}

// HolderBack is asked for the Hold of a get when it is to be held, perhaps several times if the
// get is for several keys. It is asked while the shard is locked.
type HolderBack interface{ HoldBack() *Hold }

// Fetch shows the item of a key, or returns ErrNotFound; then the session is perhaps expected
// to store it, and others may be held until it does. It returns ErrHeld if it is held itself.
func (m *Manager) Fetch(f *Fetch, r Reader) error {
	sh, hash := m.shardOf(f.Key)
	sh.mu.Lock()
	defer sh.unlock()
	if !m.owns(f.Key) {
		return ErrMoved
	}
	now := sh.now(f.Session)
	it, s := sh.see(f, hash, now)
	if s == Held {
		return ErrHeld
	}
	return sh.show(it, r, now)
}

// Join is Fetch for a get of several keys that has not seen yet what else it asks for. It
// shows nothing and counts no get. It returns Held if the get is held for the key, Missing if
// its session is the filler now, and Unknown if there is no reason to wait.
func (m *Manager) Join(f *Fetch) Sight {
	sh, hash := m.shardOf(f.Key)
	sh.mu.Lock()
	defer sh.unlock()
	if !m.owns(f.Key) {
		return Unknown
	}
	now := sh.now(f.Session)
	p := m.config().fillPolicy(f.Key)
	if p.isZero() || sh.find(hash, f.Key, now) != nil {
		return Unknown
	}
	x := sh.fillings.of(f.Key)
	switch {
	case x == nil || x.filler == nil:
		sh.beginFill(x, f, hash, p, false, now)
		return Missing
	case sh.kept != nil || x.filler == f.Session.claimant() || !sh.join(f, x, p.hold, now):
		return Unknown
	}
	return Held
}

// see returns what a get is to be told of a key, and the item if it is shown, nil otherwise.
func (sh *shard) see(f *Fetch, hash uint64, now time.Duration) (*item, Sight) {
	it := sh.find(hash, f.Key, now)
	if it != nil {
		if len(sh.m.config().EarlyPolicies) > 0 && sh.isEarly(it, f, hash, now) {
			return nil, Missing
		}
		return it, Present
	}
	p := sh.m.config().fillPolicy(f.Key)
	if p.isZero() {
		return nil, Missing
	}
	kept := sh.kept // what find has left, expired
	x, by := sh.fillings.of(f.Key), f.Session.claimant()
	switch {
	case x == nil || x.filler == nil:
		sh.beginFill(x, f, hash, p, false, now)
	case x.filler == by: // a client that asks again, or others on its connection
	case kept != nil:
		sh.countFill(x, fills.Stale, 1)
		return kept, Old
	case f.Back != nil && sh.join(f, x, p.hold, now):
		return nil, Held
	default:
		if x.tell(by, now) {
			f.Session.rememberFill(x)
		}
		sh.countFill(x, fills.FellThrough, 1)
	}
	return nil, Missing
}

// beginFill makes the session of a get the filler of its key. x is the key's filling, if there is
// one.
func (sh *shard) beginFill(x *filling, f *Fetch, hash uint64, p fillPolicy, early bool, now time.Duration) {
	if x == nil {
		if x = sh.makeFilling(f.Key, hash); x == nil {
			return
		}
	}
	x.policy = p
	if sh.tellMiss(x, f.Session.claimant(), early, now) {
		f.Session.rememberFill(x)
	}
}

// isEarly reports whether a get of an item that has not expired is told a miss, so that its
// session computes a new value. One session at a time is told so.
func (sh *shard) isEarly(it *item, f *Fetch, hash uint64, now time.Duration) bool {
	if it.Expires() == ttl.Forever || held(it) {
		return false
	}
	x := sh.fillings.of(f.Key)
	if x != nil && x.filler != nil {
		// A client that takes a lock before it computes asks once more when it has the lock.
		if !x.early || x.again || x.filler != f.Session.claimant() {
			return false
		}
		x.again = true
		return true
	}
	left := it.Expires() - now
	if !sh.fillings.book.MayBeEarly(sh.m.config().mostBeta, left) {
		return false
	}
	p := sh.m.config().fillPolicy(f.Key)
	if p.beta == 0 {
		return false
	}
	past := sh.fillings.book.Of(f.Key)
	if x != nil {
		past = x.past
	}
	if !sh.fillings.book.Early(past, p.beta, left, 1-rand.Float64(), now) {
		return false
	}
	sh.beginFill(x, f, hash, p, true, now)
	return true
}

// keeps reports whether an item that has expired is kept, to be served until there is a new
// value: not what was invalidated, a placeholder, or of use to nobody.
func (sh *shard) keeps(it *item, now time.Duration) bool {
	return sh.keptUntil(it) > now
}

// keptUntil is until when an item is kept beyond its expiry, 0 if it is not.
func (sh *shard) keptUntil(it *item) time.Duration {
	if len(sh.m.config().StalePolicies) == 0 || held(it) || hasLine(it) ||
		it.Has(store.Flushed) || it.Has(store.Stale) || it.Has(store.Spent) || it.Has(store.Won) && len(it.Value()) == 0 {
		return 0
	}
	if p := sh.m.config().fillPolicy(it.Key()); p.stale > 0 {
		return expiresAt(p.stale, it.Expires())
	}
	return 0
}

// dropKept removes an item that is kept beyond its expiry.
func (sh *shard) dropKept(it *item, now time.Duration) {
	sh.kept = nil
	sh.counts.reclaimed(it)
	sh.end(it, expiry, now)
}

// fillsEarly reports whether an add comes from the session that fills a key before its value
// has expired.
func (sh *shard) fillsEarly(c *Put) bool {
	f := sh.fillings.of(c.Key)
	return f != nil && f.early && f.filler != nil && f.filler == c.Session.claimantIfAny()
}

// CountGat counts a gat that was answered with a value that is not there any more.
func (m *Manager) CountGat() {
	sh := m.shards[0]
	sh.mu.Lock()
	sh.counts.CmdTouch++
	sh.counts.TouchHits++
	sh.mu.Unlock()
}
