package locks

import (
	"slices"
	"time"
	"unsafe"

	"github.com/lockcached/lockcached/stats/ledger"
	"github.com/lockcached/lockcached/waitqueue"
)

// line is the waiters for one lock: the queued claims, and the pollers, which were
// refused and are expected to ask again. It exists only while there are any.
type line struct {
	waitqueue.Line[*Session, *Waiting]
	shard   *shard
	key     string
	number  uint32    // in shard.numbers
	patient int32     // queued claims that may wait for more than a moment
	holder  *claimant // of the lock, while claims that asked by name are queued; guarded by Manager.waits
	// contention is the lock's, nil if it was never held while somebody waited.
	contention *ledger.Contention
	// freeSince is when the lock became free although somebody polled for it; 0
	// while it is held.
	freeSince time.Duration
	counted   int64 // its size, in bytes, as counted in shard.lineBytes
}

// size is the memory of the line, in bytes, without the queued claims.
func (l *line) size() int64 {
	entries := int64(l.Polling()+l.Kept()) * heapEntryBytes // in shard.expected
	return int64(unsafe.Sizeof(*l)) + keySize(l.key) + mapEntryBytes + lineNumberBytes + l.Bytes() + entries
}

// weigh brings shard.lineBytes up to date after a change of the line.
func (sh *shard) weigh(l *line) {
	size := l.size()
	sh.lineBytes += size - l.counted
	l.counted = size
	sh.settle(settleStep)
}

// poller is a waiter that is refused and comes back by itself.
type poller = waitqueue.Poller[*Session]

// expected is a poller, or a kept place, of a client that is expected to come back.
type expected struct {
	*poller
	line *line
}

// poll counts s as a poller that was refused now. If it was queued until now, at is its
// place in the queue; otherwise at is zero, and it stands where it was first refused. A
// value that is not 0 identifies it when it comes back on another connection. If too many
// clients wait already, or memory is full of what cannot be evicted, poll remembers
// nothing and returns nil.
func (sh *shard) poll(l *line, s *Session, value uint64, at waitqueue.Place, now time.Duration) *poller {
	if p := l.Poller(s); p != nil {
		sh.pollAgain(l, p, now)
		return p
	}
	if sh.m.crowded() {
		return nil
	}
	if at.IsZero() { // one that was queued takes no more than before
		if !sh.evict(pollerBytes, nil) {
			return nil
		}
		at = sh.placeFor(l, s, value, now)
	}
	p := l.Poll(s, value, at, now)
	sh.weigh(l)
	sh.expected.Push(expected{p, l}, p.Until())
	sh.m.dueAt(p.Until())
	sh.polling++
	sh.m.addWaiter()
	return p
}

// pollerBytes is about how many bytes one more poller takes.
const pollerBytes = 256

// pollAgain records that a poller came back and was refused. Usually it is then expected
// for longer, which forget finds out later.
func (sh *shard) pollAgain(l *line, p *poller, now time.Duration) {
	p.Refused(now)
	l.returned(p, now)
	if until := p.Until(); until < sh.expected.Due(p.Index()) {
		sh.expected.Move(p.Index(), until)
	}
}

// placeFor returns the place for s, which waits from now on: the one it had, or a new one
// at the end.
func (sh *shard) placeFor(l *line, s *Session, value uint64, now time.Duration) waitqueue.Place {
	if at := sh.takePlace(l, s, value, now); !at.IsZero() {
		return at
	}
	return l.Arrive(now)
}

// takePlace ends the polling of s and returns its place, zero if it has none. The place
// is found by the connection or, if the connection on which s was refused is closed, by
// the value.
func (sh *shard) takePlace(l *line, s *Session, value uint64, now time.Duration) waitqueue.Place {
	p := l.Returned(s, value)
	if p == nil {
		return waitqueue.Place{}
	}
	sh.drop(l, p, now)
	return p.Place()
}

// drop forgets a poller, or its place if it is away.
func (sh *shard) drop(l *line, p *poller, now time.Duration) {
	if !p.Away() {
		sh.stopsPolling(l, p, now)
	}
	sh.expected.Remove(p.Index())
	l.Remove(p)
	sh.weigh(l)
}

// stopsPolling does the bookkeeping for a client that polled until now.
func (sh *shard) stopsPolling(l *line, p *poller, now time.Duration) {
	sh.polling--
	sh.m.waiters.Add(-1)
	l.returned(p, now)
}

// returned cancels the advice that the poller was given: it has come back, or has gone.
func (l *line) returned(p *poller, now time.Duration) {
	if at := p.TakeBack(); at != 0 && l.contention != nil {
		l.contention.Kept(p.Until() > now)
		l.contention.Promises.Cancel(at)
	}
}

