package locks

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/stats"
)

const key = "lock:job"

func TestGrantRefuseRelease(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		a, b := newClient(m, "a"), newClient(m, "b")
		must(t, a.add(key, time.Minute))
		want(t, "add of a held lock", b.add(key, time.Minute), ErrNotStored)
		want(t, "add by its holder", a.add(key, time.Minute), ErrNotStored)
		wantOwner(t, m, key, "a")
		must(t, remove(m, key))
		wantOwner(t, m, key, "")
		want(t, "delete of a free lock", remove(m, key), ErrNotFound)
		must(t, b.add(key, time.Minute))
		wantOwner(t, m, key, "b")

		l := lookup(m, []byte(key), nil)
		if l.Counters[stats.Acquired] != 2 || l.Counters[stats.Refused] != 2 || l.Counters[stats.Released] != 1 || l.Counters[stats.Expired] != 0 {
			t.Errorf("counted %+v", l.Counters)
		}
	})
}

func TestExpiryIsActedOnWhenDue(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "a").add(key, time.Second))
		pass(time.Second - 1)
		if n := m.Totals().Held; n != 1 {
			t.Errorf("%d locks are held a nanosecond before the lease ends", n)
		}
		pass(1)
		// Totals looks at no item: if the lock is gone, Run has ended it.
		if n := m.Totals().Held; n != 0 {
			t.Errorf("%d locks are held when the lease has ended", n)
		}
		l := lookup(m, []byte(key), nil)
		if l.Counters[stats.Expired] != 1 || l.Counters[stats.Released] != 0 || l.Hold.Count() != 0 || l.Censored.Max() != time.Second {
			t.Errorf("counted %+v, %v censored", l.Counters, l.Censored.Max())
		}
	})
}

// Without Run a lease ends all the same, as soon as the key is used.
func TestExpiryIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewManager(Config{})
		a := newClient(m, "a")
		for _, tt := range []struct {
			name string
			look func() error
			want error
		}{
			{"delete", func() error { return remove(m, key) }, ErrNotFound},
			{"touch", func() error { return m.Touch([]byte(key), time.Hour) }, ErrNotFound},
			{"add", func() error { return a.add(key, time.Hour) }, nil},
		} {
			_ = remove(m, key)
			must(t, a.add(key, time.Second))
			time.Sleep(time.Second)
			want(t, tt.name, tt.look(), tt.want)
		}
	})
}

func TestLeases(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name  string
		lease time.Duration
		held  time.Duration // still held then
		free  time.Duration // 0 for never
	}{
		{"shortest", 1, 0, 1},
		{"one-second", time.Second, time.Second - 1, time.Second},
		{"a-day", day, day - 1, day},
		{"forever", ttl.Forever, day, 0},
		{"almost-forever", ttl.Forever - 1, day, 0}, // added to the time it is, it overflows
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, m *Manager) {
				must(t, newClient(m, "a").add(key, tt.lease))
				pass(tt.held)
				wantOwner(t, m, key, "a")
				if tt.free > 0 {
					pass(tt.free - tt.held)
					wantOwner(t, m, key, "")
				}
			})
		})
	}
}

// An add with a lease that is over is answered as by memcached, and is not a hold.
func TestLeaseThatIsOver(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "a").add(key, 0))
		if _, ok := value(m, key); ok {
			t.Error("there is an item")
		}
		must(t, newClient(m, "b").add(key, time.Second))
		if n := m.Totals().Counters[stats.Acquired]; n != 1 {
			t.Errorf("%d grants", n)
		}
	})
}

// The two holds of the article: 1.0 s and 0.1 s.
func TestHoldTimes(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		for name, hold := range map[string]time.Duration{"a": time.Second, "b": 100 * time.Millisecond} {
			must(t, newClient(m, name).add(key, time.Minute))
			pass(hold)
			must(t, remove(m, key))
			pass(time.Second) // nobody's
		}
		l := lookup(m, []byte(key), nil)
		near := func(name string, got, want float64) {
			if math.Abs(got-want) > float64(3*time.Millisecond) {
				t.Errorf("%s is %v, want %v", name, time.Duration(got), time.Duration(want))
			}
		}
		near("mean", l.Hold.Mean(), float64(550*time.Millisecond))
		near("standard deviation", l.Hold.Stddev(), float64(636*time.Millisecond))
		if l.Hold.Count() != 2 || l.Hold.Min() != 100*time.Millisecond || l.Hold.Max() != time.Second {
			t.Errorf("%d holds from %v to %v", l.Hold.Count(), l.Hold.Min(), l.Hold.Max())
		}
	})
}

