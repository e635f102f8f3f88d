package ledger

import (
	"unsafe"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/lockcached/lockcached/stats"
)

// Ledger records the past of some locks.
type Ledger struct {
	shared  *Shared
	keys    *simplelru.LRU[string, *Past]
	classes *simplelru.LRU[string, *class]
	byPlace struct { // the same
		keys    register[Past]
		classes register[class]
	}
	named  map[string]*metrics // of classes that have a name in ClassMetrics
	others metrics             // of all other classes
	totals stats.Counters
	grown  []string // classes whose law is new: see Gather
	latest *class   // that was looked up
	bytes  int64    // see Bytes
}

// New returns an empty Ledger. keys is how many locks that are not held it remembers, and
// classes how many classes; each counts as at least one.
func New(shared *Shared, keys, classes int) *Ledger {
	l := &Ledger{shared: shared, named: make(map[string]*metrics)}
	// The only error is a size that is not positive.
	l.keys, _ = simplelru.NewLRU(max(1, keys), func(_ string, p *Past) {
		p.listed = false
		l.byPlace.keys.remove(p.at)
		l.weigh(p)
		p.class.forgot(p)
	})
	l.classes, _ = simplelru.NewLRU(max(1, classes), func(_ string, c *class) {
		c.listed = false
		l.byPlace.classes.remove(c.at)
	})
	return l
}

// Note records an event of a lock: for the lock, its class, the metrics of the class, and
// all locks together. It is the only way in.
func (l *Ledger) Note(p *Past, e *Event) {
	if e.Kind.EndsHold() {
		l.keep(p)
		p.held = false
		p.age(e.Now)
		p.expired = 0
	}
	if e.Kind.isCounted() {
		n, class := counterOf[e.Kind], p.class
		l.totals[n]++
		p.Counters[n]++
		class.Counters[n]++
		class.tallied().Counters[n]++
	}
	switch e.Kind {
	case Came:
		p.held = true
	case Left:
		p.held = false
		l.weigh(p)
	case Granted:
		p.held = true
		p.granted(e)
	case Released:
		p.released(e.Took)
	case Expired:
		p.censored(e.Took)
		p.expired = e.Token
	case GapEnded:
		p.gap(e.Took)
	case HandedOff:
		p.gap(0)
	case Overran:
		p.expired = 0
	}
}

// Granted returns the Past in which to note a grant: the lock's own if there is one.
// Otherwise it is shared by all locks of the class of which nothing else is known, so that
// a lock that is used once takes no memory for its past.
func (l *Ledger) Granted(key []byte) *Past {
	if p, ok := l.keys.Get(stringOf(key)); ok {
		return p
	}
	return &l.classOf(key).unknown
}

// Own returns a Past that is the lock's alone: p itself if it is not shared. p may be nil.
// One that was shared has counted the present grant only for the class. An own Past takes
// about PastBytes, and counts in Bytes as long as the lock is held and not among those that
// are remembered.
func (l *Ledger) Own(p *Past, key []byte) *Past {
	switch {
	case p == nil:
		return l.Of(key)
	case !p.IsShared():
		return p
	}
	own := &Past{key: string(key), class: p.class, held: true}
	own.Counters[stats.Acquired] = 1
	l.keep(own)
	return own
}

// Ended returns the Past in which to note the end of a hold: the lock's own or, after a release in
// a class whose locks hardly ever come again, perhaps the one that all of them share.
func (l *Ledger) Ended(p *Past, key []byte, kind Kind) *Past {
	if p != nil && p.IsShared() && kind == Released && !p.class.isWorthKeeping() {
		return p
	}
	return l.Own(p, key)
}

// Of is the Past of a lock that nobody holds, a new one if nothing is known of it.
func (l *Ledger) Of(key []byte) *Past {
	p, ok := l.keys.Get(stringOf(key))
	if !ok {
		p = &Past{key: string(key), class: l.classOf(key)}
	}
	l.keep(p)
	return p
}

