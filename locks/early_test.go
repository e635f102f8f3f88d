package locks

import (
	"testing"
	"time"
)

// TestNobodyMeetsAnExpiry has a key that is read a hundred times a second computed anew before it
// expires, again and again for ten minutes, with fills that are short and long.
func TestNobodyMeetsAnExpiry(t *testing.T) {
	for _, took := range []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond, time.Second} {
		t.Run(took.String(), func(t *testing.T) {
			t.Parallel()
			config := Config{EarlyPolicies: []EarlyPolicy{{MustPattern("page:*"), 1}}}
			bubble(t, config, func(t *testing.T, m *Manager) {
				const every, expiry, long = 10 * time.Millisecond, time.Minute, 10 * time.Minute
				store := func(s *Session) {
					_, err := m.Put(&Put{Op: Set, Key: []byte("page:1"), Value: []byte("x"), Lease: expiry, Session: s})
					must(t, err)
				}
				first := new(Session)
				fetch := func(s *Session) error {
					return m.Fetch(&Fetch{Key: []byte("page:1"), Session: s}, new(reading))
				}
				want(t, "the first get", fetch(first), ErrNotFound)
				time.Sleep(took)
				store(first)
				var filler *Session
				var done time.Time
				misses := 0
				for begin := time.Now(); time.Since(begin) < long; time.Sleep(every) {
					if filler != nil && !time.Now().Before(done) {
						store(filler)
						filler = nil
					}
					reader := new(Session)
					if err := fetch(reader); err == ErrNotFound {
						misses++
						if filler != nil {
							t.Error("two compute at a time")
						}
						filler, done = reader, time.Now().Add(took)
					}
				}
				if n := m.Totals().GetExpired; n > 0 || misses < 9 || misses > 15 {
					t.Errorf("%d gets were told a miss, %d of them after the expiry", misses, n)
				}
			})
		})
	}
}