// holdOps are requests for the lock with that key, by the names of the protocol.
func holdOps(m *Manager, lease time.Duration) map[string]func() error {
	put := func(op Op) func() error {
		return func() error {
			p := &Put{Op: op, Key: []byte(key), Value: []byte("x"), Lease: lease}
			if op == CompareAndSwap {
				p.Compare = lookup(m, []byte(key), nil).Token
			}
			_, err := m.Put(p)
			return err
		}
	}
	return map[string]func() error{
		"set": put(Set), "replace": put(Replace), "cas": put(CompareAndSwap),
		"append": put(Append), "prepend": put(Prepend),
		"touch": func() error { return m.Touch([]byte(key), lease) },
		"gat":   func() error { return renew(m, &Renewal{Key: []byte(key), Lease: lease, Reader: new(reading)}) },
	}
}

func TestRenewals(t *testing.T) {
	for name := range holdOps(nil, 0) {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, m *Manager) {
				must(t, newClient(m, "a").add(key, 10*time.Second))
				pass(4 * time.Second)
				must(t, holdOps(m, 20*time.Second)[name]())
				ttl := 20 * time.Second
				if name == "append" || name == "prepend" {
					ttl = 6 * time.Second // they keep the expiry
				}
				pass(time.Second)
				l := lookup(m, []byte(key), nil)
				if !l.Held || l.Age != 5*time.Second || l.TTL != ttl-time.Second {
					t.Errorf("held %v for %v, %v are left", l.Held, l.Age, l.TTL)
				}
				if l.Counters[stats.Acquired] != 1 || l.Counters[stats.Renewed] != 1 || l.Counters[stats.Released] != 0 {
					t.Errorf("counted %+v", l.Counters)
				}
				pass(ttl - time.Second)
				wantOwner(t, m, key, "")
			})
		})
	}
}

// A request that is refused or only reads renews nothing.
func TestNoRenewals(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "1").add(key, 10*time.Second))
		want(t, "add", newClient(m, "2").add(key, time.Hour), ErrNotStored)
		_, err := m.Put(&Put{Op: CompareAndSwap, Key: []byte(key), Lease: time.Hour, Compare: 1})
		want(t, "cas with another token", err, ErrExists)
		_, _ = value(m, key)
		_, _, err = m.Arith(&Delta{Key: []byte(key), By: 1})
		want(t, "incr", err, nil)
		if l := lookup(m, []byte(key), nil); l.TTL != 10*time.Second || l.Counters[stats.Renewed] != 0 {
			t.Errorf("renewed %d times, %v are left", l.Counters[stats.Renewed], l.TTL)
		}
	})
}

// A negative exptime arrives as a lease that is over.
func TestReleases(t *testing.T) {
	releases := func(m *Manager) map[string]func() error {
		all := holdOps(m, -time.Second)
		delete(all, "append") // which have no say in the expiry
		delete(all, "prepend")
		all["delete"] = func() error { return remove(m, key) }
		all["flush"] = func() error { _, err := m.Flush(nil); return err }
		return all
	}
	for name := range releases(nil) {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, m *Manager) {
				must(t, newClient(m, "a").add(key, time.Minute))
				b := newClient(m, "b").wait(t, key, time.Minute, time.Minute)
				pass(time.Second)
				must(t, releases(m)[name]())
				wantOutcomes(t, []*place{b}, "granted")
				must(t, releases(m)[name]())
				wantOwner(t, m, key, "")
				l := lookup(m, []byte(key), nil)
				if l.Counters[stats.Released] != 2 || l.Counters[stats.Expired] != 0 || l.Counters[stats.Renewed] != 0 || l.Counters[stats.HandedOff] != 1 || l.Hold.Max() != time.Second {
					t.Errorf("counted %+v, longest hold %v", l.Counters, l.Hold.Max())
				}
			})
		})
	}
}