// Known is the Past of a lock, nil if nothing is known of it. Asking does not make it
// remembered for longer.
func (l *Ledger) Known(key []byte) *Past {
	p, _ := l.keys.Peek(stringOf(key))
	return p
}

// Likely is what is known of a lock that nobody holds or, if nothing is, of its class.
// Asking adds nothing that would have to be remembered.
func (l *Ledger) Likely(key []byte) *Past {
	if p := l.Known(key); p != nil {
		return p
	}
	var buf [256]byte
	name := stringOf(stats.AppendClass(buf[:0], key, l.shared.delimiter))
	if c, ok := l.classes.Peek(name); ok {
		return &c.unknown
	}
	law, _ := l.shared.laws.Peek(name) // from the locks of other Ledgers
	return &Past{class: &class{law: law}}
}

// Each visits the locks that are remembered, in no order. The Ledger may be changed meanwhile:
// a lock that is forgotten then may be visited or not.
func (l *Ledger) Each(visit func(*Past)) { l.byPlace.keys.each(visit) }

// Len is how many locks are remembered.
func (l *Ledger) Len() int { return l.keys.Len() }

// Totals are the counts of all locks, since the beginning or the latest ResetTotals.
func (l *Ledger) Totals() *stats.Counters { return &l.totals }

// ResetTotals sets Totals back to 0. What is known of locks and classes stays.
func (l *Ledger) ResetTotals() { l.totals = stats.Counters{} }

// Contended notes that somebody waits for the lock, and returns what is known of it since
// then: nil if the Past is not the lock's own.
func (l *Ledger) Contended(p *Past) *Contention {
	if p.IsShared() {
		return nil
	}
	if p.contention == nil {
		p.contention = new(Contention)
		p.HoldLaw, p.WaitLaw = new(stats.Histogram), new(stats.Histogram)
		l.weigh(p)
	}
	if p.class.law == nil {
		law, isNew := l.shared.lawOf(p.class.name)
		p.class.join(law)
		if isNew {
			l.grown = append(l.grown, p.class.name)
		}
	}
	return p.contention
}

// keep puts a Past back among those that are remembered, and its class; either may have been
// forgotten while the lock was held.
func (l *Ledger) keep(p *Past) {
	if !p.listed && !p.IsShared() {
		p.listed, p.at = true, l.byPlace.keys.add(p)
		l.weigh(p)
		l.keys.Remove(p.key) // another Past of the lock, if there is one, leaves its place
		l.keys.Add(p.key, p)
	}
	if p.class.listed {
		return
	}
	if c, ok := l.classes.Get(p.class.name); ok {
		p.class = c // it was forgotten and began anew meanwhile
		return
	}
	l.list(p.class)
}

// classOf is the class of a key, a new one if nothing is known of it.
func (l *Ledger) classOf(key []byte) *class {
	var buf [256]byte
	name := stats.AppendClass(buf[:0], key, l.shared.delimiter)
	if c := l.latest; c != nil && c.listed && c.name == stringOf(name) {
		return c // no need to make it the latest
	}
	if c, ok := l.classes.Get(stringOf(name)); ok {
		l.latest = c
		return c
	}
	c := newClass(string(name))
	if law, ok := l.shared.laws.Peek(c.name); ok {
		c.law = law
	} else {
		c.HoldLaw = new(stats.Histogram)
	}
	l.list(c)
	return c
}

func newClass(name string) *class {
	c := &class{name: name}
	c.unknown.class = c
	return c
}

// list puts a class among those that are remembered.
func (l *Ledger) list(c *class) {
	c.listed, c.at = true, l.byPlace.classes.add(c)
	c.metrics = l.metricsOf(c.name)
	l.classes.Add(c.name, c)
}

// stringOf views bytes as a string, for a call that neither keeps nor changes them.
// Converting would allocate on the hot path.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
