package locks

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/stats"
	"github.com/lockcached/lockcached/waitqueue"
)

// use takes a lock and gives it back.
func use(t *testing.T, m *Manager, key []byte) {
	_, err := m.Put(&Put{Op: Add, Key: key, Value: []byte("x"), Lease: time.Minute})
	must(t, err)
	must(t, m.Delete(key))
}

// A million keys used once each cost no more than the bound says.
func TestStatsAreBounded(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 100_000
	}
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		var key []byte
		for i := range n {
			key = letters(append(key[:0], "lock:"...), i)
			use(t, m, append(key, ":17"...)) // each of a class of its own
		}
		if got := m.Totals().StatsKeys; got > DefaultStatsKeys || got < DefaultStatsKeys*9/10 {
			t.Errorf("statistics of %d keys are kept", got)
		}
		if got := len(m.Classes()); got > DefaultStatsClasses*len(m.shards) {
			t.Errorf("statistics of %d classes are kept", got)
		}
		if lines(m) != 0 {
			t.Errorf("%d lines are kept", lines(m))
		}
		if got := m.Totals().Counters[stats.Acquired]; got != uint64(n) {
			t.Errorf("%d grants were counted", got)
		}
	})
}

// What is known of a key takes memory, more if somebody waited for it, but no more
// than StatsKeys allow.
func TestStatsMemory(t *testing.T) {
	once, contended := 1_000_000, 100_000
	if testing.Short() {
		once, contended = once/10, contended/5
	}
	for _, tt := range []struct {
		name string
		most uint64 // bytes for each of the StatsKeys
		fill func(m *Manager)
	}{
		{"used-once", 750, func(m *Manager) {
			for i := range once {
				use(t, m, fmt.Append(nil, "lock:", i))
			}
		}},
		{"refused-once", 1300, func(m *Manager) {
			for i := range contended {
				holdFor(t, m, fmt.Sprint("lock:", i), time.Duration(i%1000)*time.Millisecond)
			}
		}},
		// The last ones, which are remembered, get full statistics.
		{"always-contended", 2500, func(m *Manager) {
			for i := range contended {
				key, holds := fmt.Sprint("lock:", i), 1
				if i >= contended-DefaultStatsKeys {
					holds = 40
				}
				for h := range holds {
					holdFor(t, m, key, time.Millisecond<<(h%14)) // over all buckets there may be
				}
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := NewManager(Config{})
				before := heapInUse()
				tt.fill(m)
				for _, sh := range m.shards { // nobody runs it
					sh.mu.Lock()
					for sh.forget(m.now() + time.Hour) {
					}
					sh.mu.Unlock()
				}
				used, keys := heapInUse()-before, uint64(m.Totals().StatsKeys)
				t.Logf("%d kB for %d keys: %d bytes each", used>>10, keys, used/keys)
				if used > tt.most*DefaultStatsKeys {
					t.Errorf("%d bytes are used, at most %d wanted", used, tt.most*DefaultStatsKeys)
				}
				runtime.KeepAlive(m)
			})
		})
	}
}

// heapInUse is how many bytes are in use.
func heapInUse() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// letters appends a number in letters, which make a class where digits do not.
func letters(dst []byte, n int) []byte {
	for ; n > 0; n /= 26 {
		dst = append(dst, 'a'+byte(n%26))
	}
	return dst
}

// What is known of a held lock stays, however many others are used meanwhile.
func TestStatsOfAHeldLockStay(t *testing.T) {
	bubble(t, Config{StatsKeys: 8, StatsClasses: 8}, func(t *testing.T, m *Manager) {
		use(t, m, []byte("job:1"))
		must(t, newClient(m, "holder").add("job:1", time.Minute))
		newClient(m, "poller").poll(t, "job:1")
		for i := range 1000 {
			use(t, m, letters([]byte("other:"), i))
		}
		must(t, remove(m, "job:1"))
		if l := lookup(m, []byte("job:1"), nil); l.Counters[stats.Acquired] != 2 || l.Counters[stats.Refused] != 1 || l.Counters[stats.Released] != 2 {
			t.Errorf("counted %+v", l.Counters)
		}
	})
}

