package locks

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/waitqueue"
)

// slack is how many items of 1 kB may be too many in a full memory, because the shards
// report their memory in steps.
const slack = 64 * settleStep / 1000

// fill stores under new keys until one is refused, and returns how many were
// stored.
func fill(t *testing.T, most int, store func(key string) error) int {
	t.Helper()
	for n := range most {
		if err := store(fmt.Sprint("key:", n)); err != nil {
			want(t, "the last to be stored", err, ErrNoMemory)
			return n
		}
	}
	t.Fatalf("%d are stored, and there is room for more", most)
	return 0
}

func TestLockIsNotEvicted(t *testing.T) {
	bubble(t, Config{MemoryLimit: 4 << 20}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Hour))
		must(t, set(m, "item", "x", time.Hour))
		megabytes, values := 100, 100<<20/10_000
		if testing.Short() {
			megabytes, values = 10, 10<<20/10_000
		}
		for i := range values {
			must(t, set(m, fmt.Sprint("other:", i), strings.Repeat("x", 10_000), ttl.Forever))
		}
		wantOwner(t, m, key, "holder")
		if _, ok := value(m, "item"); ok {
			t.Errorf("an ordinary item survived %d MB", megabytes)
		}
		total := m.Totals()
		if total.Bytes > total.LimitBytes || total.Bytes < total.LimitBytes*9/10 {
			t.Errorf("%d bytes are used of %d", total.Bytes, total.LimitBytes)
		}
		if total.Evictions != uint64(values+2-total.Items) || total.NoMemory != 0 {
			t.Errorf("%d evictions, %d of %d items are there", total.Evictions, total.Items, values+2)
		}
	})
}

func TestOnlyLocksAreLeft(t *testing.T) {
	bubble(t, Config{MemoryLimit: 1 << 20}, func(t *testing.T, m *Manager) {
		must(t, set(m, "item", "x", ttl.Forever))
		a := newClient(m, strings.Repeat("x", 1000))
		locks := fill(t, 10_000, func(key string) error { return a.add(key, time.Hour) })
		total := m.Totals()
		if total.Held != locks || total.Items != locks || total.NoMemory != 1 {
			t.Errorf("%d locks are held, want %d; %d items, %d refused", total.Held, locks, total.Items, total.NoMemory)
		}
		want(t, "set", set(m, "item", a.name, ttl.Forever), ErrNoMemory)
		want(t, "set of a held lock to more", set(m, "key:0", strings.Repeat("x", 10_000), time.Hour), ErrNoMemory)
		wantOwner(t, m, "key:0", strings.Repeat("x", maxShown))
		for i := range slack {
			must(t, remove(m, fmt.Sprint("key:", i)))
		}
		must(t, newClient(m, "b").add("another", time.Hour))
	})
}

// A full memory must not keep a holder from renewing its lock.
func TestRenewalWhenMemoryIsFull(t *testing.T) {
	bubble(t, Config{MemoryLimit: 1 << 20}, func(t *testing.T, m *Manager) {
		a := newClient(m, strings.Repeat("x", 1001))
		locks := fill(t, 10_000, func(key string) error { return a.add(key, time.Hour) })
		m.SetMemoryLimit(1 << 19) // fuller than full
		for i := range locks {
			must(t, set(m, fmt.Sprint("key:", i), a.name, time.Hour))
			must(t, set(m, fmt.Sprint("key:", i), "shorter", time.Hour))
		}
	})
}

func TestNoEvict(t *testing.T) {
	bubble(t, Config{MemoryLimit: 1 << 20, NoEvict: true}, func(t *testing.T, m *Manager) {
		v := strings.Repeat("x", 1000)
		items := fill(t, 10_000, func(key string) error { return set(m, key, v, ttl.Forever) })
		want(t, "add", newClient(m, v).add(key, time.Minute), ErrNoMemory)
		if _, ok := value(m, "key:0"); !ok {
			t.Error("the first item is gone")
		}
		must(t, set(m, "key:0", v, ttl.Forever))
		want(t, "set that needs more", set(m, "key:1", v+v, ttl.Forever), ErrNoMemory)
		if _, ok := value(m, "key:1"); ok {
			t.Error("a failed set left the old value") // which memcached does not either
		}
		for i := range slack {
			_ = remove(m, fmt.Sprint("key:", i))
		}
		must(t, newClient(m, v).add(key, time.Minute))
		if total := m.Totals(); total.Evictions != 0 || total.Items != items-slack+1 {
			t.Errorf("%d evictions, %d items, want %d", total.Evictions, total.Items, items)
		}
	})
}

