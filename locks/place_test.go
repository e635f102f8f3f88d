package locks

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lockcached/lockcached/waitqueue"
)

// A place in line is kept from the first refusal on.
func TestPlaceIsKept(t *testing.T) {
	for _, tt := range []struct {
		name  string
		early func(t *testing.T, m *Manager) *client // refused before the others wait
		want  string                                 // the one that is served first
	}{
		{"poller", func(t *testing.T, m *Manager) *client {
			c := newClient(m, "early")
			c.poll(t, key)
			return c
		}, "early"},
		{"timed-out", func(t *testing.T, m *Manager) *client {
			c := newClient(m, "early")
			c.wait(t, key, time.Minute, time.Second)
			return c
		}, "early"},
		{"gave-up", func(t *testing.T, m *Manager) *client {
			c := newClient(m, "early")
			c.wait(t, key, time.Minute, time.Second).giveUp(false)
			return c
		}, "early"},
		{"hung-up", func(t *testing.T, m *Manager) *client {
			c := newClient(m, "early")
			c.wait(t, key, time.Minute, time.Second).giveUp(true)
			return c
		}, "0"},
		{"reconnected", func(t *testing.T, m *Manager) *client {
			c := newClient(m, "early")
			c.poll(t, key)
			m.Close(&c.session)
			return newClient(m, "early")
		}, "early"},
		{"reconnected-twice", func(t *testing.T, m *Manager) *client {
			for range 2 {
				c := newClient(m, "early")
				c.poll(t, key)
				m.Close(&c.session)
			}
			return newClient(m, "early")
		}, "early"},
		{"reconnected-before-closing", func(t *testing.T, m *Manager) *client {
			c, again := newClient(m, "early"), newClient(m, "early")
			c.poll(t, key)
			again.poll(t, key)
			m.Close(&c.session)
			return again
		}, "early"},
		{"reconnected-after-a-time-out", func(t *testing.T, m *Manager) *client {
			c := newClient(m, "early")
			c.wait(t, key, time.Minute, time.Second).giveUp(false)
			m.Close(&c.session)
			return newClient(m, "early")
		}, "early"},
		{"reconnected-with-another-value", func(t *testing.T, m *Manager) *client {
			c := newClient(m, "early")
			c.poll(t, key)
			m.Close(&c.session)
			return newClient(m, "another")
		}, "0"},
		{"reconnected-with-the-holders-value", func(t *testing.T, m *Manager) *client {
			c := newClient(m, "holder")
			c.poll(t, key)
			m.Close(&c.session)
			return newClient(m, "holder")
		}, "0"},
		{"reconnected-without-a-value", func(t *testing.T, m *Manager) *client {
			c := newClient(m, "")
			c.poll(t, key)
			m.Close(&c.session)
			return newClient(m, "")
		}, "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, m *Manager) {
				must(t, newClient(m, "holder").add(key, time.Hour))
				early := tt.early(t, m)
				pass(time.Second)
				enqueue(t, m, 2, key, time.Hour, time.Minute)
				pass(time.Second)
				early.wait(t, key, time.Hour, time.Minute)
				if l := lookup(m, []byte(key), nil); l.Queued != 3 || l.Polling != 0 {
					t.Errorf("%d are queued, %d poll, want 3 and none", l.Queued, l.Polling)
				}
				must(t, remove(m, key))
				wantOwner(t, m, key, tt.want)
			})
		})
	}
}

// A client that was refused on one connection, closed it and is served on another has
// waited, and waits no longer.
func TestServedOnAnotherConnection(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Hour))
		early := newClient(m, "early")
		early.poll(t, key)
		m.Close(&early.session)
		pass(time.Second)
		must(t, remove(m, key))
		must(t, newClient(m, "early").add(key, time.Hour))
		if l := lookup(m, []byte(key), nil); l.Polling != 0 || l.Wait.Count() != 1 || l.Wait.Max() != time.Second {
			t.Errorf("%d poll; %d waits, the longest %v", l.Polling, l.Wait.Count(), l.Wait.Max())
		}
	})
}

// ranks are the places of clients in line as they see them, with how many wait.
func ranks(m *Manager, clients ...*client) (ranks []int, waiters int) {
	for _, c := range clients {
		l := lookup(m, []byte(key), &c.session)
		ranks, waiters = append(ranks, l.Rank), l.Waiters()
	}
	return ranks, waiters
}

func wantRanks(t *testing.T, m *Manager, clients []*client, want ...int) {
	t.Helper()
	if got, n := ranks(m, clients...); !slices.Equal(got, want) || n != len(want) {
		t.Errorf("%d wait, with ranks %v, want %v", n, got, want)
	}
}

