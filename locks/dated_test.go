package locks

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/stats"
)

// dated waits for a lock with a lease that ends at a date.
func (c *client) dated(t *testing.T, key string, lease time.Duration) *place {
	t.Helper()
	p := &place{m: c.m}
	claim := c.claim(key, lease)
	claim.Dated = true
	_, err := c.m.PutOrWait(claim, &Wait{For: time.Minute, Waiter: p, Waiting: &p.Waiting})
	want(t, "claim", err, ErrQueued)
	return p
}

// A lease with an end date ends then, however long its claim has waited.
func TestWaitDoesNotPutOffADate(t *testing.T) {
	for _, tt := range []struct {
		name        string
		lease, left time.Duration // at the hand-off, after 10 s
	}{
		{"later", 15 * time.Second, 5 * time.Second},
		{"just later", 10*time.Second + 1, 1},
		{"for ever", ttl.Forever, ttl.Forever},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, m *Manager) {
				must(t, newClient(m, "a").add(key, time.Hour))
				p := newClient(m, "b").dated(t, key, tt.lease)
				pass(10 * time.Second)
				must(t, remove(m, key))
				wantOutcomes(t, []*place{p}, "granted")
				wantOwner(t, m, key, "b")
				if tt.left == ttl.Forever {
					pass(time.Hour)
					wantOwner(t, m, key, "b")
					return
				}
				pass(tt.left - 1)
				wantOwner(t, m, key, "b")
				pass(1)
				wantOwner(t, m, key, "")
			})
		})
	}
}

// A claim whose lease is over when its turn comes is told that it was stored, as by
// memcached. It holds nothing: the next in line is served in the same moment, nothing is
// counted as a hold, and no lock-delay begins.
func TestLeaseOverAtTheHandOff(t *testing.T) {
	for name, claim := range map[string]func(t *testing.T, c *client) *place{
		"a date in between": func(t *testing.T, c *client) *place { return c.dated(t, key, 5*time.Second) },
		"this very date":    func(t *testing.T, c *client) *place { return c.dated(t, key, 10*time.Second) },
		"a date before":     func(t *testing.T, c *client) *place { return c.dated(t, key, -time.Hour) },
		"negative":          func(t *testing.T, c *client) *place { return c.wait(t, key, 0, time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, delayed(), func(t *testing.T, m *Manager) {
				must(t, newClient(m, "a").add(key, time.Hour))
				line := []*place{claim(t, newClient(m, "b")), claim(t, newClient(m, "c"))}
				line = append(line, newClient(m, "d").wait(t, key, time.Hour, time.Minute), claim(t, newClient(m, "e")))
				pass(10 * time.Second)
				wantOutcomes(t, line, "waits", "waits", "waits", "waits")
				must(t, remove(m, key))
				wantOutcomes(t, line, "granted", "granted", "granted", "waits")
				wantOwner(t, m, key, "d")
				m.Withdraw([]byte(key), line[0].Token()) // there is nothing to take back
				wantOwner(t, m, key, "d")
				must(t, remove(m, key))
				wantOutcomes(t, line[3:], "granted")
				wantDelay(t, m, key, 0)
				total := m.Totals()
				if total.Counters[stats.Acquired] != 2 || total.Counters[stats.HandedOff] != 1 || total.Counters[stats.Released] != 2 || total.Counters[stats.Expired] != 0 || total.Counters[stats.WaitTimeouts] != 0 {
					t.Errorf("%d acquired, %d handed off, %d released, %d expired, %d waits timed out",
						total.Counters[stats.Acquired], total.Counters[stats.HandedOff], total.Counters[stats.Released], total.Counters[stats.Expired], total.Counters[stats.WaitTimeouts])
				}
				if total.Queued+total.Polling != 0 {
					t.Errorf("%d queue, %d poll", total.Queued, total.Polling)
				}
				want(t, "claim afterwards", newClient(m, "f").add(key, time.Hour), nil)
			})
		})
	}
}

// Any number of them may be ahead of one that takes the lock.
func TestManyLeasesOverAtTheHandOff(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "a").add(key, time.Hour))
		var line []*place
		for range 2*few*batch + 1 {
			line = append(line, newClient(m, "b").dated(t, key, time.Second))
		}
		line = append(line, newClient(m, "c").wait(t, key, time.Hour, time.Minute))
		pass(10 * time.Second)
		must(t, remove(m, key))
		synctest.Wait()
		wantOutcomes(t, line, slices.Repeat([]string{"granted"}, len(line))...)
		wantOwner(t, m, key, "c")
		if total := m.Totals(); total.Queued != 0 || total.Counters[stats.HandedOff] != 1 || total.Counters[stats.Refused] != 0 {
			t.Errorf("%d are queued, %d handed off, %d refused", total.Queued, total.Counters[stats.HandedOff], total.Counters[stats.Refused])
		}
	})
}

// The same holds if the lock was closed.
func TestLeaseOverWhenALockOpens(t *testing.T) {
	bubble(t, delayed(), func(t *testing.T, m *Manager) {
		must(t, newClient(m, "a").add(key, time.Second))
		pass(time.Second)
		wantDelay(t, m, key, pause)
		line := []*place{newClient(m, "b").dated(t, key, pause/2), newClient(m, "c").wait(t, key, time.Hour, time.Minute)}
		pass(pause)
		wantOutcomes(t, line, "granted", "granted")
		wantOwner(t, m, key, "c")
	})
}
