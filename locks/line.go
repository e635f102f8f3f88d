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
	patient int       // queued claims that may wait for more than a moment
	holder  *claimant // of the lock, while claims are queued that asked by name; guarded by Manager.waits
	pollers map[*Session]*poller
	// left are the places of pollers whose connection is closed, by what they
	// want to store: some clients connect anew for each try.
	left map[uint64]ticket
	// contention is the lock's, nil if it was never held while somebody waited.
	contention *contention
	arrived    uint64 // pollers ever
	// freeSince is when the lock became free although somebody polled for it; 0
	// while it is held.
	freeSince time.Duration
	// pruned is when the pollers were last looked through for those who gave up.
	pruned time.Duration
}

// ticket is the place in line of somebody who has gone and may come back.
type ticket struct{ since, gone time.Duration }

// poller is a waiter that is refused and comes back by itself.
type poller struct {
	value    uint64        // tells it from others, whatever the connection; 0 if not
	at       time.Duration // when it was told to come back; 0 if it was not
	owed     int           // refusals for which it has not asked for advice
	since    time.Duration // its first refusal
	number   uint64        // tells apart those that were refused at the same time
	last     time.Duration // its latest
	interval time.Duration // the longest of its recent pauses
	goesOn   bool          // it has waited in line, and said that it will wait on
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
	p.owed = min(p.owed+1, maxOwed)
	pause := now - p.last
	p.interval = max(pause, p.interval-p.interval/8)
	p.last = now
}

// maxOwed bounds how many times in a row a poller gets new advice. A connection may
// stand for several waiters that share it, each of whom asks.
const maxOwed = 16

// promised notes when the poller was told to come back.
func (p *poller) promised(at time.Duration) {
	p.at, p.owed = at, max(0, p.owed-1)
}

// empty reports whether nobody waits any more, nor has a place that is kept.
func (l *line) empty() bool { return l.waiters() == 0 && len(l.left) == 0 }

// prune forgets the pollers that gave up. To keep a release cheap it looks
// through them once a second at most, unless forced.
func (l *line) prune(now time.Duration, force bool) {
	if !force && now-l.pruned < pruneEvery {
		return
	}
	l.pruned = now
	for s, p := range l.pollers {
		if p.gaveUp(now) {
			if p.goesOn {
				l.shard.waitedInVain(bytesOf(l.key), l.shard.itemOf(l.key))
			}
			l.dropPoller(s)
		}
	}
	for value, was := range l.left {
		if now-was.gone > patienceFloor {
			delete(l.left, value)
		}
	}
}

func (l *line) dropPoller(s *Session) {
	if p, ok := l.pollers[s]; ok {
		delete(l.pollers, s)
		l.shard.polling--
		l.shard.m.waiters.Add(-1)
		l.returned(p, l.shard.m.now())
	}
}

// returned takes back what the poller was told: it is here, or has gone.
func (l *line) returned(p *poller, now time.Duration) {
	if p.at != 0 && l.contention != nil {
		l.contention.kept(!p.gaveUp(now))
		l.contention.promises.Cancel(p.at)
	}
	p.at = 0
}

// poll counts s as a poller, since its first refusal or, if it queued before,
// since it joined the line. If value is not 0 it tells waiters apart better than
// their connections do. Where too many wait already it is not remembered: nil.
func (l *line) poll(s *Session, value uint64, since, now time.Duration) *poller {
	if p := l.known(s, value); p != nil {
		p.refused(now)
		l.returned(p, now)
		return p
	}
	if l.shard.m.crowded() {
		return nil
	}
	if l.pollers == nil {
		l.pollers = make(map[*Session]*poller)
	}
	l.arrived++
	p := &poller{value: value, owed: 1, since: l.resume(value, since), number: l.arrived, last: now}
	l.pollers[s] = p
	l.shard.polling++
	l.shard.m.addWaiter()
	return p
}

// resume is since when somebody waits who may have kept a place when it left. It
// takes the place, if so.
func (l *line) resume(value uint64, since time.Duration) time.Duration {
	if before, ok := l.left[value]; ok {
		since = before.since
		delete(l.left, value)
	}
	return since
}

// since is since when s waits, which polls no more: from now on, unless it has kept its
// place.
func (l *line) since(s *Session, value uint64, now time.Duration) time.Duration {
	p := l.known(s, value)
	if p == nil {
		return l.resume(value, now)
	}
	l.dropPoller(s)
	return p.since
}

// known finds the poller that s is: perhaps one that comes back on another connection
// while the first is still open. Among very many that is not looked for.
func (l *line) known(s *Session, value uint64) *poller {
	if p := l.pollers[s]; p != nil {
		return p
	}
	if value == 0 || len(l.pollers) > maxLeft {
		return nil
	}
	for old, p := range l.pollers {
		if p.value == value {
			delete(l.pollers, old)
			l.pollers[s] = p
			return p
		}
	}
	return nil
}

// maxLeft bounds the places that are kept for those whose connection is closed.
const maxLeft = 1024

// leave takes a poller out of line whose connection is closed. It may come back on
// another one.
func (l *line) leave(s *Session, now time.Duration) {
	p := l.pollers[s]
	if p == nil {
		return
	}
	l.dropPoller(s)
	if p.value == 0 || len(l.left) >= maxLeft {
		return
	}
	if l.left == nil {
		l.left = make(map[uint64]ticket)
	}
	l.left[p.value] = ticket{p.since, now}
}

// overtakes reports whether everybody who is queued came after s, which polls: those
// who are queued are served first, and it might never find the lock free.
func (l *line) overtakes(s *Session) bool {
	first, p := l.queue.First(), l.pollers[s]
	return first != nil && p != nil && first.X.since > p.since
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
// ahead of the claimant: none if it was granted. If not, it tells when to ask again
// should the client come then.
func (sh *shard) place(c *Put, granted bool, now time.Duration) (p Place) {
	l := sh.lines[string(c.Key)]
	if l == nil {
		return p
	}
	if c.WithRetry && !granted {
		if it := sh.table.Find(c.hash, c.Key); it == nil {
			p.Retry = sh.retryClosed(c.Key, now)
		} else if held(it) {
			p.Retry = sh.retry(it, c.Session, now, true)
		}
	}
	l.prune(now, false)
	if !granted {
		p.Rank = int32(l.rank(c.Session))
	}
	p.Waiters = int32(l.waiters())
	sh.tidy(l)
	return p
}

// Session is one client as far as it can be told from others: a connection. It
// is used by one goroutine.
type Session struct {
	// lines are those it may poll in, so that closing it finds them.
	lines []*line
	// overtaken is the hash of the latest key for which it polls in vain while
	// others, who came later, are queued.
	overtaken uint64
	self      *claimant // made when it is needed
}

// Overtaken reports whether the session polls for a lock while all that are queued
// for it came later. Those are served first, so that the session may never find
// the lock free: its next claim should wait for a moment, with IfOvertaken. In line
// it stands where it came.
func (s *Session) Overtaken() bool { return s.overtaken != 0 }

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
	l.leave(s, m.now())
	l.shard.tidy(l)
	l.shard.mu.Unlock()
}
