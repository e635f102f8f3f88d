package locks

import (
	"slices"
	"time"

	"github.com/lockcached/lockcached/stats/ledger"
)

// A late release is a delete by a client whose hold has expired, and which does not know that
// somebody else holds the lock by now. Config.GuardRelease keeps it from ending that hold. The
// evidence is the connection: the session's own hold of the lock ended by expiry, it was not
// granted the lock since, and it is not the session of the present holder.

// maxLost is how many locks a session is known to have lost. Of more, the latest are.
const maxLost = 64

// lostHold is a lock that a session has lost by expiry.
type lostHold struct {
	key    string
	logged bool // a late release of it
}

// lateRelease is one that is to be logged.
type lateRelease struct {
	key, owner string
	held       time.Duration // by the owner
}

// isGuarded reports whether late releases of the lock of a key end no hold.
func (m *Manager) isGuarded(key []byte) bool {
	c := m.config()
	return c.guards && matcher(c.GuardRelease).match(key)
}

// loses records that the hold of an item has expired.
func (sh *shard) loses(it *item) {
	c := it.Attached.by
	if c == nil || !sh.m.isGuarded(it.Key()) {
		return
	}
	sh.m.waits.Lock()
	defer sh.m.waits.Unlock()
	if c.lostHold(it.Key()) != nil {
		return
	}
	lost := c.lost.Load()
	if lost == nil {
		lost = new([]lostHold)
		c.lost.Store(lost)
	}
	if len(*lost) == maxLost {
		*lost = slices.Delete(*lost, 0, 1)
	}
	*lost = append(*lost, lostHold{key: string(it.Key())})
}

// regains records that a session was granted the lock of a key, whether that is guarded now or was
// when the session lost it.
func (sh *shard) regains(c *claimant, key []byte) {
	if c == nil || c.lost.Load() == nil {
		return
	}
	sh.m.waits.Lock()
	defer sh.m.waits.Unlock()
	lost := c.lost.Load()
	if lost == nil {
		return
	}
	*lost = slices.DeleteFunc(*lost, func(l lostHold) bool { return l.key == string(key) })
	if len(*lost) == 0 {
		c.lost.Store(nil)
	}
}

// lostHold returns the record of a lock that the session has lost, nil if there is none.
// Manager.waits is locked.
func (c *claimant) lostHold(key []byte) *lostHold {
	lost := c.lost.Load()
	if lost == nil {
		return nil
	}
	for i := range *lost {
		if (*lost)[i].key == string(key) {
			return &(*lost)[i]
		}
	}
	return nil
}

// hasLost reports whether the session has lost a lock by expiry, and not regained it.
func (s *Session) hasLost() bool {
	c := s.claimantIfAny()
	return c != nil && c.lost.Load() != nil
}

// isLateRelease reports whether a blind delete of a held lock comes from a session that has
// lost it; it hasLost some. If so, it counts that, and leaves the first of its kind to be logged.
func (sh *shard) isLateRelease(it *item, s *Session, now time.Duration) bool {
	c := s.claimantIfAny()
	if c == it.Attached.by || !held(it) || !sh.m.isGuarded(it.Key()) {
		return false
	}
	sh.m.waits.Lock()
	lost := c.lostHold(it.Key())
	isFirst := lost != nil && !lost.logged
	if isFirst {
		lost.logged = true
	}
	sh.m.waits.Unlock()
	if lost == nil {
		return false
	}
	past := sh.pastOf(it)
	sh.happenedTo(past, ledger.Overran, now)
	sh.happenedTo(past, ledger.CameLate, now)
	if isFirst {
		work := sh.later()
		work.late = append(work.late, lateRelease{string(it.Key()), printable(it.Value()), now - it.Attached.since})
	}
	return true
}

func (m *Manager) reportLate(all []lateRelease) {
	for _, l := range all {
		m.lostLog.Warn().Str("lock", l.key).Str("owner", l.owner).Dur("held_ms", l.held).
			Msg("a late delete was refused: the lease of its client had ended, and somebody else holds the lock")
	}
}

// GuardsRelease reports whether there are locks of which late releases end no hold.
func (m *Manager) GuardsRelease() bool { return m.config().guards }
