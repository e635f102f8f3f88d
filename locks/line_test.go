package locks

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/stats"
	"github.com/lockcached/lockcached/waitqueue"
)

// poll claims a lock that is held, as pollers do.
func (c *client) poll(t *testing.T, key string) {
	t.Helper()
	want(t, "add of a held lock", c.add(key, time.Minute), ErrNotStored)
}

func polling(m *Manager, key string) int { return lookup(m, []byte(key), nil).Polling }

func TestPollersAreCounted(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Minute))
		b, c := newClient(m, "b"), newClient(m, "c")
		b.poll(t, key)
		c.poll(t, key)
		b.poll(t, key)
		if n := polling(m, key); n != 2 {
			t.Errorf("%d poll, want 2", n)
		}
		must(t, remove(m, key))
		if n := polling(m, key); n != 2 {
			t.Errorf("%d poll for the free lock, want 2", n)
		}
		must(t, b.add(key, time.Minute))
		if n := polling(m, key); n != 1 {
			t.Errorf("%d poll, want 1: the other has got it", n)
		}
		total := m.Totals()
		if total.Polling != 1 || total.WaitersPeak != 2 || total.Counters[stats.Refused] != 3 {
			t.Errorf("%d poll in all, %d at most, %d refused", total.Polling, total.WaitersPeak, total.Counters[stats.Refused])
		}
	})
}

func TestPatience(t *testing.T) {
	repeat := func(pause time.Duration, n int) []time.Duration { return slices.Repeat([]time.Duration{pause}, n) }
	for _, tt := range []struct {
		name     string
		pauses   []time.Duration // between refusals
		patience time.Duration   // after the last
	}{
		{"refused-once", nil, 10 * time.Second},
		{"quick-poller", repeat(10*time.Millisecond, 10), 10 * time.Second},
		{"floor", repeat(10*time.Second/3, 3), 10 * time.Second},
		{"each-four-seconds", repeat(4*time.Second, 3), 12 * time.Second},
		{"backing-off", []time.Duration{1 * time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}, 24 * time.Second},
		{"ceiling", []time.Duration{2 * time.Second, 6 * time.Second, 18 * time.Second, 54 * time.Second,
			2 * time.Minute, 4 * time.Minute}, 10 * time.Minute},
		{"one-pause-fades", append([]time.Duration{9 * time.Second}, repeat(4*time.Second, 20)...), 12 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, m *Manager) {
				must(t, newClient(m, "holder").add(key, ttl.Forever))
				p := newClient(m, "poller")
				p.poll(t, key)
				for _, pause := range tt.pauses {
					pass(pause)
					p.poll(t, key)
				}
				pass(tt.patience)
				if polling(m, key) != 1 {
					t.Errorf("forgotten after %v", tt.patience)
				}
				pass(1)
				if polling(m, key) != 0 {
					t.Errorf("still counted after %v", tt.patience+1)
				}
			})
		})
	}
}

// lines is how many lines are kept.
func lines(m *Manager) (n int) {
	for _, sh := range m.shards {
		sh.mu.Lock()
		n += len(sh.lines)
		sh.mu.Unlock()
	}
	return n
}

// Of very many pollers, those that do not come back are forgotten and those that do are
// kept, whenever the line is inspected.
func TestManyPollersAreForgotten(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, ttl.Forever))
		var faithful []*client
		for i := range 20 * batch {
			c := newClient(m, fmt.Sprint(i))
			c.poll(t, key)
			if i%4 == 0 {
				faithful = append(faithful, c)
			}
		}
		pass(waitqueue.MinPatience / 2)
		for _, c := range faithful {
			c.poll(t, key)
		}
		pass(waitqueue.MinPatience / 2)
		if n := polling(m, key); n != 20*batch {
			t.Errorf("%d poll, want all", n)
		}
		time.Sleep(time.Nanosecond) // and nobody but us looks
		if n := polling(m, key); n != len(faithful) {
			t.Errorf("%d poll, want %d", n, len(faithful))
		}
		for i, c := range faithful {
			if rank := lookup(m, []byte(key), &c.session).Rank; rank != i {
				t.Fatalf("rank %d, want %d", rank, i)
			}
		}
		pass(3 * waitqueue.MinPatience / 2)
		if n := m.Totals().Polling; n != 0 || lines(m) != 0 {
			t.Errorf("%d poll in %d lines", n, lines(m))
		}
	})
}

// Pollers that never come back are forgotten even if the lock is never used again.
func TestPollersAreForgotten(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		for i := range 100 {
			key := fmt.Sprint("lock:", i)
			must(t, newClient(m, "holder").add(key, ttl.Forever))
			newClient(m, "poller").poll(t, key)
		}
		pass(waitqueue.MinPatience + forgetEvery)
		if n := lines(m); n != 0 {
			t.Errorf("%d lines are left", n)
		}
	})
}

func TestClosedSessionDoesNotWait(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		p, other := newClient(m, "p"), newClient(m, "other")
		for _, key := range []string{"a", "b", "c"} {
			must(t, newClient(m, "holder").add(key, time.Minute))
			p.poll(t, key)
		}
		other.poll(t, "c")
		must(t, remove(m, "b"))
		timedOut := p.wait(t, "a", time.Minute, time.Second)
		pass(time.Second)
		wantOutcomes(t, []*place{timedOut}, "timed out")
		m.Close(&p.session)
		total := m.Totals()
		if total.Polling != 1 || polling(m, "c") != 1 || lookup(m, []byte("c"), &p.session).Rank != 1 {
			t.Errorf("%d poll, want the other in c", total.Polling)
		}
		m.Close(&p.session)
		pass(waitqueue.MinPatience + forgetEvery) // its places are kept until then
		if n := lines(m); n != 0 {
			t.Errorf("%d lines are left", n)
		}
	})
}

