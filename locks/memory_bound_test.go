package locks

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/stats"
	"github.com/lockcached/lockcached/waitqueue"
)

// counted is what counts towards the memory limit.
func counted(m *Manager) int64 { return m.Totals().MemoryBytes }

// refusedOnce makes a client that asks for nothing else be refused a lock.
func refusedOnce(t *testing.T, m *Manager, key string) *client {
	t.Helper()
	c := newClient(m, "poller")
	want(t, "claim of "+key, c.add(key, time.Hour), ErrNotStored)
	return c
}

// expireAfter lets time pass and expires what is due, for a Manager without Run.
func expireAfter(m *Manager, d time.Duration) {
	time.Sleep(d)
	m.expireDue()
}

// Whatever clients do to many keys, it counts, and memory stays within a small multiple
// of the limit: beside what counts there are the statistics that StatsKeys allow, what
// tables keep in reserve, and what the clients of this test take themselves.
func TestMemoryIsBounded(t *testing.T) {
	keys, limit := 100_000, int64(4<<20)
	if testing.Short() {
		keys, limit = keys/4, limit/4
	}
	one := new(client) // it is refused all locks
	for _, tt := range []struct {
		name   string
		config Config
		use    func(t *testing.T, m *Manager, key string)
	}{
		{"claimed-while-settling", Config{Settle: time.Hour}, func(t *testing.T, m *Manager, key string) {
			refusedOnce(t, m, key)
		}},
		{"claimed-while-settling-and-gone", Config{Settle: time.Hour}, func(t *testing.T, m *Manager, key string) {
			m.Close(&refusedOnce(t, m, key).session)
		}},
		{"waited-for-while-settling", Config{Settle: time.Hour}, func(t *testing.T, m *Manager, key string) {
			if p, err := newClient(m, "waiter").tryWait(key, time.Hour, time.Minute); err == ErrQueued {
				p.giveUp(false)
			}
		}},
		{"closed-by-lock-delay", Config{LockDelays: []LockDelay{{MustPattern("*"), time.Hour}}}, func(t *testing.T, m *Manager, key string) {
			if newClient(m, "holder").add(key, time.Millisecond) == nil {
				expireAfter(m, time.Millisecond)
			}
		}},
		{"refused-once", Config{}, func(t *testing.T, m *Manager, key string) {
			if newClient(m, "holder").add(key, time.Hour) == nil {
				m.Close(&refusedOnce(t, m, key).session)
				must(t, remove(m, key))
			}
		}},
		{"held-and-refused-once", Config{}, func(t *testing.T, m *Manager, key string) {
			if newClient(m, "holder").add(key, time.Hour) == nil {
				refusedOnce(t, m, key)
			}
		}},
		{"held-and-refused-once-to-one", Config{}, func(t *testing.T, m *Manager, key string) {
			if newClient(m, "holder").add(key, time.Hour) == nil {
				want(t, "claim of "+key, one.add(key, time.Hour), ErrNotStored)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.config.MemoryLimit, tt.config.StatsKeys = limit, 1000
				before := heapInUse()
				m := NewManager(tt.config)
				*one = client{m: m, name: "poller"}
				defer func() { *one = client{} }() // what it holds on to is not the next one's
				for i := range keys {
					tt.use(t, m, fmt.Sprint("lock:", i))
				}
				n, used := counted(m), int64(heapInUse()-before)
				t.Logf("%d kB are counted of %d, %d kB are used", n>>10, limit>>10, used>>10)
				if slack := int64(len(m.shards)) * (settleStep + 1024); n > limit+slack || n < limit-slack {
					t.Errorf("%d bytes are counted of %d", n, limit)
				}
				if used > 4*limit {
					t.Errorf("%d bytes are used with a limit of %d", used, limit)
				}
				runtime.KeepAlive(m)
			})
		})
	}
}

// A closed lock takes the place of its last hold, so that it is kept however full memory
// is. When there is nothing left to evict, other locks are not granted.
func TestClosedLocksFillTheMemory(t *testing.T) {
	bubble(t, Config{MemoryLimit: 1 << 20, LockDelays: []LockDelay{{MustPattern("*"), pause}}}, func(t *testing.T, m *Manager) {
		a := newClient(m, "")
		locks := 0
		for ; locks < 100_000; locks++ {
			if err := a.add(fmt.Sprint("key:", locks), 1); err != nil {
				want(t, "the first claim that has no room", err, ErrNoMemory)
				break
			}
			pass(1)
		}
		if locks == 100_000 {
			t.Fatal("there is room for more")
		}
		for i := range locks {
			want(t, "claim of a closed lock", a.add(fmt.Sprint("key:", i), time.Hour), ErrNotStored)
		}
		pass(pause)
		must(t, a.add("another", time.Hour))
		must(t, a.add("key:0", time.Hour))
	})
}