func TestSetMemoryLimit(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Hour))
		for i := range 1000 {
			must(t, set(m, fmt.Sprint(i), strings.Repeat("x", 10_000), ttl.Forever))
		}
		m.SetMemoryLimit(1 << 20)
		wantOwner(t, m, key, "holder")
		if total := m.Totals(); total.Bytes > 1<<20 || total.Bytes < 1<<19 {
			t.Errorf("%d bytes are used of %d", total.Bytes, total.LimitBytes)
		}
	})
}

// An item is evicted in a shard of its own though another one is full.
func TestRoomIsMadeAnywhere(t *testing.T) {
	bubble(t, Config{MemoryLimit: 1 << 20}, func(t *testing.T, m *Manager) {
		must(t, set(m, "large", strings.Repeat("x", 900<<10), ttl.Forever))
		must(t, set(m, "another", strings.Repeat("x", 900<<10), ttl.Forever))
		for i := range 50 { // in all shards
			must(t, newClient(m, strings.Repeat("x", 10_000)).add(fmt.Sprint(i), time.Hour))
		}
		if total := m.Totals(); total.Held != 50 || total.Evictions != 2 {
			t.Errorf("%d locks are held, %d evictions", total.Held, total.Evictions)
		}
	})
}

func TestTooLarge(t *testing.T) {
	large := strings.Repeat("x", 1100)
	for _, tt := range []struct {
		op    Op
		err   error
		keeps bool // the ordinary item that was there
	}{
		{Set, ErrTooLarge, false}, // as memcached
		{Add, ErrTooLarge, true},
		{Replace, ErrTooLarge, true},
		{CompareAndSwap, ErrTooLarge, true},
		{Append, ErrTooLarge, true},
		{Prepend, ErrTooLarge, true},
	} {
		t.Run(fmt.Sprint(tt.op), func(t *testing.T) {
			bubble(t, Config{ItemSizeMax: 1024}, func(t *testing.T, m *Manager) {
				must(t, newClient(m, "holder").add(key, time.Minute))
				must(t, set(m, "item", "old", time.Minute))
				for _, key := range []string{key, "item"} {
					_, err := m.Put(&Put{Op: tt.op, Key: []byte(key), Value: []byte(large), Lease: time.Minute})
					want(t, key, err, tt.err)
				}
				wantOwner(t, m, key, "holder")
				if v, _ := value(m, "item"); (v == "old") != tt.keeps {
					t.Errorf("the item is %q", v)
				}
				if n := m.Totals().TooLarge; n != 2 {
					t.Errorf("%d too large", n)
				}
			})
		})
	}
}

// A piece that makes a value too large is not stored, and the old value stays.
func TestGrowsTooLarge(t *testing.T) {
	for _, op := range []Op{Append, Prepend} {
		bubble(t, Config{ItemSizeMax: 1024}, func(t *testing.T, m *Manager) {
			half := strings.Repeat("x", 500)
			must(t, set(m, "item", half, time.Minute))
			_, err := m.Put(&Put{Op: op, Key: []byte("item"), Value: []byte(half)})
			want(t, "joining", err, ErrNotStored)
			if v, _ := value(m, "item"); v != half {
				t.Errorf("%d bytes are left", len(v))
			}
		})
	}
}

