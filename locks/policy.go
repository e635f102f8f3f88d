package locks

import "time"

// WaitPolicy lets claims on matching keys wait in line for up to Wait, although their
// clients have not asked to. If Wait is 0, they never do.
type WaitPolicy struct {
	Pattern Pattern
	Wait    time.Duration
}

// aMoment is how long a claim waits unasked because its client polls while others that
// came later are queued. It is shorter than the timeouts of clients.
const aMoment = 50 * time.Millisecond

// UnaskedWait is how long a claim waits in line if its client does not say: the Wait of
// the first policy that matches its key, or otherwise a moment if the session has been
// overtaken at this lock. Then all that are queued for it came later and are served
// first, so that the session might never find it free. In line it gets the place of its
// first refusal.
func (m *Manager) UnaskedWait(key []byte, s *Session) time.Duration {
	policies := m.config().WaitPolicies
	for i := range policies {
		if p := &policies[i]; p.Pattern.Match(key) {
			return p.Wait
		}
	}
	if s.overtaken == 0 {
		return 0
	}
	if _, hash := m.shardOf(key); hash == s.overtaken {
		return aMoment
	}
	return 0
}