// The locks of a class are in all shards.
func TestClassIsMerged(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		for i := range 100 {
			must(t, newClient(m, "x").add(fmt.Sprint("job:", i), time.Minute))
			must(t, newClient(m, "x").add(fmt.Sprint("rare:", i%3), time.Minute))
			pass(time.Duration(i) * time.Millisecond)
			must(t, remove(m, fmt.Sprint("job:", i)))
			must(t, remove(m, fmt.Sprint("rare:", i%3)))
		}
		use(t, m, []byte("job:17"))
		r, ok := m.Class("job")
		if !ok || r.Counters[stats.Acquired] != 101 || r.Counters[stats.Released] != 101 || r.Hold.Count() != 101 || r.Hold.Max() != 99*time.Millisecond {
			t.Errorf("%v, %+v, %d holds up to %v", ok, r.Counters, r.Hold.Count(), r.Hold.Max())
		}
		if _, ok := m.Class("jo"); ok {
			t.Error("there is a class that nobody used")
		}
		all := m.Classes()
		if len(all) != 2 || all[0].Name != "job" || all[1].Name != "rare" || all[1].Counters[stats.Acquired] != 100 {
			t.Errorf("classes %+v", all)
		}
	})
}

// A class that was forgotten while one of its locks was held begins anew, once.
func TestForgottenClass(t *testing.T) {
	bubble(t, Config{StatsKeys: 1, StatsClasses: 1}, func(t *testing.T, m *Manager) {
		held := newClient(m, "holder")
		must(t, held.add("job:1", time.Minute))
		newClient(m, "poller").poll(t, "job:1") // now there is something to know
		use(t, m, []byte("other:1"))            // and job is forgotten
		for range 3 {
			use(t, m, []byte("job:2"))
		}
		must(t, remove(m, "job:1"))
		use(t, m, []byte("job:2"))
		if r, _ := m.Class("job"); r.Counters[stats.Released] != 5 {
			t.Errorf("%d releases are known, want 5", r.Counters[stats.Released])
		}
	})
}

func TestContended(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		for i, waiters := range []int{0, 2, 1, 0} {
			key := fmt.Sprint("lock:", i)
			must(t, newClient(m, "holder").add(key, time.Minute))
			for range waiters {
				newClient(m, "p").poll(t, key)
			}
			enqueue(t, m, waiters, key, time.Minute, time.Minute)
		}
		newClient(m, "p").poll(t, "lock:3")
		must(t, remove(m, "lock:3"))
		pass(waitqueue.MinPatience + 1) // nobody waits for it any more
		all := m.Contended(10)
		got := ""
		for _, c := range all {
			got += fmt.Sprintf("%s held=%v waiters=%d; ", c.Name, c.Held, c.Waiters)
		}
		if want := "lock:1 held=true waiters=2; lock:2 held=true waiters=1; lock:3 held=false waiters=0; "; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if n := len(m.Contended(2)); n != 2 {
			t.Errorf("%d rows, want 2", n)
		}
	})
}

// What "stats reset" forgets, and what the server still knows.
func TestResetCounters(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		use(t, m, []byte(key))
		must(t, newClient(m, "holder").add(key, time.Minute))
		enqueue(t, m, 2, key, time.Minute, time.Minute)[0].giveUp(true)
		m.ResetCounters()
		total := m.Totals()
		if total.Counters[stats.Acquired] != 0 || total.CmdSet != 0 || total.WaitersPeak != 1 {
			t.Errorf("%+v", total)
		}
		if total.Held != 1 || total.Queued != 1 || total.TotalItems != 2 {
			t.Errorf("%+v", total)
		}
		if l := lookup(m, []byte(key), nil); l.Counters[stats.Acquired] != 2 || l.Hold.Count() != 1 {
			t.Errorf("%+v", l)
		}
	})
}

// At all locks together no more than MaxWaitersTotal wait, in line or as pollers.
func TestWaitersAreBounded(t *testing.T) {
	bubble(t, Config{MaxWaitersTotal: 10}, func(t *testing.T, m *Manager) {
		holder := newClient(m, "holder")
		for i := range 20 {
			must(t, holder.add(fmt.Sprint(i), time.Hour))
		}
		var queued []*place
		for i := range 6 {
			queued = append(queued, newClient(m, "waiter").wait(t, fmt.Sprint(i), time.Hour, time.Minute))
		}
		for i := range 14 {
			want(t, "add", newClient(m, "poller").add(fmt.Sprint(6+i), time.Hour), ErrNotStored)
		}
		_, err := newClient(m, "late").tryWait("0", time.Hour, time.Minute)
		want(t, "a wait where too many wait", err, ErrNotStored)
		if total := m.Totals(); total.Queued != 6 || total.Polling != 4 || lines(m) != 10 {
			t.Errorf("%d are queued, %d poll, %d lines are kept", total.Queued, total.Polling, lines(m))
		}
		must(t, remove(m, "0"))
		wantOutcomes(t, queued[:1], "granted")
		newClient(m, "late").wait(t, "0", time.Hour, time.Minute)
		pass(time.Minute) // all waits are over, and none finds room among the pollers
		if total := m.Totals(); total.Queued != 0 || total.Polling > 10 || lines(m) > 10 {
			t.Errorf("%d are queued, %d poll, %d lines are kept", total.Queued, total.Polling, lines(m))
		}
	})
}