// A connection that many clients share cannot take any amount of memory.
func TestSessionIsBounded(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		shared := newClient(m, "shared")
		for i := range 3 * maxLines {
			key := fmt.Sprint("lock:", i)
			must(t, newClient(m, "holder").add(key, time.Minute))
			shared.poll(t, key)
		}
		if n := m.Totals().Polling; n != maxLines || len(shared.session.lines) != maxLines {
			t.Errorf("polls %d times, in %d lines as it remembers, want %d", n, len(shared.session.lines), maxLines)
		}
		if polling(m, "lock:0") != 0 || polling(m, fmt.Sprint("lock:", 3*maxLines-1)) != 1 {
			t.Error("it is not the latest that are remembered")
		}
		m.Close(&shared.session)
		if n := m.Totals().Polling; n != 0 {
			t.Errorf("%d poll after the end", n)
		}
		pass(waitqueue.MinPatience + forgetEvery)
		if n := lines(m); n != 0 {
			t.Errorf("%d lines are left", n)
		}
	})
}

// Waiting for one lock many times does not make a session forget another.
func TestSessionRemembersKeys(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		holder, p := newClient(m, "holder"), newClient(m, "p")
		must(t, holder.add("long", time.Minute))
		p.poll(t, "long")
		for range 2 * maxLines {
			must(t, holder.add("short", time.Minute))
			p.poll(t, "short")
			must(t, remove(m, "short"))
			must(t, p.add("short", time.Minute))
			must(t, remove(m, "short"))
		}
		if polling(m, "long") != 1 || len(p.session.lines) != 2 {
			t.Errorf("polls %d times for it, %d lines are remembered", polling(m, "long"), len(p.session.lines))
		}
	})
}

// Pollers and queued waiters are one line: a poller is served when it asks, queued ones
// before it.
func TestOneLine(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Minute))
		early, late := newClient(m, "early"), newClient(m, "late")
		early.poll(t, key)
		line := enqueue(t, m, 2, key, time.Minute, time.Minute)
		late.poll(t, key)
		l := lookup(m, []byte(key), &late.session)
		if l.Queued != 2 || l.Polling != 2 || l.Rank != 3 {
			t.Errorf("%d are queued, %d poll, who came last has rank %d", l.Queued, l.Polling, l.Rank)
		}
		if l := lookup(m, []byte(key), &early.session); l.Rank != 2 {
			t.Errorf("who came first but polls has rank %d", l.Rank)
		}
		if l := lookup(m, []byte(key), nil); l.Rank != 4 {
			t.Errorf("who does not wait has rank %d", l.Rank)
		}
		must(t, remove(m, key))
		wantOutcomes(t, line, "granted", "waits")
		early.poll(t, key)
		must(t, remove(m, key))
		wantOutcomes(t, line, "granted", "granted")
		must(t, remove(m, key))
		must(t, late.add(key, time.Minute))
		must(t, remove(m, key))
		must(t, early.add(key, time.Minute))
		if n := m.Totals().Queued + m.Totals().Polling; n != 0 || lines(m) != 0 {
			t.Errorf("%d wait in %d lines", n, lines(m))
		}
	})
}

// Free although somebody waited for it: only pollers leave such gaps.
func TestGap(t *testing.T) {
	for name, end := range map[string]func(m *Manager){
		"release": func(m *Manager) { _ = remove(m, key) },
		"expiry":  func(m *Manager) { _ = m.Touch([]byte(key), time.Nanosecond); pass(time.Nanosecond) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, m *Manager) {
				must(t, newClient(m, "holder").add(key, time.Minute))
				b, c := newClient(m, "b"), newClient(m, "c")
				b.poll(t, key)
				c.poll(t, key)
				pass(time.Second)
				end(m)
				start := time.Now()
				pass(300 * time.Millisecond)
				must(t, b.add(key, time.Minute)) // after a gap of 300 ms
				gap := time.Since(start)
				end(m)
				pass(100 * time.Millisecond)
				must(t, c.add(key, time.Minute)) // after one of 100 ms
				end(m)
				pass(time.Minute)
				must(t, c.add(key, time.Minute)) // nobody waited
				l := lookup(m, []byte(key), nil)
				if l.Gap.Count() != 2 || l.Gap.Max() != gap || l.Gap.Min() != 100*time.Millisecond {
					t.Errorf("%d gaps from %v to %v", l.Gap.Count(), l.Gap.Min(), l.Gap.Max())
				}
			})
		})
	}
}

func TestPollersWaitTime(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, ttl.Forever))
		p := newClient(m, "p")
		p.poll(t, key)
		pass(time.Hour) // it gave up
		for range 3 {
			p.poll(t, key)
			pass(time.Second)
		}
		must(t, remove(m, key))
		must(t, p.add(key, time.Minute))
		if l := lookup(m, []byte(key), nil); l.Wait.Count() != 1 || l.Wait.Max() != 3*time.Second {
			t.Errorf("%d waits, the longest %v", l.Wait.Count(), l.Wait.Max())
		}
	})
}
