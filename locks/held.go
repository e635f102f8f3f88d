package locks

import (
	"cmp"
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
	list := shortlist{size: n, bar: candidate{waiters: -1}, pattern: pattern}
	for _, sh := range m.shards {
		sh.mu.Lock()
		sh.propose(&list)
		sh.mu.Unlock()
	}
	all := make([]NamedLock, 0, min(n, len(list.best)))
	for _, c := range list.cut() {
		key := bytesOf(c.key)
		sh, hash := m.shardOf(key)
		sh.mu.Lock()
		if !m.owns(key) {
			sh.mu.Unlock()
			continue
		}
		sh.forgetAll()
		now := sh.now(nil)
		l := sh.present(key, sh.find(hash, key, now), nil, now)
		sh.unlock()
		if l.Held || l.Waiters() > 0 || l.Delay > 0 {
			all = append(all, NamedLock{c.key, l})
		}
	}
	slices.SortFunc(all, func(a, b NamedLock) int {
		return cmp.Or(cmp.Compare(b.Waiters(), a.Waiters()), cmp.Compare(b.Age, a.Age), cmp.Compare(a.Name, b.Name))
	})
	return all
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

// A shortlist keeps the best candidates, up to twice as many as are asked for.
type shortlist struct {
	size    int
	best    []candidate
	bar     candidate // a candidate that is not better is left out
	pattern *Pattern  // of the keys; nil for all
}

// add takes a candidate whose key is only good until add returns.
func (s *shortlist) add(key []byte, waiters int, since time.Duration) {
	c := candidate{waiters: waiters, since: since}
	if s.bar.waiters >= 0 && c.compare(s.bar) >= 0 {
		return
	}
	if s.pattern != nil && !s.pattern.Match(key) {
		return
	}
	c.key = string(key)
	if s.best = append(s.best, c); len(s.best) >= 2*s.size {
		s.best = s.cut()
	}
}

// cut drops all but the best, and returns them. A lock that was proposed twice, because
// its hold ended meanwhile, counts once.
func (s *shortlist) cut() []candidate {
	slices.SortStableFunc(s.best, candidate.compare)
	known := make(map[string]bool, len(s.best))
	s.best = slices.DeleteFunc(s.best, func(c candidate) bool {
		twice := known[c.key]
		known[c.key] = true
		return twice
	})
	if len(s.best) >= s.size {
		s.best = s.best[:s.size]
		s.bar = s.best[s.size-1]
	}
	return s.best
}

// propose adds the shard's locks, and unlocks it in between. Those that are held come
// first: a lock may become free between the two passes, but not held without being seen.
func (sh *shard) propose(list *shortlist) {
	sh.eachPiece(func(it *item) { proposeHeld(list, it) })
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

func proposeHeld(list *shortlist, it *item) {
	if !held(it) {
		return
	}
	waiters := 0
	if l := it.Attached.line; l != nil {
		waiters = l.Waiters()
	}
	list.add(it.Key(), waiters, it.Attached.since)
}
