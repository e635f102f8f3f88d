package locks

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestReconfigure: policies and bounds change, and what can only be set at the start stays.
func TestReconfigure(t *testing.T) {
	m := NewManager(Config{MaxWaiters: 5, StatsKeys: 100, Settle: time.Minute, MemoryLimit: 1 << 20})
	m.Reconfigure(Config{MaxWaiters: 6, RetryRate: 7, NoEvict: true, StatsKeys: 200, ItemSizeMax: 2048, MemoryLimit: 2 << 20})
	c := m.Config()
	if c.MaxWaiters != 6 || c.RetryRate != 7 || !c.NoEvict || c.MaxWait != DefaultMaxWait {
		t.Errorf("not changed: %+v", c)
	}
	if c.StatsKeys != 100 || c.ItemSizeMax != DefaultItemSizeMax || c.Settle != time.Minute || c.MemoryLimit != 1<<20 {
		t.Errorf("changed: %+v", c)
	}
}

// withHold is a configuration in which gets of pages are held.
func withHold(d time.Duration) Config {
	return Config{HoldPolicies: []FillPolicy{{MustPattern("page:*"), d}}}
}

// wantGet fails the test if a get is not answered like that. It returns the wait of one that is held.
func wantGet(t *testing.T, m *Manager, c *fillClient, key, want string) *fillWait {
	t.Helper()
	got, p := c.get(t, m, key)
	if got != want {
		t.Errorf("get %s: %s, want %s", key, got, want)
	}
	return p
}

// wantAnswer fails the test if a get that was held is not answered like that by now; "" if it waits.
func wantAnswer(t *testing.T, p *fillWait, m *Manager, want string) {
	t.Helper()
	synctest.Wait()
	got := ""
	if p.decided.Load() {
		got = p.answer(m)
	}
	if got != want {
		t.Errorf("the held get is told %q, want %q", got, want)
	}
}

// TestFirstFillPolicies come to a Manager that has had none.
func TestFirstFillPolicies(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		first, second, alice := newFillClient(m), newFillClient(m), newClient(m, "alice")
		must(t, alice.add("page:locked", time.Minute))
		wantGet(t, m, first, "page:1", "miss")
		wantGet(t, m, second, "page:1", "miss")
		if m.HasFills() || m.FillTotals() != (FillTotals{}) {
			t.Error("there are fills without policies")
		}
		m.Reconfigure(withHold(time.Minute))
		wantGet(t, m, first, "page:1", "miss")
		p := wantGet(t, m, second, "page:1", "held")
		_, err := m.Put(&Put{Op: Set, Key: []byte("page:1"), Value: []byte("x"), Lease: time.Minute, Session: first.session})
		must(t, err)
		wantAnswer(t, p, m, "x")
		wantOwner(t, m, "page:locked", "alice") // it goes on
		must(t, newClient(m, "bob").add("page:2", time.Minute))
		if lookup(m, []byte("page:2"), nil).Held {
			t.Error("a key with a policy became a lock")
		}
	})
}

