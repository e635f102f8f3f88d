package locks

import (
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/stats/ledger"
)

// A circle is a set of sessions, each of which holds a lock that another one of them
// waits for. If each is one client, it is a deadlock. But the clients of a pool share
// connections, so the holder of a lock may be at work while another client waits on the
// connection over which it was granted. The two cannot be told apart at once. So a circle
// has to stand for a while before it is believed; then the wait that closed it is ended.
//
// Only waits that were asked for by name count. A wait by policy is short, and ends by
// itself when its client sends more.

// circleStands is how long a circle stands before it is taken for a deadlock: much longer
// than most holds, much shorter than the patience of an operator.
const circleStands = 2 * time.Second

// claimant links the holds of a session with its wait. It outlives the session for as
// long as a hold that was granted to it, and then waits for nothing.
type claimant struct {
	wants *line                      // what it waits for, if it asked for that by name
	wait  uint64                     // the number of that wait, or of its latest
	fills *fillWaits                 // what else it waits for; nil if nothing so far
	lost  atomic.Pointer[[]lostHold] // see isLateRelease; nil if there are none. Changed under the mutex
	// shared says that several clients use the connection, as those of a pool do: the one
	// that holds a lock need not be the one that waits.
	shared atomic.Bool
}

// claimant returns the session's claimant, nil if s is nil.
func (s *Session) claimant() *claimant {
	if s == nil {
		return nil
	}
	if s.self == nil {
		s.self = new(claimant)
	}
	return s.self
}

// releasedBy records which session releases the lock. If the hold was granted to another
// one, that one's connection is shared.
func (h *hold) releasedBy(s *Session) {
	if s != nil && h.by != nil && h.by != s.self && !h.by.shared.Load() {
		h.by.shared.Store(true)
	}
}

// beginWait records that c waits for a lock that is held by holder, and reports whether
// that has closed a circle.
func (m *Manager) beginWait(c *claimant, l *line, holder *claimant) (closes bool) {
	m.waits.Lock()
	defer m.waits.Unlock()
	l.holder = holder
	if holder == c && c != nil {
		// No client waits for itself: there are several.
		c.shared.Store(true)
	}
	m.namedWaits++
	c.wants, c.wait = l, m.namedWaits
	return c.circle(l) > 0
}

// circleClosedBy returns the locks of the circle that the present wait of c has closed;
// nil if it does not stand any more, or if a later wait has closed it.
func (m *Manager) circleClosedBy(c *claimant) (circle []string) {
	m.waits.Lock()
	defer m.waits.Unlock()
	l := c.wants
	for n := c.circle(l); n > 0; n-- {
		if l.holder.wait > c.wait {
			return nil
		}
		circle = append(circle, l.key)
		l = l.holder.wants
	}
	return circle
}

// maxCircle bounds how many waits are followed. A longer circle is not found and
// ends as all do, when one of its waits or leases is over.
const maxCircle = 256

// circle is the length of the circle that c is in because it waits in l, 0 if it is in
// none. Manager.waits is locked.
func (c *claimant) circle(l *line) int {
	for n := 1; n <= maxCircle; n++ {
		h := l.holder
		switch {
		case h == nil || h.shared.Load():
			return 0
		case h == c:
			return n
		case h.wants == nil:
			return 0
		}
		l = h.wants
	}
	return 0
}

// endWait records that c does not wait any more.
func (m *Manager) endWait(c *claimant) {
	m.waits.Lock()
	c.wants = nil
	if c.fills != nil {
		c.fills.inLine = nil
	}
	m.waits.Unlock()
}

// handedTo records who holds the lock of a line from now on.
func (m *Manager) handedTo(l *line, holder *claimant) {
	if l.Queue.Len() > 0 {
		m.waits.Lock()
		l.holder = holder
		m.waits.Unlock()
	}
}

// closesCircle records that a claim waits for the item, which is nil if the lock is
// closed, and reports whether that has closed a circle.
func (sh *shard) closesCircle(w *Waiting, it *item) bool {
	var holder *claimant
	if it != nil {
		holder = it.Attached.by
	}
	return sh.m.beginWait(w.claim.Session.claimant(), w.line, holder)
}

// isDeadlock reports whether the circle that a wait has closed still stands. If so, it
// counts the deadlock and leaves it to be logged.
func (sh *shard) isDeadlock(w *Waiting, now time.Duration) bool {
	circle := sh.m.circleClosedBy(w.claim.Session.self)
	it := sh.table.Find(w.hash, w.claim.Key)
	if circle == nil || it == nil {
		return false
	}
	sh.happenedTo(sh.pastOfKey(w.claim.Key, it), ledger.Deadlocked, now)
	sh.circles = append(sh.circles, deadlock{printable(w.claim.Value), circle})
	return true
}

// maxCirclesLogged bounds how many circles a second are logged. All are counted.
const maxCirclesLogged = 10

// deadlock is a circle in which one wait was ended.
type deadlock struct {
	claimant string   // what that claim wanted to store
	keys     []string // the lock it wanted, the one that its holder waits for, and so on
}

func (m *Manager) reportCircles(circles []deadlock) {
	for _, d := range circles {
		locks := zerolog.Arr()
		for _, key := range d.keys {
			locks.Dict(zerolog.Dict().Str("lock", key).Str("owner", m.ownerOf(key)))
		}
		m.circleLog.Warn().Str("claimant", d.claimant).Array("circle", locks).
			Msg("ended a wait to break a deadlock")
	}
}

// ownerOf returns the owner of a lock, "" if nobody holds it.
func (m *Manager) ownerOf(key string) string {
	sh, hash := m.shardOf(bytesOf(key))
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if it := sh.table.Find(hash, bytesOf(key)); it != nil && held(it) {
		return printable(it.Value())
	}
	return ""
}