func TestClosedLockIsSmallerThanItsHold(t *testing.T) {
	for n := 1; n <= 250; n++ {
		c := closedLock{key: string(make([]byte, n))}
		sh := newShard(NewManager(Config{}), 1)
		if most := sh.table.SizeFor(n, 0); c.size() > most {
			t.Fatalf("closed, a lock with a key of %d bytes takes %d bytes, held only %d", n, c.size(), most)
		}
	}
	if n := unsafe.Sizeof(closedLock{}); n > 32 {
		t.Errorf("a closed lock is %d bytes", n)
	}
}

// If memory is full of locks, a client that is refused is not remembered as waiting, but
// is answered as ever; if cached items can make room, it is remembered.
func TestPollersWhenMemoryIsFull(t *testing.T) {
	bubble(t, Config{MemoryLimit: 1 << 20}, func(t *testing.T, m *Manager) {
		a := newClient(m, "a")
		must(t, a.add(key, time.Hour))
		for i := range 2000 {
			must(t, set(m, fmt.Sprint(i), string(make([]byte, 1000)), ttl.Forever))
		}
		known := refusedOnce(t, m, key)
		if l := lookup(m, []byte(key), &known.session); l.Polling != 1 {
			t.Errorf("%d poll where there is something to evict", l.Polling)
		}
		fill(t, 20_000, func(key string) error { return a.add(key, time.Hour) })
		m.SetMemoryLimit(1 << 19)
		for range 10 {
			stranger := refusedOnce(t, m, key)
			m.Close(&stranger.session)
		}
		want(t, "claim", known.add(key, time.Hour), ErrNotStored)
		if l := lookup(m, []byte(key), &known.session); l.Polling != 1 || l.Count(stats.Refused) != 12 {
			t.Errorf("%d poll, %d were refused; want 1 and 12", l.Polling, l.Count(stats.Refused))
		}
		must(t, remove(m, key))
	})
}

// All memory of lines and closed locks is given back, to the last byte.
func TestBytesOfLinesAreGivenBack(t *testing.T) {
	c := Config{Settle: time.Second, LockDelays: []LockDelay{{MustPattern("lock:*"), pause}}}
	bubble(t, c, func(t *testing.T, m *Manager) {
		var clients []*client
		for i := range 100 {
			k := fmt.Sprint("lock:", i)
			c := refusedOnce(t, m, k)
			clients = append(clients, c, refusedOnce(t, m, k))
			c.wait(t, k, time.Second, time.Minute)
		}
		pass(time.Second) // all are granted, and poll in vain until they expire
		for i, c := range clients {
			_ = c.add(fmt.Sprint("lock:", i/2), time.Second)
			if i%3 == 0 {
				m.Close(&c.session)
			}
		}
		if n := counted(m); n < 100*200 {
			t.Errorf("%d bytes are counted", n)
		}
		pass(2*pause + 3*waitqueue.MinPatience + time.Minute)
		for _, sh := range m.shards {
			if sh.lineBytes != 0 || sh.closedBytes != 0 || sh.bytes() != 0 {
				t.Errorf("%d bytes of lines, %d of closed locks, %d in all are left", sh.lineBytes, sh.closedBytes, sh.bytes())
			}
		}
	})
}

// While the server settles, a lock that is released goes to nobody, nor does one whose
// claims waited for an ordinary item.
func TestNoHandOffWhileSettling(t *testing.T) {
	bubble(t, Config{Settle: 10 * time.Second}, func(t *testing.T, m *Manager) {
		must(t, set(m, key, "item", time.Second))
		line := enqueue(t, m, 2, key, time.Hour, time.Minute)
		pass(5 * time.Second)
		wantOutcomes(t, line, "waits", "waits")
		pass(5*time.Second - 1)
		wantOutcomes(t, line, "waits", "waits")
		pass(1)
		wantOutcomes(t, line, "granted", "waits")
		if l := lookup(m, []byte(key), nil); l.Gap.Max() != 0 {
			t.Errorf("the lock is said to have been free for %v", l.Gap.Max())
		}
	})
}

// Nobody need be queued for a lock that settles: the first to ask then gets it, and the
// time before counts as no gap.
func TestSettleTakesNothingPerKey(t *testing.T) {
	bubble(t, Config{Settle: 10 * time.Second}, func(t *testing.T, m *Manager) {
		a := newClient(m, "a")
		for range 3 {
			want(t, "claim", a.add(key, time.Minute), ErrNotStored)
			pass(3 * time.Second)
		}
		for _, sh := range m.shards {
			if len(sh.closed) != 0 {
				t.Errorf("%d locks are remembered as closed", len(sh.closed))
			}
		}
		pass(2 * time.Second)
		must(t, a.add(key, time.Minute))
		if l := lookup(m, []byte(key), nil); l.Gap.Max() != time.Second || l.Wait.Max() != 11*time.Second {
			t.Errorf("free for %v while waited for, want 1s; waited for %v, want 11s", l.Gap.Max(), l.Wait.Max())
		}
	})
}

