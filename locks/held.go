package locks

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
	"time"
)

// NamedLock is a lock by name.
type NamedLock struct {
	Name string
	Lock
}

// Held returns, without their past, the first n locks of those that are held, waited for,
// or closed by their lock-delay: those with the most waiters first, then the oldest
// holds. A pattern that is not nil leaves out all other keys. Held visits all locks, but
// keeps no shard locked for long and remembers at most 2n of them. A lock that is granted
// or released meanwhile may be missing.
func (m *Manager) Held(n int, pattern *Pattern) []NamedLock {
	var matches func(key []byte) bool
	if pattern != nil {
		matches = pattern.Match
	}
	best := m.best(n, matches)
	all := make([]NamedLock, 0, len(best)) // it must not grow while a shard is locked
	m.eachOf(best, func(_ *shard, _ *item, l *NamedLock, _ time.Duration) { all = append(all, *l) })
	slices.SortFunc(all, func(a, b NamedLock) int { return a.compare(&b) })
	return all
}

// WantedLock is a lock that is held, waited for or closed, with what is usual for it.
type WantedLock struct {
	NamedLock
	Usual
}

// Wanted is Held for the locks whose keys match, with what is usual for each; if matches is nil, all
// do. matches is called with a shard locked.
func (m *Manager) Wanted(n int, matches func(key []byte) bool) []WantedLock {
	best := m.best(n, matches)
	all := make([]WantedLock, 0, len(best))
	m.eachOf(best, func(sh *shard, it *item, l *NamedLock, now time.Duration) {
		past := sh.ledger.Likely(bytesOf(l.Name))
		if it != nil && held(it) {
			past = it.Attached.past
		}
		all = append(all, WantedLock{*l, usual(past, l.Age)})
	})
	slices.SortFunc(all, func(a, b WantedLock) int { return a.compare(&b.NamedLock) })
	return all
}

func (l *NamedLock) compare(o *NamedLock) int {
	return cmp.Or(cmp.Compare(o.Waiters(), l.Waiters()), cmp.Compare(o.Age, l.Age), cmp.Compare(l.Name, o.Name))
}

// best returns the first n locks of those that match.
func (m *Manager) best(n int, matches func(key []byte) bool) []candidate {
	list := shortlist{size: n, matches: matches}
	for _, sh := range m.shards {
		sh.mu.Lock()
		sh.propose(&list)
		sh.mu.Unlock()
	}
	return list.cut()
}

// eachOf visits those that are still held, waited for or closed, each with its shard locked. The item
// is nil if nobody holds the lock.
func (m *Manager) eachOf(best []candidate, visit func(*shard, *item, *NamedLock, time.Duration)) {
	for _, c := range best {
		key := bytesOf(c.key)
		sh, hash := m.shardOf(key)
		sh.mu.Lock()
		if !m.owns(key) {
			sh.mu.Unlock()
			continue
		}
		sh.forgetAll()
		now := sh.now(nil)
		it := sh.find(hash, key, now)
		l := NamedLock{c.key, sh.present(key, it, nil, now)}
		if l.Held || l.Waiters() > 0 || l.Delay > 0 {
			visit(sh, it, &l, now)
		}
		sh.unlock()
	}
}

// A candidate is a lock that Held may return.
type candidate struct {
	key     string
	waiters int
	since   time.Duration // the grant; after all others' if it is not held
}

func (c candidate) compare(o candidate) int {
	return cmp.Or(cmp.Compare(o.waiters, c.waiters), cmp.Compare(c.since, o.since))
}

// A shortlist keeps the best candidates, twice as many as are asked for: a lock may be
// proposed twice, because its hold ended meanwhile.
type shortlist struct {
	size    int
	best    candidates
	matches func(key []byte) bool // nil for all keys
}

// candidates are a heap for container/heap, with the worst first.
type candidates []candidate

func (c candidates) Len() int           { return len(c) }
func (c candidates) Less(i, j int) bool { return c[i].compare(c[j]) > 0 }
func (c candidates) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *candidates) Push(x any)        { *c = append(*c, x.(candidate)) }
func (c *candidates) Pop() any          { panic("the heap only grows, or replaces its worst") }

// add takes a candidate whose key is only good until add returns.
func (s *shortlist) add(key []byte, waiters int, since time.Duration) {
	c := candidate{waiters: waiters, since: since}
	full := len(s.best) >= 2*s.size
	if full && c.compare(s.best[0]) >= 0 {
		return
	}
	if s.matches != nil && !s.matches(key) {
		return
	}
	c.key = string(key)
	if full {
		s.best[0] = c
		heap.Fix(&s.best, 0)
	} else {
		heap.Push(&s.best, c)
	}
}

// cut returns the best, in their order.
func (s *shortlist) cut() []candidate {
	slices.SortFunc(s.best, candidate.compare)
	known := make(map[string]bool, len(s.best))
	best := slices.DeleteFunc(s.best, func(c candidate) bool {
		twice := known[c.key]
		known[c.key] = true
		return twice
	})
	return best[:min(s.size, len(best))]
}

// propose adds the shard's locks, and unlocks it in between. Those that are held come
// first: a lock may become free between the two passes, but not held without being seen.
func (sh *shard) propose(list *shortlist) {
	sh.eachPiece(func(it *item) { sh.proposeHeld(list, it) })
	sh.yield()
	sh.eachLine(func(l *line) {
		if n := l.Waiters(); n > 0 {
			list.add(bytesOf(l.key), n, math.MaxInt64)
		}
	})
	eachPart(sh, sh.closed, func(c *closedLock) {
		if c.until > sh.m.settled {
			list.add(bytesOf(c.key), 0, math.MaxInt64)
		}
	})
}

func (sh *shard) proposeHeld(list *shortlist, it *item) {
	if !held(it) {
		return
	}
	waiters := 0
	if l := sh.lineFor(it); l != nil {
		waiters = l.Waiters()
	}
	list.add(it.Key(), waiters, it.Attached.since)
}
