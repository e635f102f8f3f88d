package ledger

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/lockcached/lockcached/stats"
	"github.com/lockcached/lockcached/stats/fills"
)

// OtherClasses is the name under which ClassMetrics sum up the classes that have no name of
// their own. A class that is really called that is among them.
const OtherClasses = "other"

// ClassMetrics is what monitoring is told about a class of locks, or of other keys. Counters and durations never go
// back, whatever "stats reset" and the bounds on statistics forget; the others are
// of the present.
type ClassMetrics struct {
	Name string
	stats.Counters
	Hold stats.Tally // from grant to release; without holds that expired
	Wait stats.Tally // of grants that waited
	Gap  stats.Tally // how long locks were free although somebody waited

	Held, Queued, Polling int
	Oldest                time.Duration // age of the longest present hold

	Fills    fills.Counters
	Fill     stats.Tally // from a get that was told a miss to the store
	HeldGets int         // now
}

// Add adds the numbers of o; the name stays.
func (c *ClassMetrics) Add(o *ClassMetrics) {
	c.Counters.Merge(&o.Counters)
	c.Hold.Merge(&o.Hold)
	c.Wait.Merge(&o.Wait)
	c.Gap.Merge(&o.Gap)
	c.Held += o.Held
	c.Queued += o.Queued
	c.Polling += o.Polling
	c.Oldest = max(c.Oldest, o.Oldest)
	c.Fills.Merge(&o.Fills)
	c.Fill.Merge(&o.Fill)
	c.HeldGets += o.HeldGets
}

// metrics is the same for the locks of one Ledger. Classes without a name share one.
type metrics struct {
	ClassMetrics
	into *metrics // where its class counts since it lost its name
}

// metricsOf is where a class of that name counts: separately if it has a name.
func (l *Ledger) metricsOf(name string) *metrics {
	if c := l.named[name]; c != nil {
		return c
	}
	if !l.shared.names.claim(name) {
		return &l.others
	}
	c := new(metrics)
	l.named[name] = c
	return c
}

// Metrics visits the ClassMetrics of the classes that have a name, and of all others as
// OtherClasses. The caller counts there what is held and waited for now. The Ledger may be
// changed meanwhile; a class that gets its name then may be left out.
func (l *Ledger) Metrics(visit func(name string, c *ClassMetrics)) {
	for name, c := range l.named {
		visit(name, &c.ClassMetrics)
	}
	visit(OtherClasses, &l.others.ClassMetrics)
}

// MetricsOf returns the ClassMetrics in which the lock of a key counts.
func (l *Ledger) MetricsOf(key []byte) *ClassMetrics {
	var buf [256]byte
	if c := l.named[string(stats.AppendClass(buf[:0], key, l.shared.delimiter))]; c != nil {
		return &c.ClassMetrics
	}
	return &l.others.ClassMetrics
}

// MetricsOfClass returns the ClassMetrics in which a class counts whose locks, if it has any,
// the Ledger need not remember. The class gets a name if there are any left.
func (l *Ledger) MetricsOfClass(name string) *ClassMetrics { return &l.metricsOf(name).ClassMetrics }

// Metrics returns the ClassMetrics in which the lock counts.
func (p *Past) Metrics() *ClassMetrics { return &p.class.tallied().ClassMetrics }

// Rename lets the classes that lost their name count among the others from now on, and
// those that got one count separately.
func (l *Ledger) Rename(lost, got []string) {
	for _, name := range lost {
		if c := l.named[name]; c != nil {
			delete(l.named, name)
			l.others.Add(&c.ClassMetrics)
			*c = metrics{into: &l.others}
		}
	}
	for _, name := range got {
		if c, ok := l.classes.Peek(name); ok {
			c.metrics = l.metricsOf(name)
		}
	}
}

// names are the classes that ClassMetrics tell apart, with how busy each was when last
// checked. A class gets a name when it is first seen, as long as there are any left;
// afterwards only one that is far busier takes a name away from another.
//
// A class counts under its name from the moment it has one; what it counted before stays
// among the others. A class that loses its name adds its counts to the others. So no sum
// ever goes back, and all of them together are the total.
type names struct {
	limit int

	mu   sync.Mutex // guards busy
	busy map[string]uint64
}

// farBusier is how many times as busy a class must be to take away a name: each exchange
// adds a step to the others' sum, so exchanges have to be rare.
const farBusier = 2

// claim reports whether the class has a name, or just got one of those that are left.
func (n *names) claim(class string) bool {
	if n.limit == 0 {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.busy[class]; ok {
		return true
	}
	if len(n.busy) >= n.limit || !nameable(class) {
		return false
	}
	n.busy[class] = 0
	return true
}

// nameable refuses the name of the others, and bytes that are not text: they would have to
// be changed, and could then be mistaken for another class.
func nameable(class string) bool { return class != OtherClasses && utf8.ValidString(class) }

// Exchange gives the names of the least busy classes to those that are far busier, and
// returns the classes that lost and got one: see Ledger.Rename.
func (s *Shared) Exchange(busy map[string]uint64) (lost, got []string) {
	n := &s.names
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.busy) < n.limit {
		return nil, nil
	}
	without := n.update(busy)
	slices.SortFunc(without, func(a, b string) int { return cmp.Compare(busy[b], busy[a]) })
	with := slices.Collect(maps.Keys(n.busy))
	slices.SortFunc(with, func(a, b string) int { return cmp.Compare(n.busy[a], n.busy[b]) })
	for i := range min(len(with), len(without)) {
		if busy[without[i]] <= farBusier*n.busy[with[i]] {
			break
		}
		lost, got = append(lost, with[i]), append(got, without[i])
	}
	for i := range got {
		delete(n.busy, lost[i])
		n.busy[got[i]] = busy[got[i]]
	}
	return lost, got
}

// update records how busy the classes with a name are, and returns those that have no name
// and could have one.
func (n *names) update(busy map[string]uint64) (without []string) {
	for class, now := range busy {
		if before, ok := n.busy[class]; ok {
			n.busy[class] = max(before, now) // all Ledgers may have forgotten it
		} else if nameable(class) {
			without = append(without, class)
		}
	}
	return without
}
