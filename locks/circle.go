package locks

import (
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/stats/ledger"
)

// A circle is sessions each of which holds a lock that another one of them waits for.
// If each is one client it is a dead-lock. But the clients of a pool share connections,
// so that the holder of a lock may be at work while somebody else waits on the
// connection over which it was granted. Nothing tells the two apart at once. So a circle
// has to stand for a while before it is believed; then the wait that closed it is ended.
//
// Only waits that were asked for by name count. One that a policy has asked for is
// short, and ends by itself when its client has more to say.

// circleStands is for how long a circle stands before it is taken for a dead-lock: much
// longer than most holds, much shorter than somebody would look on for.
const circleStands = 2 * time.Second

// claimant is where the holds of a session meet its wait. It outlives the session
// for as long as a hold that was granted to it, and then waits for nothing.
type claimant struct {
	wants *line  // what it waits for, if it asked for that by name
	wait  uint64 // the number of that wait, or of its latest
	// shared tells that several clients use the connection, as those of a pool do:
	// who holds a lock need not be who waits.
	shared atomic.Bool
}

// claimant is the session's, nil if it is not known who asks.
func (s *Session) claimant() *claimant {
	if s == nil {
		return nil
	}
	if s.self == nil {
		s.self = new(claimant)
	}
	return s.self
}

// releasedBy notes who releases the lock. A hold that is released over another
// connection than it was granted to shows that the latter is shared.
func (h *hold) releasedBy(s *Session) {
	if s != nil && h.by != nil && h.by != s.self && !h.by.shared.Load() {
		h.by.shared.Store(true)
	}
}

// beginWait notes that c waits for a lock that is held by holder, and reports whether
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

// circleClosedBy returns the locks of the circle that the present wait of c has closed,
// if it still stands. One that was closed later is left to whoever did that.
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

// endWait notes that c does not wait any more.
func (m *Manager) endWait(c *claimant) {
	m.waits.Lock()
	c.wants = nil
	m.waits.Unlock()
}

// handedTo notes who holds the lock of a line from now on.
func (m *Manager) handedTo(l *line, holder *claimant) {
	if l.Queue.Len() > 0 {
		m.waits.Lock()
		l.holder = holder
		m.waits.Unlock()
	}
}

// closesCircle notes that a claim waits for the item, which is nil if the lock is closed,
// and reports whether that has closed a circle.
func (sh *shard) closesCircle(w *Waiting, it *item) bool {
	var holder *claimant
	if it != nil {
		holder = it.Attached.by
	}
	return sh.m.beginWait(w.claim.Session.claimant(), w.line, holder)
}

// isDeadlock reports whether the circle that a wait has closed still stands, and counts
// that.
func (sh *shard) isDeadlock(w *Waiting, now time.Duration) bool {
	circle := sh.m.circleClosedBy(w.claim.Session.self)
	it := sh.table.Find(w.claim.hash, w.claim.Key)
	if circle == nil || it == nil {
		return false
	}
	sh.happenedTo(sh.pastOfKey(w.claim.Key, it), ledger.Deadlocked, now)
	sh.circles = append(sh.circles, deadlock{printable(w.claim.Value), circle})
	return true
}

// maxCirclesLogged bounds how many circles a second get into the log. All are counted.
const maxCirclesLogged = 10

// deadlock is a circle of which one wait was ended.
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
			Msg("ended a wait: it was a dead-lock")
	}
}

// ownerOf is who holds a lock, "" if nobody does.
func (m *Manager) ownerOf(key string) string {
	sh, hash := m.shardOf(bytesOf(key))
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if it := sh.table.Find(hash, bytesOf(key)); it != nil && held(it) {
		return printable(it.Value())
	}
	return ""
}
