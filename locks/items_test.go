package locks

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
)

func TestPut(t *testing.T) {
	for _, tt := range []struct {
		name        string
		op          Op
		absent      error  // with no item of that key
		onTop       error  // with one of the value "old"
		leaves      string // of these two
		leavesOnTop string
	}{
		{"set", Set, nil, nil, "new", "new"},
		{"add", Add, nil, ErrNotStored, "new", "old"},
		{"replace", Replace, ErrNotStored, nil, "", "new"},
		{"append", Append, ErrNotStored, nil, "", "oldnew"},
		{"prepend", Prepend, ErrNotStored, nil, "", "newold"},
		{"cas-with-another-id", CompareAndSwap, ErrNotFound, ErrExists, "", "old"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, m *Manager) {
				must(t, set(m, "there", "old", time.Minute))
				for key, want := range map[string]struct {
					err    error
					leaves string
				}{"absent": {tt.absent, tt.leaves}, "there": {tt.onTop, tt.leavesOnTop}} {
					_, err := m.Put(&Put{Op: tt.op, Key: []byte(key), Value: []byte("new"), Lease: time.Minute, Compare: 1})
					if v, _ := value(m, key); err != want.err || v != want.leaves {
						t.Errorf("%s: %v, leaves %q, want %v, %q", key, err, v, want.err, want.leaves)
					}
				}
			})
		})
	}
}

// An expired item is absent for everything, though Run has not come by yet.
func TestExpiredItemIsAbsent(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		for _, op := range []Op{Replace, Append, Prepend, CompareAndSwap} {
			must(t, set(m, "item", "old", time.Second))
			time.Sleep(time.Second)
			_, err := m.Put(&Put{Op: op, Key: []byte("item"), Lease: time.Minute})
			if err != ErrNotStored && err != ErrNotFound {
				t.Errorf("op %d: %v", op, err)
			}
		}
		must(t, set(m, "item", "1", time.Second))
		time.Sleep(time.Second)
		_, _, err := m.Arith(&Delta{Key: []byte("item"), By: 1})
		want(t, "incr", err, ErrNotFound)
		want(t, "gat", renew(m, &Renewal{Key: []byte("item"), Lease: time.Minute, Reader: new(reading)}), ErrNotFound)
	})
}

func TestArith(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		by          uint64
		decr        bool
		want        uint64
		leaves      string // "" if it is not a number
	}{
		{"incr", "5", 3, false, 8, "8"},
		{"incr-grows", "9", 1, false, 10, "10"},
		{"incr-wraps", "18446744073709551615", 1, false, 0, "0                   "},
		{"incr-max", "0", math.MaxUint64, false, math.MaxUint64, "18446744073709551615"},
		{"decr", "5", 3, true, 2, "2"},
		{"decr-pads", "10", 1, true, 9, "9 "},
		{"decr-stops-at-zero", "5", 6, true, 0, "0"},
		{"padded", "9 ", 1, false, 10, "10"},
		{"leading-space", " 5", 1, false, 6, "6 "},
		{"plus", "+5", 1, false, 6, "6 "},
		{"leading-zeros", "007", 1, false, 8, "8  "},
		{"line-end", "5\r\n", 1, false, 6, "6  "},
		{"empty", "", 1, false, 0, ""},
		{"space-only", " ", 1, false, 0, ""},
		{"plus-only", "+", 1, false, 0, ""},
		{"negative", "-1", 1, false, 0, ""},
		{"trailing-letter", "5x", 1, false, 0, ""},
		{"overflow", "18446744073709551616", 1, false, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, m *Manager) {
				must(t, set(m, "n", tt.value, time.Minute))
				n, _, err := m.Arith(&Delta{Key: []byte("n"), By: tt.by, Decr: tt.decr})
				v, _ := value(m, "n")
				if tt.leaves == "" {
					want(t, "arith", err, ErrNotNumber)
				} else if err != nil || n != tt.want || v != tt.leaves {
					t.Errorf("%d, %v, leaves %q, want %d, %q", n, err, v, tt.want, tt.leaves)
				}
			})
		})
	}
}

