package locks

import (
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
	// freeSince is when the lock became free although somebody polled for it; 0
	// while it is held.
	freeSince time.Duration
	// pruned is when the pollers were last looked through for those who gave up.
	pruned time.Duration
}

// poller is a waiter that is refused and comes back by itself.
type poller struct {
	since    time.Duration // its first refusal
	last     time.Duration // its latest
	interval time.Duration // the longest of its recent pauses
}

// A poller is taken to have given up when it has stayed away for patience times
// its longest recent pause: one that doubles its pauses comes back after twice
// the last one. The floor is for those that were refused but once, the ceiling
// for those that sleep for minutes.
const (
	patience      = 3
	patienceFloor = 2 * time.Second
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
	l.pollers[s] = &poller{since: since, last: now}
	l.shard.polling++
	l.shard.m.addWaiter()
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

// joined notes that s waits in l, and returns the line to leave for it, if any.
func (s *Session) joined(l *line) (leave *line) {
	for i := len(s.lines) - 1; i >= 0; i-- {
		if s.lines[i] == l {
			return nil
		}
	}
	if len(s.lines) == maxLines {
		leave = s.lines[0]
		s.lines = append(s.lines[:0], s.lines[1:]...)
	}
	s.lines = append(s.lines, l)
	return leave
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
