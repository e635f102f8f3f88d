package locks

import (
	"sync/atomic"

	"github.com/rs/zerolog"
)

// A circle is a dead-lock: sessions each of which holds a lock that another one of
// them waits for. A claim that would close one is refused instead of queued.
//
// Only waits that were asked for by name count. One that a policy has asked for is
// short, and ends by itself when its client has more to say.

// claimant is where the holds of a session meet its wait. It outlives the session
// for as long as a hold that was granted to it, and then waits for nothing.
type claimant struct {
	wants *line // what it waits for, if it asked for that by name
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

// beginWait notes that c waits for a lock that is held by holder, unless that
// closed a circle: then it returns whose locks are in it.
func (m *Manager) beginWait(c *claimant, l *line, holder *claimant) (circle []string) {
	m.waits.Lock()
	defer m.waits.Unlock()
	l.holder = holder
	if holder == c && c != nil {
		// No client waits for itself: there are several.
		c.shared.Store(true)
	}
	if n := c.circle(l); n > 0 {
		for ; n > 0; n-- {
			circle = append(circle, l.key)
			l = l.holder.wants
		}
		return circle
	}
	c.wants = l
	return nil
}

// maxCircle bounds how many waits are followed. A longer circle is not found and
// ends as all do, when one of its waits or leases is over.
const maxCircle = 256

// circle is the length of the circle that c closed if it waited in l, 0 if it closed
// none. Manager.waits is locked, and no other circle exists.
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
	if l.queue.Len() > 0 {
		m.waits.Lock()
		l.holder = holder
		m.waits.Unlock()
	}
}

// closesCircle reports whether a claim on a held or closed lock closed a circle if it waited,
// and counts that. If it does not, it waits from now on.
func (sh *shard) closesCircle(c *Put, l *line, it *item) bool {
	var holder *claimant // nobody's, if the lock is closed
	if it != nil {
		holder = it.Attached.by
	}
	circle := sh.m.beginWait(c.Session.claimant(), l, holder)
	if circle == nil {
		return false
	}
	sh.totals.Deadlocks++
	sh.statsOf(it).deadlocked()
	sh.circles = append(sh.circles, deadlock{printable(c.Value), circle})
	return true
}

// maxCirclesLogged bounds how many circles a second get into the log. All are counted.
const maxCirclesLogged = 10

// deadlock is a circle of which one wait was refused.
type deadlock struct {
	claimant string   // what the refused claim wanted to store
	keys     []string // the lock it wanted, the one that its holder waits for, and so on
}

func (m *Manager) reportCircles(circles []deadlock) {
	for _, d := range circles {
		locks := zerolog.Arr()
		for _, key := range d.keys {
			locks.Dict(zerolog.Dict().Str("lock", key).Str("owner", m.ownerOf(key)))
		}
		m.circleLog.Warn().Str("claimant", d.claimant).Array("circle", locks).
			Msg("refused to wait: it would be a dead-lock")
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
