package locks

import (
	"maps"
	"runtime"
	"slices"

	"github.com/lockcached/lockcached/stats"
	"github.com/lockcached/lockcached/stats/ledger"
)

// ClassMetrics are the numbers of a class for monitoring.
type ClassMetrics = ledger.ClassMetrics

// OtherClasses is the name under which Metrics sums up the classes that have no name of
// their own in it.
const OtherClasses = ledger.OtherClasses

// Metrics returns the busiest classes by name, as many as Config.NamedClasses
// says, and after them the sum of all others. It takes time linear in the number of locks
// that are held or waited for, but keeps no shard locked for long.
func (m *Manager) Metrics() []ClassMetrics {
	m.scrape.Lock()
	defer m.scrape.Unlock()
	m.exchangeNames()
	byName := make(map[string]*ClassMetrics)
	for _, sh := range m.shards {
		sh.mu.Lock()
		sh.survey()
		n := 0
		sh.ledger.Metrics(func(name string, c *ClassMetrics) {
			if byName[name] == nil {
				byName[name] = &ClassMetrics{Name: name}
			}
			byName[name].Add(c)
			n = sh.yieldAfter(n)
		})
		sh.mu.Unlock()
	}
	others := *byName[OtherClasses]
	delete(byName, OtherClasses)
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
		sh.eachClass(func(name string, r *stats.Record) {
			busy[name] += r.Count(stats.Acquired) + r.Count(stats.Refused)
		})
		sh.mu.Unlock()
	}
	if known := m.config().fills; known != nil {
		known.EachClass(func(name string, fills uint64) { busy[name] += fills })
	}
	lost, got := m.books.Exchange(busy)
	if len(got) == 0 {
		return
	}
	for _, sh := range m.shards {
		sh.mu.Lock()
		sh.ledger.Rename(lost, got)
		sh.mu.Unlock()
	}
}

// gather brings together what all shards know of classes whose locks have become
// contended. The caller does not wait for that.
func (m *Manager) gather(classes []string) {
	if len(classes) == 0 {
		return
	}
	go func() {
		for _, sh := range m.shards {
			sh.mu.Lock()
			for _, class := range classes {
				sh.ledger.Gather(class)
			}
			sh.mu.Unlock()
		}
	}()
}

// stride is about how many lines, classes or items of the table are visited while the shard is
// locked: a few dozen microseconds where none is in the processor's cache.
const stride = 32

// survey counts what is held and waited for now. It unlocks the shard in between.
func (sh *shard) survey() {
	sh.forgetAll()
	sh.ledger.Metrics(func(_ string, c *ClassMetrics) { c.Queued, c.Polling = 0, 0 })
	sh.eachLine(sh.countWaiters)
	if sh.fillings != nil {
		sh.ledger.Metrics(func(_ string, c *ClassMetrics) { c.HeldGets = 0 })
		eachPart(sh, sh.fillings.byKey, sh.countHeld)
	}
	sh.ledger.Metrics(func(_ string, c *ClassMetrics) { c.Held, c.Oldest = 0, 0 })
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

// eachLine visits all lines, and unlocks the shard in between. A line that begins or ends
// meanwhile may be left out: a map may change while one ranges over it.
func (sh *shard) eachLine(visit func(*line)) { eachPart(sh, sh.lines, visit) }

// eachPart visits the values of one of the shard's maps, and unlocks the shard in
// between. An entry that comes or goes meanwhile may be visited or not.
func eachPart[V any](sh *shard, all map[string]V, visit func(V)) {
	n := 0
	for _, v := range all {
		visit(v)
		n = sh.yieldAfter(n)
	}
}

// eachClass visits the classes that the shard remembers, and unlocks it in between. A class
// that is forgotten meanwhile is still visited.
func (sh *shard) eachClass(visit func(name string, r *stats.Record)) {
	n := 0
	sh.ledger.EachClass(func(name string, r *stats.Record) {
		visit(name, r)
		n = sh.yieldAfter(n)
	})
}

// yieldAfter counts the visits, n so far, and yields after each stride of them.
func (sh *shard) yieldAfter(n int) int {
	if n++; n%stride == 0 {
		sh.yield()
	}
	return n
}

// yield unlocks the shard for a moment, so that others can lock it. Without Gosched it
// would mostly be locked again before a goroutine that was woken can take it.
func (sh *shard) yield() {
	sh.mu.Unlock()
	runtime.Gosched()
	sh.mu.Lock()
}

// countWaiters counts the waiters of a line.
func (sh *shard) countWaiters(l *line) {
	c := sh.ledger.MetricsOf(bytesOf(l.key))
	c.Queued += l.Queue.Len()
	c.Polling += l.Polling()
}

// countHold counts an item if it is a held lock.
func (sh *shard) countHold(it *item) {
	if held(it) {
		c := it.Attached.past.Metrics()
		c.Held++
		c.Oldest = max(c.Oldest, sh.now(nil)-it.Attached.since)
	}
}