// The largest value is memcached's.
func TestItemSizeMax(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		const most = 1<<20 - headerBytes - 1 // with a key of one byte
		must(t, set(m, "k", strings.Repeat("x", most), ttl.Forever))
		want(t, "one more", set(m, "k", strings.Repeat("x", most+1), ttl.Forever), ErrTooLarge)
		_, err := m.Put(&Put{Op: Set, Key: []byte("k"), Value: make([]byte, most), Flags: 1, Lease: ttl.Forever})
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("with flags: %v", err)
		}
	})
}

func TestMemoryIsGivenBack(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		for i := range 1000 {
			key := fmt.Sprint(i)
			must(t, newClient(m, strings.Repeat("x", i)).add(key, time.Duration(i+1)*time.Millisecond))
			if i%2 == 0 {
				must(t, set(m, key, strings.Repeat("y", 2*i), time.Second))
			}
		}
		pass(time.Second)
		if total := m.Totals(); total.Bytes != 0 || total.Items != 0 || m.used.Load() > int64(len(m.shards))*settleStep {
			t.Errorf("%d bytes in %d items, %d settled", total.Bytes, total.Items, m.used.Load())
		}
	})
}

// The values of queued claims count: if memory is full of them, one more claim does not
// wait.
func TestQueuedClaimsTakeMemory(t *testing.T) {
	bubble(t, Config{MemoryLimit: 1 << 20}, func(t *testing.T, m *Manager) {
		holder := newClient(m, "holder")
		must(t, holder.add(key, time.Hour))
		for i := range 2000 {
			must(t, set(m, fmt.Sprint(i), strings.Repeat("x", 1000), ttl.Forever)) // which gives way
		}
		large := strings.Repeat("x", 10_000)
		var line []*place
		for {
			p, err := newClient(m, large).tryWait(key, time.Hour, time.Minute)
			if err != ErrQueued {
				want(t, "the first claim that has no room", err, ErrNotStored)
				break
			}
			line = append(line, p)
		}
		const each = int64(10_000 + len(key))
		total := m.Totals()
		if n := int64(len(line)); n < 90 || n > 104 || total.QueuedBytes != n*each || total.NoMemory != 0 {
			t.Errorf("%d claims wait, %d bytes are counted; %d were refused for want of memory", n, total.QueuedBytes, total.NoMemory)
		}
		must(t, m.Touch([]byte(key), time.Hour))
		want(t, "a claim of a free lock", newClient(m, large).add("another", time.Hour), ErrNoMemory)

		line[1].giveUp(true)
		holder.wait(t, key, time.Hour, time.Minute) // there is room again
		must(t, remove(m, key))
		wantOutcomes(t, line[:1], "granted")
		pass(time.Minute)
		pass(2 * waitqueue.MinPatience) // and those whose wait is over do not come back
		if total := m.Totals(); total.QueuedBytes != 0 || total.Held != 1 || m.used.Load() < each || m.used.Load() > 2*each {
			t.Errorf("%d bytes of claims are left, %d locks, %d bytes", total.QueuedBytes, total.Held, m.used.Load())
		}
	})
}

// A full memory does not keep a holder from releasing, nor the lock from being handed
// over.
func TestReleaseWhenMemoryIsFull(t *testing.T) {
	bubble(t, Config{MemoryLimit: 1 << 20}, func(t *testing.T, m *Manager) {
		a := newClient(m, "a")
		must(t, a.add(key, time.Hour))
		line := enqueue(t, m, 3, key, time.Hour, time.Minute)
		locks := fill(t, 20_000, func(key string) error { return a.add(key, time.Hour) })
		want(t, "a claim", a.add("another", time.Hour), ErrNoMemory)
		want(t, "a claim of a held lock", a.add(key, time.Hour), ErrNotStored)
		m.SetMemoryLimit(1 << 19) // fuller than full
		_, err := a.tryWait(key, time.Hour, time.Minute)
		want(t, "a wait", err, ErrNotStored)
		for i := range 3 {
			must(t, remove(m, key))
			wantOutcomes(t, line[i:i+1], "granted")
		}
		for i := range locks {
			must(t, m.Touch(fmt.Append(nil, "key:", i), time.Hour))
			must(t, remove(m, fmt.Sprint("key:", i)))
		}
	})
}
