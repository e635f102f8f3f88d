package fills

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/lockcached/lockcached/stats"
)

// Shared is what the Books of all shards know together of classes. Its methods may be called
// from any goroutine.
type Shared struct {
	delimiter byte
	reach     atomic.Int64 // see Book.MayBeEarly

	mu      sync.Mutex // guards the classes
	classes *simplelru.LRU[string, *class]
}

// NewShared returns what Books share. classes, at least one, is how many classes are
// remembered; delimiter ends the class of a key: see stats.Class.
func NewShared(delimiter byte, classes int) *Shared {
	s := &Shared{delimiter: delimiter}
	s.classes, _ = simplelru.NewLRU[string, *class](max(1, classes), nil) // refuses sizes below 1 only
	return s
}

// class is what is known of all keys of a class.
type class struct {
	Record
	name    string
	lookups recent // whether what was asked for was stored
	own     recent // whether it was stored over the connection that was told the miss
}

// recent remembers the outcomes of the latest few events of a kind.
type recent struct {
	bits uint8 // the latest is the lowest
	n    uint64
}

// few is how many outcomes recent remembers, and how many fills must have been seen before
// they count for more than the policy.
const few = 8

// add records an outcome and returns its number.
func (r *recent) add(yes bool) (number uint64) {
	r.bits <<= 1
	if yes {
		r.bits |= 1
	}
	r.n++
	return r.n
}

// amend changes an outcome to yes, if it is remembered.
func (r *recent) amend(number uint64) {
	if age := r.n - number; age < few {
		r.bits |= 1 << age
	}
}

func (r *recent) yes() int { return bits.OnesCount8(r.bits) }

// known is how many outcomes are remembered.
func (r *recent) known() int { return int(min(r.n, few)) }

// leastStored is how many of the latest few look-ups of a class must have been stored, or
// nobody is held for the next ones.
const leastStored = 2

// isFilled reports whether what is asked for in the class is usually stored. A class of which
// little is known is taken for one.
func (c *class) isFilled() bool { return c.lookups.n < few || c.lookups.yes() >= leastStored }

// isOwn reports whether values are usually stored over the connection that was told the miss.
func (c *class) isOwn() bool { return 2*c.own.yes() >= c.own.known() }

// nameOf is the class of a key.
func (s *Shared) nameOf(key []byte) string {
	var buf [256]byte
	return string(stats.AppendClass(buf[:0], key, s.delimiter))
}

// classOf is the class of that name, a new one if nothing is known of it.
func (s *Shared) classOf(name string) *class {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.classes.Get(name)
	if !ok {
		c = &class{name: name}
		s.classes.Add(name, c)
	}
	return c
}

// Class returns what is known of a class; ok is false if nothing is.
func (s *Shared) Class(name string) (r Record, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.classes.Peek(name)
	if ok {
		r = c.Clone()
	}
	return r, ok
}

// EachClass visits the classes that are remembered, with how many fills each has had.
func (s *Shared) EachClass(visit func(name string, fills uint64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.classes.Values() {
		visit(c.name, c.Counters[Started])
	}
}

// extend makes sure that Book.MayBeEarly looks for keys with such a fill time.
func (s *Shared) extend(r *Record) {
	reach := int64(earliest(r))
	for {
		old := s.reach.Load()
		if reach <= old || s.reach.CompareAndSwap(old, reach) {
			return
		}
	}
}

// earliest is how long before the expiry a fill can begin early, for a beta of 1.
func earliest(r *Record) time.Duration {
	return time.Duration(float64(slack+1)*float64(r.quantile) + longestDraw*r.Took.Mean())
}
