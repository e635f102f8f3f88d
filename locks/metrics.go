package locks

import (
	"cmp"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/lockcached/lockcached/stats"
)

// OtherClasses is the name under which Metrics sums up the classes that have no
// name of their own in it. A class that is really called so is among them.
const OtherClasses = "other"

// ClassMetrics is what monitoring is told of a class. Counters and durations are
// since the start of the Manager and never go back, whatever "stats reset" and
// the bounds on statistics forget; the rest is of now.
type ClassMetrics struct {
	Name string
	stats.Counters
	Hold stats.Tally // from grant to release; without holds that expired
	Wait stats.Tally // of grants that waited
	Gap  stats.Tally // how long locks were free although somebody waited

	Held, Queued, Polling int
	Oldest                time.Duration // age of the longest present hold
}

// add sums up; nobody's name changes.
func (c *ClassMetrics) add(o *ClassMetrics) {
	c.Counters.Merge(&o.Counters)
	c.Hold.Merge(&o.Hold)
	c.Wait.Merge(&o.Wait)
	c.Gap.Merge(&o.Gap)
	c.Held += o.Held
	c.Queued += o.Queued
	c.Polling += o.Polling
	c.Oldest = max(c.Oldest, o.Oldest)
}

// classMetrics is the same for the locks of one shard. Classes without a name
// share one.
type classMetrics struct {
	ClassMetrics
	into *classMetrics // where its class counts since it lost its name
}

// tallied is where the class counts for Metrics.
func (cs *classStats) tallied() *classMetrics {
	if cs.metrics.into != nil {
		cs.metrics = cs.metrics.into
	}
	return cs.metrics
}

// metricsOf is where a class of that name counts: by itself if Metrics tells it
// apart from others.
func (sh *shard) metricsOf(name string) *classMetrics {
	if c := sh.named[name]; c != nil {
		return c
	}
	if !sh.m.names.claim(name) {
		return &sh.others
	}
	c := new(classMetrics)
	sh.named[name] = c
	return c
}

// classNames are the classes that Metrics tells apart, with how busy each was
// when it last looked. A class gets a name when it is first seen, as long as there
// are any; afterwards only one that is far busier takes a name away from another.
//
// A class counts under its name from the moment that it has one; what it did
// before stays among the others. One that loses its name adds what it counted to
// the others. So no sum ever goes back, and all of them together are the total.
type classNames struct {
	limit int

	looking sync.Mutex // held by Metrics, before any shard's

	mu   sync.Mutex // guards what follows; the last to be locked
	busy map[string]uint64
}

// farBusier is how many times as busy a class must be to take away a name: each
// exchange adds a step to the others' sum, and must not happen again and again.
const farBusier = 2

// claim reports whether the class has a name, or got one of those that are left.
func (n *classNames) claim(class string) bool {
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

// nameable refuses what the others are called, and bytes that are no text: they
// would have to be changed, and could then be mistaken for another class.
func nameable(class string) bool { return class != OtherClasses && utf8.ValidString(class) }

// exchange gives the names of the least busy classes to those that are far
// busier, and returns who lost and who got one.
func (n *classNames) exchange(busy map[string]uint64) (lost, got []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.busy) < n.limit {
		return nil, nil
	}
	var without []string
	for class, now := range busy {
		if before, ok := n.busy[class]; ok {
			n.busy[class] = max(before, now) // all shards may have forgotten it
		} else if nameable(class) {
			without = append(without, class)
		}
	}
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

// Metrics returns the busiest classes by name, as many as Config.NamedClasses
// says, and after them what all others did. It takes time linear in the number of
// locks that are held or waited for, but keeps no shard locked for long.
func (m *Manager) Metrics() []ClassMetrics {
	m.names.looking.Lock()
	defer m.names.looking.Unlock()
	m.exchangeNames()
	byName := make(map[string]*ClassMetrics)
	others := ClassMetrics{Name: OtherClasses}
	for _, sh := range m.shards {
		sh.survey()
		sh.mu.Lock()
		for name, c := range sh.named {
			if byName[name] == nil {
				byName[name] = &ClassMetrics{Name: name}
			}
			byName[name].add(&c.ClassMetrics)
		}
		others.add(&sh.others.ClassMetrics)
		sh.mu.Unlock()
	}
	all := make([]ClassMetrics, 0, len(byName)+1)
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		all = append(all, *byName[name])
	}
	return append(all, others)
}