// TestFillPolicyGoes: fills that have begun end as ever. Who asks later has nothing to do with them.
func TestFillPolicyGoes(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, m *Manager, filler *fillClient) (first, second string){
		"stored": func(t *testing.T, m *Manager, filler *fillClient) (string, string) {
			_, err := m.Put(&Put{Op: Set, Key: []byte("page:1"), Value: []byte("x"), Lease: time.Minute, Session: filler.session})
			must(t, err)
			return "x", "x"
		},
		"claimed": func(t *testing.T, m *Manager, filler *fillClient) (string, string) {
			want(t, "delete", m.Remove(&Removal{Key: []byte("page:1"), Session: new(Session)}), ErrNotFound)
			_, err := m.Put(&Put{Op: Add, Key: []byte("page:1"), Value: []byte("x"), Lease: time.Minute, Session: filler.session})
			must(t, err)
			wantOwner(t, m, "page:1", "x") // the key is a lock again, and the hold goes on
			return "x", "x"
		},
		"not stored in time": func(t *testing.T, m *Manager, filler *fillClient) (string, string) {
			pass(withHoldTime / 2)
			return "miss", ""
		},
		"nobody stores": func(t *testing.T, m *Manager, filler *fillClient) (string, string) {
			pass(withHoldTime)
			return "miss", "miss"
		},
		"the filler hangs up": func(t *testing.T, m *Manager, filler *fillClient) (string, string) {
			m.Close(filler.session)
			return "miss", ""
		},
		"the server ends": func(t *testing.T, m *Manager, filler *fillClient) (string, string) {
			m.EndWaits()
			return "miss", "miss"
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, withHold(withHoldTime), func(t *testing.T, m *Manager) {
				filler, first, second, later := newFillClient(m), newFillClient(m), newFillClient(m), newFillClient(m)
				wantGet(t, m, filler, "page:1", "miss")
				one := wantGet(t, m, first, "page:1", "held")
				two := wantGet(t, m, second, "page:1", "held")
				m.Reconfigure(Config{})
				wantGet(t, m, later, "page:1", "miss")
				if x, err := m.Fill([]byte("page:1")); err != nil || x.Held != 2 || !x.Filling {
					t.Errorf("%+v, %v", x, err)
				}
				wantOne, wantTwo := end(t, m, filler)
				wantAnswer(t, one, m, wantOne)
				wantAnswer(t, two, m, wantTwo)
				pass(2 * time.Minute)
				if got := m.FillTotals(); got.Held+got.Filling+got.Watched != 0 || got.Bytes != 0 {
					t.Errorf("left over: %+v", got)
				}
			})
		})
	}
}

const withHoldTime = 10 * time.Second

// TestFillPolicyChanges: a get is held for as long as the policy says when it asks.
func TestFillPolicyChanges(t *testing.T) {
	bubble(t, withHold(time.Minute), func(t *testing.T, m *Manager) {
		filler, first, second := newFillClient(m), newFillClient(m), newFillClient(m)
		wantGet(t, m, filler, "page:1", "miss") // it is given half a minute
		one := wantGet(t, m, first, "page:1", "held")
		m.Reconfigure(withHold(time.Second))
		two := wantGet(t, m, second, "page:1", "held")
		pass(time.Second)
		wantAnswer(t, one, m, "")
		wantAnswer(t, two, m, "miss")
		pass(29 * time.Second)
		wantAnswer(t, one, m, "miss")
		next := wantGet(t, m, filler, "page:1", "held") // by the first, which is given half a second
		pass(time.Second / 2)
		wantAnswer(t, next, m, "miss")
	})
}

// TestStalePolicyComesAndGoes: what has expired is shown as long as there is a policy.
func TestStalePolicyComesAndGoes(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		stale := Config{StalePolicies: []FillPolicy{{MustPattern("page:*"), time.Minute}}}
		filler, reader := newFillClient(m), newFillClient(m)
		must(t, set(m, "page:1", "x", time.Second))
		must(t, set(m, "page:2", "x", time.Second))
		m.Reconfigure(stale)
		pass(10 * time.Second)
		wantGet(t, m, filler, "page:1", "miss")
		wantGet(t, m, reader, "page:1", "x")
		m.Reconfigure(Config{})
		if _, ok := value(m, "page:1"); ok {
			t.Error("an old value is shown without a policy")
		}
		pass(time.Minute)
		if n := m.Totals().Items; n != 0 {
			t.Errorf("%d items are left", n)
		}
	})
}

// TestGuardComesAndGoes: a late delete is refused as long as there is a policy, and never one of a
// client that has been granted the lock since.
func TestGuardComesAndGoes(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		guarded := Config{GuardRelease: []Pattern{MustPattern("lock:*")}}
		alice, bob := newClient(m, "alice"), newClient(m, "bob")
		release := func(c *client) error {
			return m.Remove(&Removal{Key: []byte("lock:1"), Session: &c.session})
		}
		overrun := func() {
			t.Helper()
			must(t, alice.add("lock:1", time.Second))
			pass(2 * time.Second)
			must(t, bob.add("lock:1", time.Hour))
		}
		overrun()
		must(t, release(alice)) // bob's
		m.Reconfigure(guarded)
		overrun()
		want(t, "a late delete", release(alice), ErrNotFound)
		must(t, release(bob))
		overrun()
		m.Reconfigure(Config{})
		must(t, release(alice))
		must(t, alice.add("lock:1", time.Second)) // while there is no policy
		must(t, release(alice))
		m.Reconfigure(guarded)
		must(t, bob.add("lock:1", time.Hour))
		must(t, release(alice)) // by whoever: alice has lost nothing since
	})
}

