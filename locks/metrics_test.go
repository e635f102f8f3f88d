package locks

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockcached/lockcached/stats"
)

// metricsByName returns the result of Metrics by name, and its sum.
func metricsByName(t *testing.T, m *Manager) (byName map[string]ClassMetrics, sum ClassMetrics) {
	t.Helper()
	byName = make(map[string]ClassMetrics)
	for _, c := range m.Metrics() {
		if _, twice := byName[c.Name]; twice {
			t.Errorf("%s is told twice", c.Name)
		}
		byName[c.Name] = c
		sum.Add(&c)
	}
	return byName, sum
}

func TestMetrics(t *testing.T) {
	bubble(t, Config{NamedClasses: 2}, func(t *testing.T, m *Manager) {
		alice := newClient(m, "alice")
		must(t, alice.add("lock:1", time.Minute)) // held, nothing else is known of it
		must(t, alice.add("lock:2", time.Minute))
		must(t, alice.add("job:1", time.Second))
		must(t, alice.add("other:1", time.Minute)) // its name is taken by the sum
		pass(200 * time.Millisecond)
		newClient(m, "bob").poll(t, "lock:2")
		carol := newClient(m, "carol").wait(t, "lock:2", time.Minute, time.Minute)
		newClient(m, "dave").wait(t, "job:1", time.Minute, 100*time.Millisecond)
		must(t, alice.add("rare:1", time.Minute)) // no name is left
		pass(300 * time.Millisecond)
		must(t, remove(m, "lock:2"))
		wantOutcomes(t, []*place{carol}, "granted")
		pass(time.Second) // job:1 expires

		got, sum := metricsByName(t, m)
		if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, []string{"job", "lock", "other"}) {
			t.Errorf("classes %q", names)
		}
		wantCounters(t, "lock", got["lock"].Counters, stats.Counters{stats.Acquired: 3, stats.Refused: 1, stats.HandedOff: 1, stats.Released: 1})
		wantCounters(t, "job", got["job"].Counters, stats.Counters{stats.Acquired: 1, stats.Expired: 1, stats.WaitTimeouts: 1})
		wantCounters(t, "other", got["other"].Counters, stats.Counters{stats.Acquired: 2})
		wantCounters(t, "all", sum.Counters, m.Totals().Counters)
		lock, job := got["lock"], got["job"]
		if lock.Held != 2 || lock.Queued != 0 || lock.Polling != 1 || lock.Oldest != 1500*time.Millisecond {
			t.Errorf("lock: %d held, the oldest for %v; %d queued, %d polling", lock.Held, lock.Oldest, lock.Queued, lock.Polling)
		}
		if lock.Hold.Seconds() != 0.5 || lock.Wait.Seconds() != 0.3 || lock.Wait.Count() != 1 || lock.Gap.Count() != 1 {
			t.Errorf("lock: held %v s, waited for %v s", lock.Hold.Seconds(), lock.Wait.Seconds())
		}
		if job.Hold.Count() != 0 || job.Held != 0 || job.Oldest != 0 || got["other"].Held != 2 {
			t.Errorf("job: %+v, other: %d held", job, got["other"].Held)
		}
	})
}

func wantCounters(t *testing.T, of string, got, want stats.Counters) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %+v\nwant %+v", of, got, want)
	}
}

// "stats reset" does not zero the metrics: monitoring compares two moments.
func TestMetricsAreNotReset(t *testing.T) {
	bubble(t, Config{NamedClasses: 1}, func(t *testing.T, m *Manager) {
		use(t, m, []byte("lock:1"))
		m.ResetCounters()
		if got, _ := metricsByName(t, m); got["lock"].Counters[stats.Acquired] != 1 || got["lock"].Counters[stats.Released] != 1 {
			t.Errorf("%+v", got["lock"].Counters)
		}
	})
}

// A class that is far busier takes the name of one that is not, and what both did
// stays in the sum.
func TestMetricsNameTheBusiest(t *testing.T) {
	bubble(t, Config{NamedClasses: 2}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "x").add("idle:1", time.Minute))
		use(t, m, []byte("quiet:1"))
		for range 2 {
			use(t, m, []byte("late:1"))
		}
		if got, _ := metricsByName(t, m); got["other"].Counters[stats.Acquired] != 2 || got["idle"].Held != 1 {
			t.Errorf("a class twice as busy as others took a name: %+v", got)
		}
		use(t, m, []byte("late:1"))
		use(t, m, []byte("quiet:1"))
		metricsByName(t, m)
		use(t, m, []byte("late:1"))
		must(t, remove(m, "idle:1")) // counts among the others now
		got, sum := metricsByName(t, m)
		if got["late"].Counters[stats.Acquired] != 1 || got["other"].Counters[stats.Acquired] != 4 || got["other"].Counters[stats.Released] != 4 || got["quiet"].Counters[stats.Acquired] != 2 {
			t.Errorf("%+v", got)
		}
		wantCounters(t, "all", sum.Counters, m.Totals().Counters)
	})
}