// exchangeNames lets busy classes take the place of idle ones.
func (m *Manager) exchangeNames() {
	busy := make(map[string]uint64)
	for _, sh := range m.shards {
		sh.mu.Lock()
		for _, cs := range sh.classes.Values() {
			busy[cs.name] += cs.Acquired + cs.Refused
		}
		sh.mu.Unlock()
	}
	lost, got := m.names.exchange(busy)
	if len(got) == 0 {
		return
	}
	for _, sh := range m.shards {
		sh.mu.Lock()
		for _, name := range lost {
			sh.unname(name)
		}
		for _, name := range got {
			if cs, ok := sh.classes.Peek(name); ok {
				cs.metrics = sh.metricsOf(name)
			}
		}
		sh.mu.Unlock()
	}
}

// unname counts a class among the others from now on.
func (sh *shard) unname(name string) {
	c := sh.named[name]
	if c == nil {
		return
	}
	delete(sh.named, name)
	sh.others.add(&c.ClassMetrics)
	*c = classMetrics{into: &sh.others}
}

// stride is how many lines, or buckets of the table, are looked at while the shard
// is locked.
const stride = 128

// survey finds out what is held and waited for now.
func (sh *shard) survey() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.forgetAll()
	sh.eachMetrics(func(c *classMetrics) { c.Queued, c.Polling = 0, 0 })
	sh.eachLine(sh.countWaiters)
	sh.eachMetrics(func(c *classMetrics) { c.Held, c.Oldest = 0, 0 })
	sh.eachPiece(sh.countHold)
}

// eachPiece visits all items, and unlocks the shard in between.
func (sh *shard) eachPiece(visit func(*item)) {
	cursor := sh.table.Scan(0, stride, visit)
	for cursor != 0 {
		sh.yield()
		cursor = sh.table.Scan(cursor, stride, visit)
	}
}

// eachLine visits all lines, and unlocks the shard in between. What begins or ends
// meanwhile may be left out: a map allows that while it is ranged over.
func (sh *shard) eachLine(visit func(*line)) { eachPart(sh, sh.lines, visit) }

// eachPart visits what the shard has of something, and unlocks the shard in between.
// What comes or goes meanwhile may be visited or not.
func eachPart[V any](sh *shard, all map[string]V, visit func(V)) {
	n := 0
	for _, v := range all {
		visit(v)
		if n++; n%stride == 0 {
			sh.yield()
		}
	}
}

// yield gives whoever waits for the shard a turn. A mutex alone would mostly be
// locked again before somebody who was woken gets there.
func (sh *shard) yield() {
	sh.mu.Unlock()
	runtime.Gosched()
	sh.mu.Lock()
}

// eachMetrics visits all that classes of the shard count in.
func (sh *shard) eachMetrics(visit func(*classMetrics)) {
	for _, c := range sh.named {
		visit(c)
	}
	visit(&sh.others)
}

// countWaiters counts who waits in a line.
func (sh *shard) countWaiters(l *line) {
	var buf [256]byte
	name := stats.AppendClass(buf[:0], bytesOf(l.key), sh.m.config.ClassDelimiter)
	c := sh.named[string(name)]
	if c == nil {
		c = &sh.others
	}
	c.Queued += l.Queue.Len()
	c.Polling += l.Polling()
}

// countHold counts an item if it is a held lock.
func (sh *shard) countHold(it *item) {
	if held(it) {
		c := it.Attached.stats.class.tallied()
		c.Held++
		c.Oldest = max(c.Oldest, sh.m.now()-it.Attached.since)
	}
}