// leave takes s out of line if it polls. If its connection is closed, it may come back on
// another one: then its place is kept, if the line can keep it.
func (sh *shard) leave(l *line, s *Session, closed bool, now time.Duration) {
	p := l.Poller(s)
	if p == nil {
		return
	}
	if !closed || !l.Keeps(p) {
		sh.drop(l, p, now)
		return
	}
	sh.stopsPolling(l, p, now)
	l.Leave(p, now)
	sh.weigh(l)
	sh.expected.Move(p.Index(), p.Until())
}

// forgetBatch forgets pollers and places that are not expected back any more, a batch at
// most, and reports whether those were all.
func (sh *shard) forgetBatch(now time.Duration) bool {
	for range batch {
		if !sh.forget(now) {
			return true
		}
	}
	return false
}

// forget deals with one poller or place whose time is over: it forgets it or, if the
// poller came back meanwhile, expects it for longer. It reports whether there was one.
func (sh *shard) forget(now time.Duration) bool {
	x, due, ok := sh.expected.Top()
	if !ok || due > now {
		return false
	}
	if until := x.Until(); until > now { // it came back in the meantime
		sh.expected.Move(x.Index(), until)
		return true
	}
	if x.GoesOn && !x.Away() {
		sh.happenedTo(sh.pastOfKey(bytesOf(x.line.key), sh.itemOf(x.line.key)), ledger.WaitedInVain, now)
	}
	sh.drop(x.line, x.poller, now)
	sh.tidy(x.line)
	return true
}

// forgetAll is forgetBatch until there are no more. It unlocks the shard in between.
func (sh *shard) forgetAll() {
	for !sh.forgetBatch(sh.now(nil)) {
		sh.yield()
	}
}

// place returns how many wait for the key of a claim, and how many of them are ahead of
// the claimant: 0 if it was granted. If it was not, and WithRetry is set, the client is
// expected to ask again at the time returned.
func (sh *shard) place(c *Put, hash uint64, granted bool, now time.Duration) (p Place) {
	l := sh.lines[string(c.Key)]
	if l == nil {
		return p
	}
	if c.WithRetry && !granted {
		if it := sh.table.Find(hash, c.Key); it == nil {
			p.setRetry(sh.retryClosed(c.Key, now))
		} else if held(it) {
			p.setRetry(sh.retry(it, c.Session, now, true))
		}
	}
	if !granted {
		p.Rank = int32(l.Rank(c.Session))
	}
	p.Waiters = int32(l.Waiters())
	return p
}

// Session is one client as far as it can be told from others: a connection. It
// is used by one goroutine.
type Session struct {
	// lines are those it may poll in; Close leaves them.
	lines []*line
	// overtaken is the hash of the latest key for which it polls in vain while others
	// that came later are queued: see UnaskedWait.
	overtaken uint64
	self      *claimant     // made when it is needed
	at        time.Duration // as in SetTime
	fills     *[]*filling   // in which it was told a miss; some may be gone. nil if it never was
}

// SetTime tells when the session's next requests had arrived, on the clock of Now. They are
// carried out as of then, so that one look at the clock is enough for many requests. It must
// not be earlier than their arrival, or a lease would begin before its request. With 0, each
// request is carried out as of the moment when its turn comes.
func (s *Session) SetTime(t time.Duration) { s.at = t }

// Lag is how far the session's time lies back.
func (m *Manager) Lag(s *Session) time.Duration {
	if s.at == 0 {
		return 0
	}
	return m.now() - s.at
}

// maxLines bounds the lines a session is remembered in: a connection that many
// clients share is counted as waiting for its latest locks only.
const maxLines = 64

// remember notes that s waits in l. boundLines is to follow.
func (s *Session) remember(l *line) {
	for i, known := range s.lines {
		if known.key == l.key { // perhaps an earlier line for the same lock
			s.lines[i] = l
			return
		}
	}
	s.lines = append(s.lines, l)
}

// boundLines takes s, if it waits in too many lines, out of the one that it joined first. No
// shard may be locked, since that line's will be.
func (m *Manager) boundLines(s *Session) {
	if s != nil && len(s.lines) > maxLines {
		m.leave(s, s.lines[0], false)
		s.lines = slices.Delete(s.lines, 0, 1)
	}
}

// Close takes the session out of the lines in which it polls. Its places may be kept for
// its return on another connection.
func (m *Manager) Close(s *Session) {
	for _, l := range s.lines {
		m.leave(s, l, true)
	}
	s.lines = nil
	m.closeFills(s)
}

func (m *Manager) leave(s *Session, l *line, closed bool) {
	l.shard.mu.Lock()
	l.shard.leave(l, s, closed, l.shard.now(nil))
	l.shard.tidy(l)
	l.shard.mu.Unlock()
}