func TestArithOfNothing(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		for _, decr := range []bool{true, false} {
			_, _, err := m.Arith(&Delta{Key: []byte("n"), By: 1, Decr: decr})
			want(t, "arith", err, ErrNotFound)
		}
		if total := m.Totals(); total.IncrMisses != 1 || total.DecrMisses != 1 {
			t.Errorf("%d and %d misses", total.IncrMisses, total.DecrMisses)
		}
	})
}

// Every request moves the counter that memcached has for it.
func TestCounts(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, set(m, "n", "1", time.Minute))
		_, _ = value(m, "n")
		_, _ = value(m, "absent")
		_, _, _ = m.Arith(&Delta{Key: []byte("n"), By: 1})
		_, _, _ = m.Arith(&Delta{Key: []byte("n"), By: 1, Decr: true})
		_ = m.Touch([]byte("n"), time.Minute)
		_ = m.Touch([]byte("absent"), time.Minute)
		for _, id := range []uint64{1, m.token.Load()} {
			_, _ = m.Put(&Put{Op: CompareAndSwap, Key: []byte("n"), Compare: id, Lease: time.Minute})
		}
		_, _ = m.Put(&Put{Op: CompareAndSwap, Key: []byte("absent"), Lease: time.Minute})
		_ = remove(m, "n")
		_ = remove(m, "n")
		want := Counts{CmdGet: 2, GetHits: 1, GetMisses: 1, CmdSet: 4, CmdTouch: 2, TouchHits: 1, TouchMisses: 1,
			IncrHits: 1, DecrHits: 1, CasHits: 1, CasBadval: 1, CasMisses: 1, DeleteHits: 1, DeleteMisses: 1, TotalItems: 2}
		if got := m.Totals().Counts; got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

func TestEvictionCounts(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		v := strings.Repeat("x", 100<<10)
		must(t, set(m, "forever", v, ttl.Forever))
		must(t, set(m, "expires", v, time.Minute))
		must(t, set(m, "expired", v, time.Second))
		must(t, set(m, "read", v, ttl.Forever))
		_, _ = value(m, "read")
		pass(time.Second)
		m.SetMemoryLimit(1)
		c := m.Totals().Counts
		if c.Evictions != 3 || c.EvictedNonzero != 1 || c.EvictedActive != 1 || c.EvictedUnfetched != 2 {
			t.Errorf("%d evictions: %d with an expiry, %d read, %d not", c.Evictions, c.EvictedNonzero, c.EvictedActive, c.EvictedUnfetched)
		}
		if c.Reclaimed != 1 || c.ExpiredUnfetched != 1 {
			t.Errorf("%d expired, %d of them never read", c.Reclaimed, c.ExpiredUnfetched)
		}
	})
}

func TestDump(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		for i := range 100 {
			must(t, set(m, fmt.Sprint(i), "x", time.Minute))
		}
		must(t, set(m, "forever", "x", ttl.Forever))
		must(t, set(m, "expired", "x", time.Second))
		pass(time.Second)
		seen := make(map[string]time.Duration)
		collect := viewFunc(func(v *View) { seen[string(v.Item.Key())] = v.TTL })
		m.Dump(collect, func() bool { return true })
		if len(seen) != 101 || seen["forever"] != ttl.Forever || seen["7"] != 59*time.Second {
			t.Errorf("%d keys, one for %v, one for %v", len(seen), seen["forever"], seen["7"])
		}
		clear(seen)
		m.Dump(collect, func() bool { return len(seen) == 0 })
		if len(seen) == 0 || len(seen) == 101 {
			t.Errorf("ended after %d keys", len(seen))
		}
	})
}

func TestConfigDefaults(t *testing.T) {
	c := NewManager(Config{StatsKeys: 5}).Config()
	if c.MemoryLimit != DefaultMemoryLimit || c.ItemSizeMax != DefaultItemSizeMax || c.StatsKeys != 5 ||
		c.StatsClasses != DefaultStatsClasses || c.ClassDelimiter != ':' || c.MaxWait != DefaultMaxWait ||
		c.MaxWaiters != DefaultMaxWaiters {
		t.Errorf("%+v", c)
	}
}