// TestReconfigureAtOnce has policies change under clients of all kinds, for the race detector. No
// lock is lost, and nothing is left at the end.
func TestReconfigureAtOnce(t *testing.T) {
	configs := []Config{
		{},
		withHold(5 * time.Millisecond),
		{StalePolicies: []FillPolicy{{MustPattern("page:*"), 10 * time.Millisecond}}, GuardRelease: []Pattern{MustPattern("*")}},
		{EarlyPolicies: []EarlyPolicy{{MustPattern("*:1"), 1}}, HoldPolicies: []FillPolicy{{MustPattern("page:1"), time.Second}}},
	}
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		alice := newClient(m, "alice")
		must(t, alice.add("kept", time.Hour))
		token := lookup(m, []byte("kept"), nil).Token
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				c := newClient(m, fmt.Sprint(i))
				for range 100 {
					want(t, "add", c.add("own:"+c.name, time.Hour), nil)
					c.waitAWhile("shared")
					want(t, "delete", m.Remove(&Removal{Key: []byte("own:" + c.name), Session: &c.session}), nil)
					readAndStore(t, m, fmt.Sprint("page:", rand.IntN(3)))
				}
				m.Close(&c.session)
			})
		}
		all.Go(func() {
			for i := range 100 {
				m.Reconfigure(configs[i%len(configs)])
				time.Sleep(time.Millisecond)
			}
			m.Reconfigure(Config{})
		})
		all.Wait()
		if got := lookup(m, []byte("kept"), nil).Token; got != token {
			t.Errorf("the lock has token %d, had %d", got, token)
		}
		must(t, remove(m, "kept"))
		m.Flush(nil)
		pass(3 * time.Minute)
		if got := m.FillTotals(); got.Held+got.Filling+got.Watched != 0 || got.Bytes != 0 || m.waiters.Load() != 0 {
			t.Errorf("left over: %+v, %d waiters", got, m.waiters.Load())
		}
		if got := m.Totals(); got.Items+got.Held != 0 || got.Bytes != 0 {
			t.Errorf("left over: %+v", got)
		}
	})
}

// readAndStore is a client of a cache, which sometimes hangs up.
func readAndStore(t *testing.T, m *Manager, key string) {
	c := newFillClient(m)
	defer m.Close(c.session)
	answer, p := c.get(t, m, key)
	for i := rand.IntN(20); p != nil && !p.decided.Load(); i-- {
		if i == 0 {
			gone := rand.IntN(2) == 0
			if !m.Leave(p.hold, gone) {
				break
			}
		}
		time.Sleep(time.Millisecond)
	}
	if p != nil {
		answer = p.answer(m)
	}
	time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
	switch {
	case answer != "miss" || rand.IntN(4) == 0:
	case rand.IntN(4) == 0:
		_ = m.Remove(&Removal{Key: []byte(key), Session: c.session})
	default:
		op := []Op{Set, Add}[rand.IntN(2)]
		_, _ = m.Put(&Put{Op: op, Key: []byte(key), Value: []byte("x"), Lease: time.Duration(rand.IntN(20)) * time.Millisecond, Session: c.session})
	}
}

// TestFirstFillPoliciesAtOnce has the first policies come between gets.
func TestFirstFillPoliciesAtOnce(t *testing.T) {
	for range 200 {
		m := NewManager(Config{})
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				for j := range 20 {
					readAtOnce(m, fmt.Sprint("page:", i, j))
				}
			})
		}
		m.Reconfigure(withHold(time.Minute))
		all.Wait()
		if n := m.FillTotals().Filling; n > 60 {
			t.Errorf("%d keys are filled", n)
		}
	}
}

// readAtOnce gets a key, and stores it.
func readAtOnce(m *Manager, key string) {
	s := new(Session)
	_ = m.Fetch(&Fetch{Key: []byte(key), Session: s}, new(reading))
	_, _ = m.Put(&Put{Op: Set, Key: []byte(key), Value: []byte("x"), Lease: time.Minute, Session: s})
	m.Close(s)
}
