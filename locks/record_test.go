package locks

import (
	"math"
	"testing"
	"time"

	"github.com/lockcached/lockcached/stats"
)

// holdFor holds a lock for that long, while a poller is refused it.
func holdFor(t *testing.T, m *Manager, key string, took time.Duration) {
	t.Helper()
	holder, p := newClient(m, "holder"), newClient(m, "holder") // so that it keeps no place
	must(t, holder.add(key, time.Hour))
	p.poll(t, key)
	m.Close(&p.session)
	pass(took)
	must(t, remove(m, key))
}

// A release that comes after its own lease has ended is worth counting: the work
// went on without the lock.
func TestOverrun(t *testing.T) {
	removal := func(token uint64) *Removal {
		return &Removal{Key: []byte(key), HasCompare: true, Compare: token}
	}
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, m *Manager, token uint64)
		want uint64
	}{
		{"delete", func(_ *testing.T, m *Manager, _ uint64) {
			pass(time.Second)
			_ = remove(m, key)
		}, 1},
		{"delete-twice", func(_ *testing.T, m *Manager, _ uint64) {
			pass(time.Second)
			_ = remove(m, key)
			_ = remove(m, key)
		}, 1},
		{"delete-in-time", func(t *testing.T, m *Manager, _ uint64) {
			must(t, remove(m, key))
			_ = remove(m, key)
		}, 0},
		{"delete-of-anothers", func(t *testing.T, m *Manager, _ uint64) {
			pass(time.Second)
			must(t, newClient(m, "b").add(key, time.Minute))
			_ = remove(m, key)
		}, 0},
		{"by-token-in-time", func(t *testing.T, m *Manager, token uint64) {
			must(t, m.Remove(removal(token)))
			want(t, "again", m.Remove(removal(token)), ErrNotFound)
		}, 0},
		{"by-token", func(t *testing.T, m *Manager, token uint64) {
			pass(time.Second)
			want(t, "by token", m.Remove(removal(token)), ErrNotFound)
			want(t, "again", m.Remove(removal(token)), ErrNotFound)
		}, 1},
		{"by-token-while-another-holds-it", func(t *testing.T, m *Manager, token uint64) {
			pass(time.Second)
			must(t, newClient(m, "b").add(key, time.Minute))
			want(t, "by token", m.Remove(removal(token)), ErrExists)
			want(t, "again", m.Remove(removal(token)), ErrExists)
			wantOwner(t, m, key, "b")
		}, 1},
		{"by-an-unknown-token", func(t *testing.T, m *Manager, token uint64) {
			pass(time.Second)
			want(t, "by token", m.Remove(removal(token-1)), ErrNotFound)
		}, 0},
		{"cas-with-a-past-lease", func(_ *testing.T, m *Manager, token uint64) {
			pass(time.Second)
			_, _ = m.Put(&Put{Op: CompareAndSwap, Key: []byte(key), Compare: token, Lease: -1})
		}, 1},
		{"cas-that-renews", func(_ *testing.T, m *Manager, token uint64) {
			pass(time.Second)
			_, _ = m.Put(&Put{Op: CompareAndSwap, Key: []byte(key), Compare: token, Lease: time.Second})
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, m *Manager) {
				done, err := m.Put(newClient(m, "a").claim(key, time.Second))
				must(t, err)
				tt.end(t, m, done.CAS)
				class, _ := m.Class("lock")
				for of, got := range map[string]uint64{
					"key": lookup(m, []byte(key), nil).Counters[stats.Overrun], "class": class.Counters[stats.Overrun], "all": m.Totals().Counters[stats.Overrun],
				} {
					if got != tt.want {
						t.Errorf("%s: %d overruns, want %d", of, got, tt.want)
					}
				}
			})
		})
	}
}

// What PoolCounter did not measure: a hold begins with the hand-off, not with the
// claim. One of a second and one of a tenth make 0.55 s.
func TestHoldBeginsWithTheHandOff(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "a").add(key, time.Minute))
		line := enqueue(t, m, 1, key, time.Minute, time.Minute)
		pass(time.Second)
		must(t, remove(m, key))
		wantOutcomes(t, line, "granted")
		pass(100 * time.Millisecond)
		must(t, remove(m, key))
		l := lookup(m, []byte(key), nil)
		wantMean(t, "hold", l.Hold.Mean(), 550*time.Millisecond, 0.01)
		if l.Hold.Count() != 2 || l.Wait.Count() != 1 || l.Wait.Max() != time.Second {
			t.Errorf("%d holds, %d waits, the longest %v", l.Hold.Count(), l.Wait.Count(), l.Wait.Max())
		}
	})
}

