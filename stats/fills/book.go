package fills

import (
	"math"
	"time"
	"unsafe"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Book records the fills of some keys.
type Book struct {
	shared *Shared
	keys   *simplelru.LRU[string, *Key]
	totals Counters
}

// Key is what is known of the fills of one key. Its Record may be read, but only the Book
// changes it.
type Key struct {
	Record
	name  string
	class *class

	seen time.Duration // the latest get near the expiry; 0 if there was none
	gap  time.Duration // between gets near the expiry
}

// NewBook returns an empty Book that remembers so many keys, at least one.
func NewBook(shared *Shared, keys int) *Book {
	b := &Book{shared: shared}
	b.keys, _ = simplelru.NewLRU[string, *Key](max(1, keys), nil) // refuses sizes below 1 only
	return b
}

// Of is what is known of a key, something new if nothing is. It is remembered once a value was
// stored: whoever asks for keys that do not exist must not make the Book forget others.
func (b *Book) Of(key []byte) *Key {
	if k, ok := b.keys.Get(stringOf(key)); ok {
		return k
	}
	return &Key{name: string(key), class: b.shared.classOf(b.shared.nameOf(key))}
}

// Known is what is known of a key, nil if nothing is.
func (b *Book) Known(key []byte) *Key {
	k, _ := b.keys.Peek(stringOf(key))
	return k
}

// Class is the name of the key's class.
func (k *Key) Class() string { return k.class.name }

// Len is how many keys are remembered.
func (b *Book) Len() int { return b.keys.Len() }

// Totals are the counts of all keys, since the beginning or the latest ResetTotals.
func (b *Book) Totals() *Counters { return &b.totals }

// ResetTotals sets Totals back to 0. What is known of keys and classes stays.
func (b *Book) ResetTotals() { b.totals = Counters{} }

// Count counts n events of a key.
func (b *Book) Count(k *Key, what Counter, n uint64) {
	b.totals[what] += n
	k.Counters[what] += n
	b.shared.mu.Lock()
	k.class.Counters[what] += n
	b.shared.mu.Unlock()
}

// Took records that a value was stored so long after somebody was told a miss. own says
// whether over the same connection.
func (b *Book) Took(k *Key, d time.Duration, own bool, now time.Duration) {
	if known, ok := b.keys.Get(k.name); ok {
		k = known // somebody else has found it out meanwhile
	} else {
		b.keys.Add(k.name, k)
	}
	k.took(d, now)
	b.shared.mu.Lock()
	k.class.took(d, now)
	k.class.own.add(own)
	b.shared.extend(&k.class.Record)
	b.shared.mu.Unlock()
	b.shared.extend(&k.Record)
	b.Count(k, Stored, 1)
}

// Lasted records that somebody who was told a miss so long ago has not stored anything, and
// will not.
func (b *Book) Lasted(k *Key, d, now time.Duration) {
	k.lasted(d, now)
	b.shared.mu.Lock()
	k.class.lasted(d, now)
	b.shared.mu.Unlock()
}

// LookedUp records whether a look-up was followed by a store in time, and returns its number
// for Amend.
func (b *Book) LookedUp(k *Key, stored bool) (number uint64) {
	b.shared.mu.Lock()
	defer b.shared.mu.Unlock()
	return k.class.lookups.add(stored)
}

// Amend records that a look-up was followed by a store after all.
func (b *Book) Amend(k *Key, number uint64) {
	b.shared.mu.Lock()
	defer b.shared.mu.Unlock()
	k.class.lookups.amend(number)
}

// IsOwn reports whether values of the key's class are usually stored over the connection that
// was told the miss.
func (b *Book) IsOwn(k *Key) bool {
	b.shared.mu.Lock()
	defer b.shared.mu.Unlock()
	return k.class.isOwn()
}

// A filler is given more than the quantile: twice as long as usual is late, a little longer is
// not. The fewer fills there were, the less is known of the tail. It is given the least time even
// if values are stored at once, because a busy machine makes everybody late.
const (
	margin    = 1.5
	doubt     = 2 // divided by the number of fills, and added to the margin
	leastTime = 10 * time.Millisecond
)

// Time returns how long a filler of the key is given. As long as there were few fills, of the
// key and of its class, that is no less than cold; it is never more than most.
func (b *Book) Time(k *Key, cold, most time.Duration) time.Duration {
	q, n := b.quantile(k)
	least := leastTime
	if n < few {
		least = cold
	}
	learned := time.Duration((margin + doubt/float64(max(n, 1))) * float64(q))
	return min(max(learned, least), most)
}

// Holds reports whether others should be held for a filler of the key, at most so long: what
// is asked for is usually stored, and usually within that time.
func (b *Book) Holds(k *Key, most time.Duration) bool {
	q, n := b.quantile(k)
	b.shared.mu.Lock()
	defer b.shared.mu.Unlock()
	return k.class.isFilled() && (n < few || q <= most)
}

// quantile is that of the key's fill times or, as long as there were few, of its class's, with
// the number of these.
func (b *Book) quantile(k *Key) (q time.Duration, n uint64) {
	if n := k.Took.Count(); n >= few {
		return k.quantile, n
	}
	b.shared.mu.Lock()
	defer b.shared.mu.Unlock()
	return k.class.quantile, k.class.Took.Count()
}

// Early decides whether a get of a key should be told a miss although it does not expire
// before left. random is from 0 to 1.
//
// It is XFetch, by A. Vattani, F. Chierichetti and K. Lowenstein, "Optimal Probabilistic Cache
// Stampede Prevention" (2015): a get computes early by beta times the fill time times -ln
// random. Here it is early by a quantile of the fill times in addition, so that most fills end
// before the expiry; and by a few times the pause between gets of the key, at most as many
// quantiles, because a fill begins with a get only.
func (b *Book) Early(k *Key, beta float64, left time.Duration, random float64, now time.Duration) bool {
	q, mean := k.quantile, k.Took.Mean()
	if k.Took.Count() == 0 {
		b.shared.mu.Lock()
		q, mean = k.class.quantile, k.class.Took.Mean()
		b.shared.mu.Unlock()
	}
	if mean == 0 && q == 0 {
		return false
	}
	k.pause(now)
	draw := min(-math.Log(max(random, math.SmallestNonzeroFloat64)), longestDraw)
	early := float64(q) + slack*float64(min(k.gap, q)) + beta*mean*draw
	return early >= float64(left)
}

const (
	// slack is how many pauses between gets a fill begins before it has to.
	slack = 8
	// longestDraw bounds -ln random. It is exceeded once in 1e16 draws.
	longestDraw = 37
	// forgetPause is the time after which the pause before a get is not one between gets
	// near the same expiry.
	forgetPause = time.Minute
)

// pause learns how far the gets near the key's expiry are apart.
func (k *Key) pause(now time.Duration) {
	if gap := now - k.seen; k.seen != 0 && gap < forgetPause {
		k.gap += (gap - k.gap) / 4
	}
	k.seen = now
}

// MayBeEarly reports whether Early might return true for any key. It is fast.
func (b *Book) MayBeEarly(beta float64, left time.Duration) bool {
	return float64(left) <= max(beta, 1)*float64(b.shared.reach.Load())
}

// stringOf views bytes as a string, for a call that neither keeps nor changes them.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