// Waiters that store the same value count once for each connection, each with its own
// place.
func TestSameValue(t *testing.T) {
	for _, value := range []string{"1", "web-01", "", "holder"} {
		t.Run("value-"+value, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, m *Manager) {
				must(t, newClient(m, "holder").add(key, time.Hour))
				var all []*client
				for range 3 {
					all = append(all, newClient(m, value))
					all[len(all)-1].poll(t, key)
					pass(time.Second)
				}
				wantRanks(t, m, all, 0, 1, 2)
				all[2].poll(t, key)
				all[1].poll(t, key)
				wantRanks(t, m, all, 0, 1, 2)
				newcomer := newClient(m, value)
				p := newcomer.wait(t, key, time.Hour, time.Minute)
				if l := lookup(m, []byte(key), nil); l.Queued != 1 || l.Polling != 3 {
					t.Errorf("%d are queued, %d poll, want 1 and 3", l.Queued, l.Polling)
				}
				p.giveUp(false)
				wantRanks(t, m, append(all, newcomer), 0, 1, 2, 3)
				must(t, remove(m, key))
				must(t, all[1].add(key, time.Hour))
				wantRanks(t, m, []*client{all[0], all[2], newcomer}, 0, 1, 2)
			})
		})
	}
}

// If several clients that stored the same value close their connections, the place of
// each is kept and given out once, the first one first. A client in line takes none of
// them.
func TestSameValueAway(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Hour))
		var all []*client
		for _, name := range []string{"1", "1", "other", "1", "1"} {
			all = append(all, newClient(m, name))
			all[len(all)-1].poll(t, key)
			pass(time.Second)
		}
		for _, i := range []int{1, 0, 3} { // all[4] stays
			m.Close(&all[i].session)
		}
		all[4].poll(t, key)
		wantRanks(t, m, []*client{all[2], all[4]}, 0, 1)
		var again []*client
		for range 4 {
			again = append(again, newClient(m, "1"))
			again[len(again)-1].poll(t, key)
		}
		wantRanks(t, m, []*client{again[0], again[1], all[2], again[2], all[4], again[3]}, 0, 1, 2, 3, 4, 5)
	})
}

// A wait that ends keeps its own place, even if another client that stored the same has
// left one.
func TestTimedOutKeepsItsPlace(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Hour))
		first, second, third := newClient(m, "1"), newClient(m, "other"), newClient(m, "1")
		p := first.wait(t, key, time.Hour, time.Minute)
		pass(time.Second)
		second.poll(t, key)
		pass(time.Second)
		third.poll(t, key)
		m.Close(&third.session)
		p.giveUp(false)
		wantRanks(t, m, []*client{first, second}, 0, 1)
		third = newClient(m, "1")
		third.poll(t, key)
		wantRanks(t, m, []*client{first, second, third}, 0, 1, 2)
	})
}

// A connection that waits for too many locks at once loses its first place. It is not
// closed, so no other client gets that place.
func TestPlaceOfAnOpenConnectionDoesNotPass(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Hour))
		early, other := newClient(m, "1"), newClient(m, "other")
		early.poll(t, key)
		pass(time.Millisecond)
		other.poll(t, key)
		for i := range maxLines {
			must(t, newClient(m, "holder").add(fmt.Sprint(i), time.Hour))
			early.poll(t, fmt.Sprint(i))
		}
		late := newClient(m, "1")
		late.poll(t, key)
		wantRanks(t, m, []*client{other, late}, 0, 1)
	})
}

// The place of a client that is away is not kept for ever, and not past a grant.
func TestPlaceIsLost(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, m *Manager){
		"by-staying-away": func(_ *testing.T, _ *Manager) { pass(waitqueue.MinPatience + forgetEvery) },
		"by-a-grant": func(t *testing.T, m *Manager) {
			must(t, remove(m, key))
			must(t, newClient(m, "early").add(key, time.Hour))
			if l := lookup(m, []byte(key), nil); l.Wait.Count() != 1 || l.Wait.Max() != time.Second {
				t.Errorf("%d waits, the longest %v", l.Wait.Count(), l.Wait.Max())
			}
			must(t, remove(m, key))
			must(t, newClient(m, "holder").add(key, time.Hour))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, m *Manager) {
				must(t, newClient(m, "holder").add(key, time.Hour))
				early := newClient(m, "early")
				early.poll(t, key)
				m.Close(&early.session)
				pass(time.Second)
				lose(t, m)
				enqueue(t, m, 1, key, time.Hour, time.Minute)
				pass(time.Second)
				newClient(m, "early").wait(t, key, time.Hour, time.Minute)
				must(t, remove(m, key))
				wantOwner(t, m, key, "0")
			})
		})
	}
}

// However many leave, the places that are kept are bounded.
func TestPlacesAreBounded(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Hour))
		for i := range 2 * waitqueue.MaxKept {
			c := newClient(m, fmt.Sprint(i))
			c.poll(t, key)
			m.Close(&c.session)
		}
		if n := places(m); n != waitqueue.MaxKept {
			t.Errorf("%d places are kept, want %d", n, waitqueue.MaxKept)
		}
		pass(waitqueue.MinPatience + forgetEvery)
		if n := places(m) + lines(m); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}

