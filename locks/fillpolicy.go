package locks

import "time"

// FillPolicy says for how long something may be done while somebody computes the value of a
// matching key: gets held back, or the expired value served. 0 exempts the key.
type FillPolicy struct {
	Pattern Pattern
	For     time.Duration
}

// EarlyPolicy has somebody compute the value of a matching key before it expires, the earlier the
// larger Beta is. 0 exempts the key.
type EarlyPolicy struct {
	Pattern Pattern
	Beta    float64
}

// fillPolicy is what the policies say of one key. The zero fillPolicy leaves it alone.
type fillPolicy struct {
	hold, stale time.Duration
	beta        float64
}

func (p fillPolicy) isZero() bool { return p == fillPolicy{} }

// How long a filler is given if there is no policy that says how long others may be held:
// coldFill as long as nothing is known, and mostFill at most, unless values are served stale
// for a shorter time.
const (
	coldFill = time.Second
	mostFill = time.Minute
)

// times returns how long a filler is given while little is known, and at most.
func (p fillPolicy) times() (cold, most time.Duration) {
	switch {
	case p.hold > 0:
		return p.hold / 2, p.hold
	case p.stale > 0:
		return min(coldFill, p.stale), p.stale
	}
	return coldFill, mostFill
}

// fillPolicy returns what the policies say of a key: of each kind, the first match counts. A
// key that LockKeys names is a lock, and is left alone.
func (c *Config) fillPolicy(key []byte) (p fillPolicy) {
	for i := range c.HoldPolicies {
		if x := &c.HoldPolicies[i]; x.Pattern.Match(key) {
			p.hold = x.For
			break
		}
	}
	for i := range c.StalePolicies {
		if x := &c.StalePolicies[i]; x.Pattern.Match(key) {
			p.stale = x.For
			break
		}
	}
	for i := range c.EarlyPolicies {
		if x := &c.EarlyPolicies[i]; x.Pattern.Match(key) {
			p.beta = x.Beta
			break
		}
	}
	if !p.isZero() && len(c.LockKeys) > 0 && matcher(c.LockKeys).match(key) {
		return fillPolicy{}
	}
	return p
}

// isLockKey reports whether an add of the key is a claim. Where nobody has said which keys are
// locks, all are but those with a policy for fills.
func (m *Manager) isLockKey(key []byte) bool {
	if c := m.config(); c.hasFills && len(c.LockKeys) == 0 {
		return c.fillPolicy(key).isZero()
	}
	return m.matches.match(key)
}

// Fills reports whether there is any policy for fills now: then gets are for Fetch.
func (m *Manager) Fills() bool { return m.config().hasFills }

// HasFills reports whether there is, or was, any policy for fills: then there are statistics of them.
func (m *Manager) HasFills() bool { return m.config().fills != nil }

// MayHold reports whether gets of the key may be held back.
func (m *Manager) MayHold(key []byte) bool { return m.config().fillPolicy(key).hold > 0 }