// churn uses locks of random classes, of which far more come along than are
// remembered or have a name.
func churn(t *testing.T, m *Manager, random *rand.Rand, name string, steps int) {
	c := newClient(m, name)
	for range steps {
		class := strings.Repeat("x", 1+int(random.ExpFloat64()*10))
		key := fmt.Sprintf("%s%s:%d", class, name, random.IntN(3))
		switch random.IntN(6) {
		case 0:
			_ = m.Touch([]byte(key), time.Minute)
		case 1, 2:
			_ = remove(m, key)
		default:
			_ = c.add(key, time.Minute)
		}
	}
}

// TestMetricsNeverGoBack compares every counter of every class with what it was
// before, and their sum with the total.
func TestMetricsNeverGoBack(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	bubble(t, Config{NamedClasses: 5, StatsClasses: 8, StatsKeys: 16}, func(t *testing.T, m *Manager) {
		before, _ := metricsByName(t, m)
		names := make(map[string]bool)
		newcomer := newClient(m, "newcomer")
		for round := range 300 {
			churn(t, m, random, fmt.Sprint(random.IntN(3)), 50)
			for range round { // becomes the busiest
				_ = newcomer.add("newcomer:1", time.Minute)
				_ = remove(m, "newcomer:1")
			}
			after, sum := metricsByName(t, m)
			for name, c := range after {
				names[name] = true
				if old, ok := before[name]; ok && goesBack(old, c) {
					t.Fatalf("%s: %+v after %+v", name, c, old)
				}
			}
			total := m.Totals()
			wantCounters(t, "all", sum.Counters, total.Counters)
			if sum.Held != total.Held || sum.Polling != total.Polling || sum.Hold.Count() != total.Counters[stats.Released] {
				t.Fatalf("%d held, %d polling, %d released; want %+v", sum.Held, sum.Polling, sum.Hold.Count(), total)
			}
			if len(after) > 6 {
				t.Fatalf("%d classes", len(after))
			}
			before = after
		}
		if !names["newcomer"] || len(names) <= 6 {
			t.Errorf("no name was ever taken away: %v", names)
		}
	})
}

func goesBack(before, after ClassMetrics) bool {
	for _, c := range []stats.Counter{stats.Acquired, stats.Refused, stats.Released, stats.Renewed} {
		if after.Count(c) < before.Count(c) {
			return true
		}
	}
	return after.Hold.Count() < before.Hold.Count() || after.Hold.Seconds() < before.Hold.Seconds() ||
		after.Wait.Count() < before.Wait.Count()
}

// TestMetricsDuringUse is for the race detector.
func TestMetricsDuringUse(t *testing.T) {
	m := NewManager(Config{NamedClasses: 5, StatsClasses: 8})
	var users, reader sync.WaitGroup
	done := make(chan struct{})
	for i := range 4 {
		random := rand.New(rand.NewPCG(uint64(i), 0))
		users.Go(func() { churn(t, m, random, fmt.Sprint(i), 5000) })
	}
	for range 2 {
		reader.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					m.Metrics()
				}
			}
		})
	}
	users.Wait()
	close(done)
	reader.Wait()
	_, sum := metricsByName(t, m)
	wantCounters(t, "all", sum.Counters, m.Totals().Counters)
}

// BenchmarkMetrics measures what reading the metrics costs with that many held locks, and
// one waiter for each, and the longest time for which a shard is locked.
func BenchmarkMetrics(b *testing.B) {
	for _, bb := range []struct {
		held      int
		contended bool
	}{{0, false}, {10_000, false}, {1_000_000, false}, {100_000, true}} {
		b.Run(fmt.Sprintf("%d/contended=%v", bb.held, bb.contended), func(b *testing.B) {
			m := NewManager(Config{NamedClasses: 100, MemoryLimit: 1 << 30})
			holder := newClient(m, "0123456789abcdef")
			for i := range bb.held {
				key := fmt.Sprintf("class%c:%d", 'a'+i%26, i)
				if err := holder.add(key, time.Hour); err != nil {
					b.Fatal(err)
				}
				if bb.contended {
					_ = newClient(m, "poller").add(key, time.Hour)
				}
			}
			for b.Loop() {
				m.Metrics()
			}
			b.ReportMetric(float64(longestLook(m))/1e3, "us/shard")
		})
	}
}

// longestLook is the longest time that a shard is locked to count.
func longestLook(m *Manager) (longest time.Duration) {
	timed := func(count func()) {
		began := time.Now()
		count()
		longest = max(longest, time.Since(began))
	}
	for _, sh := range m.shards {
		for some := range slices.Chunk(slices.Collect(maps.Values(sh.lines)), stride) {
			timed(func() {
				for _, l := range some {
					sh.countWaiters(l)
				}
			})
		}
		for cursor, more := uint32(0), true; more; more = cursor != 0 {
			timed(func() { cursor = sh.table.Scan(cursor, stride, sh.countHold) })
		}
	}
	return longest
}