func wantMean(t *testing.T, what string, got float64, want time.Duration, tolerance float64) {
	t.Helper()
	if math.Abs(got/float64(want)-1) > tolerance {
		t.Errorf("%s: mean %v, want %v", what, time.Duration(got), want)
	}
}

// Quantiles are measured from the first contention on, of the key and of its class.
func TestQuantilesNeedContention(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		for range 10 {
			must(t, newClient(m, "a").add(key, time.Minute))
			pass(time.Second)
			must(t, remove(m, key))
		}
		if l := lookup(m, []byte(key), nil); l.HoldLaw != nil || l.WaitLaw != nil || l.Hold.Count() != 10 {
			t.Errorf("there is a law of %d holds that nobody waited for", l.Hold.Count())
		}
		for range 10 {
			holdFor(t, m, key, time.Second)
		}
		must(t, newClient(m, "a").add(key, time.Minute))
		line := enqueue(t, m, 1, key, time.Minute, time.Minute)
		pass(2 * time.Second)
		must(t, remove(m, key))
		wantOutcomes(t, line, "granted")

		l := lookup(m, []byte(key), nil)
		class, _ := m.Class("lock")
		for of, r := range map[string]struct{ hold, wait time.Duration }{
			"key":   {l.HoldLaw.Quantile(0.5), l.WaitLaw.Quantile(0.5)},
			"class": {class.HoldLaw.Quantile(0.5), class.WaitLaw.Quantile(0.5)},
		} {
			wantMean(t, of+"'s hold", float64(r.hold), time.Second, 0.1)
			wantMean(t, of+"'s wait", float64(r.wait), 2*time.Second, 0.1)
		}
		shown := make(map[string]string)
		for _, f := range l.Fields() {
			shown[f.Name] = f.Text
		}
		for _, name := range []string{"hold_p50_ms", "hold_p90_ms", "hold_p99_ms", "wait_p50_ms", "wait_p99_ms"} {
			if v := shown[name]; v == "" || v == "0" || v == "0.000" {
				t.Errorf("%s is %q", name, v)
			}
		}
	})
}

// The law of a class is that of all its locks, in whatever shards.
func TestClassLaw(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		for _, key := range []string{"job:1", "job:2", "job:3", "job:4", "job:5", "job:6"} {
			holdFor(t, m, key, time.Second)
			holdFor(t, m, key, time.Second)
		}
		class, ok := m.Class("job")
		if !ok || class.HoldLaw.Count() != 12 || class.Hold.Count() != 12 {
			t.Fatalf("the class has a law of %d holds and %d holds", class.HoldLaw.Count(), class.Hold.Count())
		}
		wantMean(t, "median", float64(class.HoldLaw.Quantile(0.5)), time.Second, 0.1)
		class.HoldLaw.Add(time.Hour) // it is the reader's own
		if again, _ := m.Class("job"); again.HoldLaw.Count() != 12 {
			t.Error("a reader changed the law")
		}
	})
}

// After an hour holds weigh half as much, though few followed.
func TestHoldsAge(t *testing.T) {
	const n = 8
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		for range n {
			holdFor(t, m, key, time.Second)
		}
		pass(time.Hour)
		for range n {
			holdFor(t, m, key, 100*time.Millisecond)
		}
		aged := (time.Second/2 + 100*time.Millisecond) * 2 / 3
		l := lookup(m, []byte(key), nil)
		class, _ := m.Class("lock")
		wantMean(t, "key", l.Hold.Mean(), aged, 0.03)
		wantMean(t, "class", class.Hold.Mean(), aged, 0.03)
		wantMean(t, "key's weight", l.HoldLaw.Weight(), 3*n/2, 0.05)
		wantMean(t, "class's weight", class.HoldLaw.Weight(), 3*n/2, 0.05)
		if l.Hold.Count() != 2*n {
			t.Errorf("%d holds, want %d", l.Hold.Count(), 2*n)
		}
	})
}
