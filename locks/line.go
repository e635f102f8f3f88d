package locks

import (
	"slices"
	"time"

	"github.com/lockcached/lockcached/waitqueue"
)

// line is who wants one lock: those whose claims are queued, and those who were
// refused and are expected to ask again. It exists only while there are any.
type line struct {
	shard   *shard
	key     string
	queue   waitqueue.Queue[*Waiting]
	pollers map[*Session]*poller
	arrived uint64 // pollers ever
	// freeSince is when the lock became free although somebody polled for it; 0
	// while it is held.
	freeSince time.Duration
	// pruned is when the pollers were last looked through for those who gave up.
	pruned time.Duration
}

// poller is a waiter that is refused and comes back by itself.
type poller struct {
	since    time.Duration // its first refusal
	number   uint64        // tells apart those that were refused at the same time
	last     time.Duration // its latest
	interval time.Duration // the longest of its recent pauses
}

// A poller is taken to have given up when it has stayed away for patience times
// its longest recent pause: one that doubles its pauses comes back after twice
// the last one. The floor is for those that were refused but once and may sleep
// for seconds, the ceiling for those that sleep for minutes.
const (
	patience      = 3
	patienceFloor = 10 * time.Second
	patienceLimit = 10 * time.Minute
	pruneEvery    = time.Second
)

func (p *poller) gaveUp(now time.Duration) bool {
	return now-p.last > min(max(patience*p.interval, patienceFloor), patienceLimit)
}

// refused notes that the poller asked again. Its longest pause fades, so that
// one long absence does not count for ever.
func (p *poller) refused(now time.Duration) {
	pause := now - p.last
	p.interval = max(pause, p.interval-p.interval/8)
	p.last = now
}

// empty reports whether nobody waits any more.
func (l *line) empty() bool { return l.queue.Len() == 0 && len(l.pollers) == 0 }

// prune forgets the pollers that gave up. To keep a release cheap it looks
// through them once a second at most, unless forced.
func (l *line) prune(now time.Duration, force bool) {
	if !force && now-l.pruned < pruneEvery {
		return
	}
	l.pruned = now
	for s, p := range l.pollers {
		if p.gaveUp(now) {
			l.dropPoller(s)
		}
	}
}

func (l *line) dropPoller(s *Session) {
	if _, ok := l.pollers[s]; ok {
		delete(l.pollers, s)
		l.shard.polling--
		l.shard.m.waiters.Add(-1)
	}
}

// poll counts s as a poller, since its first refusal or, if it queued before,
// since it joined the line.
func (l *line) poll(s *Session, since, now time.Duration) {
	if p := l.pollers[s]; p != nil {
		p.refused(now)
		return
	}
	if l.pollers == nil {
		l.pollers = make(map[*Session]*poller)
	}
	l.arrived++
	l.pollers[s] = &poller{since: since, number: l.arrived, last: now}
	l.shard.polling++
	l.shard.m.addWaiter()
}

// waiters is how many wait.
func (l *line) waiters() int { return l.queue.Len() + len(l.pollers) }

// rank is how many wait ahead of s. Those that poll come after those that are
// queued, in the order of their first refusals; who does not wait would be last.
// It takes time linear in the number of pollers.
func (l *line) rank(s *Session) int {
	p := l.pollers[s]
	if p == nil {
		return l.waiters()
	}
	rank := l.queue.Len()
	for _, other := range l.pollers {
		if other.before(p) {
			rank++
		}
	}
	return rank
}

func (p *poller) before(q *poller) bool {
	if p.since != q.since {
		return p.since < q.since
	}
	return p.number < q.number
}

// place tells how many wait for the key of a claim, and how many of them are
// ahead of the claimant: none if it was granted.
func (sh *shard) place(c *Put, granted bool, now time.Duration) (waiters, rank int) {
	l := sh.lines[string(c.Key)]
	if l == nil {
		return 0, 0
	}
	l.prune(now, false)
	if !granted {
		rank = l.rank(c.Session)
	}
	waiters = l.waiters()
	sh.tidy(l)
	return waiters, rank
}

// Session is one client as far as it can be told from others: a connection. It
// is used by one goroutine.
type Session struct {
	// lines are those it may poll in, so that closing it finds them.
	lines []*line
}

// maxLines bounds the lines a session is remembered in: a connection that many
// clients share is counted as waiting for its latest locks only.
const maxLines = 64

// remember notes that s waits in l. If it waits in too many lines, it leaves the
// one that it joined first.
func (m *Manager) remember(s *Session, l *line) {
	for i, known := range s.lines {
		if known.key == l.key { // perhaps an earlier line for the same lock
			s.lines[i] = l
			return
		}
	}
	if len(s.lines) == maxLines {
		m.leave(s, s.lines[0])
		s.lines = slices.Delete(s.lines, 0, 1)
	}
	s.lines = append(s.lines, l)
}

// Close forgets what the session waits for as a poller.
func (m *Manager) Close(s *Session) {
	for _, l := range s.lines {
		m.leave(s, l)
	}
	s.lines = nil
}

func (m *Manager) leave(s *Session, l *line) {
	l.shard.mu.Lock()
	l.dropPoller(s)
	l.shard.tidy(l)
	l.shard.mu.Unlock()
}