// places is how many are kept for clients that have gone.
func places(m *Manager) (n int) {
	for _, sh := range m.shards {
		sh.mu.Lock()
		for _, l := range sh.lines {
			n += l.Kept()
		}
		sh.mu.Unlock()
	}
	return n
}

// worker takes a lock that it waited for, holds it for a while and queues again.
type worker struct {
	*client
	place *place
	held  int
}

// rounds makes workers take turns, and calls a function after each.
func rounds(t *testing.T, m *Manager, n, workers int, each func(round int)) (all []*worker) {
	for i := range workers {
		w := &worker{client: newClient(m, fmt.Sprint("worker", i))}
		w.place = w.wait(t, key, time.Hour, time.Hour)
		all = append(all, w)
	}
	for round := range n {
		pass(100 * time.Millisecond)
		must(t, remove(m, key))
		for _, w := range all {
			if w.place.String() == "granted" {
				w.held++
				w.place = w.wait(t, key, time.Hour, time.Hour) // which waits behind its own hold
			}
		}
		each(round)
	}
	return all
}

// A client that polls for a lock with an endless queue gets it all the same.
func TestOldPollerIsServed(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Hour))
		old := newClient(m, "old")
		old.poll(t, key)
		if old.session.overtaken != 0 {
			t.Error("overtaken though nobody is queued")
		}
		pass(time.Millisecond)
		var p *place
		rounds(t, m, 10, 3, func(round int) {
			switch {
			case p != nil:
			case old.session.overtaken == 0:
				old.poll(t, key)
			default:
				p = old.waitUnasked(t, key)
			}
			if owner(m, key) == "old" && round > 3 {
				t.Errorf("served in round %d", round)
			}
		})
		if p == nil || p.String() != "granted" || old.session.overtaken != 0 {
			t.Errorf("the poller %v, overtaken: %v", p, old.session.overtaken != 0)
		}
	})
}

// waitUnasked waits in line, as a client that was overtaken may.
func (c *client) waitUnasked(t *testing.T, key string) *place {
	t.Helper()
	p := &place{m: c.m}
	claim := c.claim(key, time.Hour)
	if wait := c.m.UnaskedWait(claim.Key, &c.session); wait != aMoment {
		t.Errorf("%s may wait for %v", c.name, wait)
	}
	if _, err := c.m.PutOrWait(claim, &Wait{For: 200 * time.Millisecond, Waiter: p, Waiting: &p.Waiting}); err != ErrQueued {
		t.Fatalf("%s may not wait: %v", c.name, err)
	}
	return p
}

// A session that was overtaken may wait for that lock only, and others may not.
func TestOvertakenMayWait(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Hour))
		must(t, newClient(m, "holder").add("another", time.Hour))
		early, late := newClient(m, "early"), newClient(m, "late")
		early.poll(t, key)
		pass(time.Millisecond)
		enqueue(t, m, 1, key, time.Hour, time.Minute)
		pass(time.Millisecond)
		early.poll(t, key)
		late.poll(t, key)
		if early.session.overtaken == 0 || late.session.overtaken != 0 {
			t.Errorf("overtaken: early %v, late %v", early.session.overtaken != 0, late.session.overtaken != 0)
		}
		for _, tt := range []struct {
			c   *client
			key string
		}{{late, key}, {early, "another"}} {
			if wait := m.UnaskedWait([]byte(tt.key), &tt.c.session); wait != 0 {
				t.Errorf("%s may wait for %s for %v", tt.c.name, tt.key, wait)
			}
		}
		early.waitUnasked(t, key)
		must(t, remove(m, key))
		wantOwner(t, m, key, "early")
	})
}

// New pollers in every round do not keep queued waiters from being served.
func TestQueuedAreServedWhilePollersCome(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Hour))
		var pollers []*client
		served := 0
		workers := rounds(t, m, 60, 3, func(round int) {
			for _, p := range pollers {
				if p.session.overtaken == 0 {
					p.poll(t, key)
				}
			}
			for i, p := range pollers {
				if p.session.overtaken != 0 {
					p.waitUnasked(t, key)
					pollers = append(pollers[:i], pollers[i+1:]...)
					served++
					break
				}
			}
			if round%2 == 0 {
				pollers = append(pollers, newClient(m, fmt.Sprint("poller", round)))
				pollers[len(pollers)-1].poll(t, key)
			}
		})
		for _, w := range workers {
			if w.held < 5 {
				t.Errorf("%s was served %d times", w.name, w.held)
			}
		}
		if served < 10 {
			t.Errorf("%d pollers were served", served)
		}
	})
}