// What is done to locks that fill the memory takes no more of it. Where there is no room
// to know something of each, it counts for their class.
func TestStatsOfHeldLocksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 4 << 20
		before := heapInUse()
		m := NewManager(Config{MemoryLimit: limit, StatsKeys: 100})
		a, poller := newClient(m, "a"), newClient(m, "poller")
		locks := fill(t, 100_000, func(key string) error { return a.add(key, time.Hour) })
		for i := range locks {
			k := fmt.Sprint("key:", i)
			must(t, m.Touch([]byte(k), time.Hour))
			want(t, "claim of a held lock", poller.add(k, time.Hour), ErrNotStored)
			_ = poller.retry(k)
		}
		n, used := counted(m), int64(heapInUse()-before)
		t.Logf("%d locks are held; %d kB are counted of %d, %d kB are used", locks, n>>10, limit>>10, used>>10)
		if n > limit+int64(len(m.shards))*(settleStep+1024) || used > 3*limit {
			t.Errorf("%d bytes are counted, %d used, with a limit of %d", n, used, limit)
		}
		r, _ := m.Class("key")
		if r.Count(stats.Refused) != uint64(locks) || r.Count(stats.Renewed) != uint64(locks) {
			t.Errorf("%d refusals and %d renewals are counted for the class, want %d", r.Count(stats.Refused), r.Count(stats.Renewed), locks)
		}
		for i := range locks {
			must(t, remove(m, fmt.Sprint("key:", i)))
		}
		m.Close(&poller.session)
		expireAfter(m, time.Minute)
		if n := counted(m); n != 0 {
			t.Errorf("%d bytes are left", n)
		}
	})
}

// If cached items can make room, full statistics are kept of every held lock.
func TestStatsOfHeldLocksEvictItems(t *testing.T) {
	bubble(t, Config{MemoryLimit: 4 << 20, StatsKeys: 8, StatsClasses: 8}, func(t *testing.T, m *Manager) {
		a, poller := newClient(m, "a"), newClient(m, "poller")
		const locks = 1000
		for i := range locks {
			must(t, a.add(fmt.Sprint("key:", i), time.Hour))
		}
		for i := range 10_000 {
			must(t, set(m, fmt.Sprint("item:", i), string(make([]byte, 1000)), ttl.Forever))
		}
		fits := func(after string) {
			t.Helper()
			if n := counted(m); n > 4<<20+int64(len(m.shards))*(settleStep+1024) {
				t.Errorf("%d bytes are counted after %s", n, after)
			}
		}
		for i := range locks {
			must(t, m.Touch(fmt.Append(nil, "key:", i), time.Hour))
		}
		fits("renewals")
		for i := range locks {
			want(t, "claim of a held lock", poller.add(fmt.Sprint("key:", i), time.Hour), ErrNotStored)
		}
		fits("refusals")
		for i := range locks {
			if l := lookup(m, fmt.Append(nil, "key:", i), nil); l.Count(stats.Acquired) != 1 || l.Count(stats.Refused) != 1 {
				t.Fatalf("of lock %d is known %+v", i, l.Counters)
			}
		}
	})
}

// A claim that waited while the server settles leaves nothing behind.
func TestWaitsWhileSettlingLeaveNothing(t *testing.T) {
	bubble(t, Config{Settle: time.Hour}, func(t *testing.T, m *Manager) {
		for i := range 100 {
			newClient(m, "waiter").wait(t, fmt.Sprint("lock:", i), time.Hour, time.Minute).giveUp(true)
		}
		for _, sh := range m.shards {
			if len(sh.closed) != 0 || sh.bytes() != 0 {
				t.Errorf("%d locks are remembered as closed, %d bytes are counted", len(sh.closed), sh.bytes())
			}
		}
	})
}

// What counts for a held lock is what it takes.
func TestHeldLocksTakeWhatCounts(t *testing.T) {
	if n := unsafe.Sizeof(item{}); n > 88 {
		t.Errorf("an item is %d bytes: see store.slots", n)
	}
	synctest.Test(t, func(t *testing.T) {
		const locks = 50_000
		before := heapInUse()
		m := NewManager(Config{StatsKeys: 8, StatsClasses: 8})
		a := newClient(m, "holder-00001")
		claim := a.claim("bench:mem:0000000", time.Hour)
		for i := range locks {
			copy(claim.Key, fmt.Sprintf("bench:mem:%07d", i))
			_, err := m.Put(claim)
			must(t, err)
		}
		counts, takes := counted(m)/locks, int64(heapInUse()-before)/locks
		t.Logf("a held lock takes %d bytes, and %d count", takes, counts)
		if takes < counts*9/10 || takes > counts*11/10 {
			t.Errorf("a held lock takes %d bytes, but %d count", takes, counts)
		}
		runtime.KeepAlive(m)
	})
}
