package locks

import "time"

// WaitPolicy lets claims on matching keys wait in line for up to Wait, though their
// clients have not asked to. If that is 0 they never do.
type WaitPolicy struct {
	Pattern Pattern
	Wait    time.Duration
}

// aMoment is how long a claim waits that is not told to, because its client polls
// while others queue that came later. It is below what clients let a reply take.
const aMoment = 50 * time.Millisecond

// UnaskedWait is how long a claim is to wait in line whose client does not say: what
// the first policy that matches its key tells, and otherwise a moment if the session has
// been overtaken at this lock. All that are queued for it came later and are served
// first, so that the session may never find it free. In line it stands where it came.
func (m *Manager) UnaskedWait(key []byte, s *Session) time.Duration {
	for i := range m.config.WaitPolicies {
		if p := &m.config.WaitPolicies[i]; p.Pattern.Match(key) {
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