func TestOrdinaryItemsAreNoLocks(t *testing.T) {
	bubble(t, Config{LockKeys: []Pattern{MustPattern("lock:*")}}, func(t *testing.T, m *Manager) {
		must(t, set(m, "lock:made-by-set", "x", time.Second))
		must(t, newClient(m, "a").add("another:key", time.Second))
		want(t, "add", newClient(m, "b").add("another:key", time.Second), ErrNotStored)
		want(t, "add", newClient(m, "b").add("lock:made-by-set", time.Second), ErrNotStored)
		if n := m.Totals(); n.Held != 0 || n.Counters[stats.Acquired] != 0 || n.Counters[stats.Refused] != 0 || n.Polling != 0 || n.Items != 2 {
			t.Errorf("%+v", n)
		}
		pass(time.Second)
		for _, key := range []string{"lock:made-by-set", "another:key"} {
			if _, ok := value(m, key); ok {
				t.Errorf("%s outlives its lease", key)
			}
		}
	})
}

func TestTokensRise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		last := uint64(0)
		for range 3 { // restarts
			m := NewManager(Config{})
			for _, key := range []string{"a", "b", "c", "a", "b"} {
				_ = remove(m, key)
				done, err := m.Put(newClient(m, "x").claim(key, time.Minute))
				must(t, err)
				if done.CAS <= last || done.CAS != lookup(m, []byte(key), nil).Token {
					t.Errorf("token %d after %d, %d is shown", done.CAS, last, lookup(m, []byte(key), nil).Token)
				}
				last = done.CAS
			}
			time.Sleep(time.Microsecond)
		}
	})
}

func TestFlush(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "a").add(key, time.Minute))
		must(t, newClient(m, "a").add("unwanted", time.Minute))
		must(t, set(m, "item", "x", ttl.Forever))
		line := enqueue(t, m, 2, key, time.Minute, time.Minute)
		m.Flush(nil)
		wantOutcomes(t, line, "granted", "waits") // one flush, one step
		wantOwner(t, m, key, "0")
		wantOwner(t, m, "unwanted", "")
		if _, ok := value(m, "item"); ok {
			t.Error("an item survived")
		}
		must(t, set(m, "later", "x", ttl.Forever))
		pass(time.Second)
		if _, ok := value(m, "later"); !ok {
			t.Error("what was stored after the flush is gone")
		}
	})
}

func TestFlushAfter(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "a").add(key, time.Minute))
		m.FlushAfter(10 * time.Second)
		must(t, set(m, "stored-after-it", "x", ttl.Forever))
		pass(10*time.Second - 1)
		wantOwner(t, m, key, "a")
		pass(1)
		if n := m.Totals().Held; n != 0 {
			t.Error("not flushed in time")
		}
		if _, ok := value(m, "stored-after-it"); ok {
			t.Error("an item survived")
		}
	})
}

// A later flush replaces one that is pending.
func TestFlushAfterIsReplaced(t *testing.T) {
	for _, tt := range []struct {
		name  string
		later func(m *Manager)
		at    time.Duration // when there is a flush after 5 s, 0 for never
	}{
		{"later", func(m *Manager) { m.FlushAfter(20 * time.Second) }, 20 * time.Second},
		{"sooner", func(m *Manager) { m.FlushAfter(6 * time.Second) }, 6 * time.Second},
		{"now", func(m *Manager) { m.Flush(nil) }, 0},
		{"now-by-delay", func(m *Manager) { m.FlushAfter(0) }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, m *Manager) {
				m.FlushAfter(10 * time.Second)
				tt.later(m)
				must(t, newClient(m, "a").add(key, time.Hour))
				if tt.at == 0 {
					pass(time.Minute)
					wantOwner(t, m, key, "a")
					return
				}
				pass(tt.at - 1)
				wantOwner(t, m, key, "a")
				pass(1)
				wantOwner(t, m, key, "")
			})
		})
	}
}
