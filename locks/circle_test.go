package locks

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/stats"
)

// waitByName claims a held lock for a client that itself asks to wait.
func (c *client) waitByName(key string) (*place, error) {
	p := &place{m: c.m}
	claim := c.claim(key, time.Hour)
	_, err := c.m.PutOrWait(claim, &Wait{For: time.Minute, Waiter: p, Waiting: &p.Waiting, Named: true})
	return p, err
}

// release ends a hold over the client's own connection.
func (c *client) release(t *testing.T, key string) {
	t.Helper()
	must(t, c.m.Remove(&Removal{Key: []byte(key), Session: &c.session}))
}

// ring returns clients, each of which holds the lock named by its number.
func ring(t *testing.T, m *Manager, n int) (clients []*client) {
	t.Helper()
	for i := range n {
		c := newClient(m, fmt.Sprint("owner", i))
		must(t, c.add(fmt.Sprint(i), time.Hour))
		clients = append(clients, c)
	}
	return clients
}

// wantDeadlock fails the test unless a wait that has just closed a circle ends when the
// circle has stood for long enough, and not before.
func wantDeadlock(t *testing.T, what string, p *place, err error) {
	t.Helper()
	want(t, what, err, ErrQueued)
	pass(circleStands - 1)
	if p.String() != "waits" {
		t.Errorf("%s: %v before the circle has stood for %v", what, p, circleStands)
	}
	pass(1)
	if p.String() != "timed out" {
		t.Errorf("%s: %v, want it timed out", what, p)
	}
}

// The claim that closes a circle is refused after a while, the others go on to wait.
func TestCircle(t *testing.T) {
	for _, tt := range []struct {
		length int
		found  bool
	}{{2, true}, {3, true}, {10, true}, {maxCircle, true}, {maxCircle + 1, false}} {
		bubble(t, Config{}, func(t *testing.T, m *Manager) {
			clients := ring(t, m, tt.length)
			var line []*place
			for i, c := range clients[:tt.length-1] {
				p, err := c.waitByName(fmt.Sprint(i + 1))
				want(t, "a wait in a row", err, ErrQueued)
				line = append(line, p)
			}
			p, err := clients[tt.length-1].waitByName("0")
			if !tt.found {
				want(t, "the last wait of a circle too long", err, ErrQueued)
				pass(circleStands)
				wantOutcomes(t, []*place{p}, "waits")
				return
			}
			wantDeadlock(t, "the last wait of a circle", p, err)
			l := lookup(m, []byte("0"), nil)
			if n := m.Totals().Counters[stats.Deadlocks]; n != 1 || l.Counters[stats.Deadlocks] != 1 || l.Polling != 1 {
				t.Errorf("%d deadlocks are counted in all, %d and %d pollers at the lock", n, l.Counters[stats.Deadlocks], l.Polling)
			}
			for i := tt.length - 1; i > 0; i-- { // the refused one gives way, then the others in turn
				clients[i].release(t, fmt.Sprint(i))
				wantOutcomes(t, line[i-1:i], "granted")
			}
		})
	}
}

func TestNoCircle(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, a, b *client){
		"one-waits-by-policy": func(t *testing.T, a, b *client) {
			a.wait(t, "b", time.Hour, time.Minute)
		},
		"one-wait-is-over": func(t *testing.T, a, b *client) {
			_, err := a.waitByName("b")
			want(t, "wait", err, ErrQueued)
			pass(time.Minute)
		},
		"one-gave-up": func(t *testing.T, a, b *client) {
			p, err := a.waitByName("b")
			want(t, "wait", err, ErrQueued)
			p.giveUp(true)
		},
		"a-lock-changed-hands": func(t *testing.T, a, b *client) {
			a.release(t, "a")
			must(t, newClient(a.m, "c").add("a", time.Hour))
			_, err := a.waitByName("b")
			want(t, "wait", err, ErrQueued)
		},
		// Of several clients that share a connection one may hold and another wait.
		"a-waits-for-its-own-lock": func(t *testing.T, a, b *client) {
			p, err := a.waitByName("a")
			want(t, "wait for one's own lock", err, ErrQueued)
			p.giveUp(false)
			_, err = a.waitByName("b")
			want(t, "wait", err, ErrQueued)
		},
		"a-lock-of-a-was-released-by-another": func(t *testing.T, a, b *client) {
			must(t, a.add("other", time.Hour))
			newClient(a.m, "c").release(t, "other")
			_, err := a.waitByName("b")
			want(t, "wait", err, ErrQueued)
		},
		"all-locks-were-flushed-by-the-server": func(t *testing.T, a, b *client) {
			must(t, a.add("other", time.Hour))
			a.m.FlushAfter(time.Second)
			pass(time.Second)
			must(t, a.add("a", time.Hour))
			must(t, b.add("b", time.Hour))
			_, err := a.waitByName("b")
			want(t, "wait", err, ErrQueued)
		},
		"all-locks-were-flushed-by-another-node": func(t *testing.T, a, b *client) {
			a.m.FlushAfter(0)
			must(t, a.add("a", time.Hour))
			must(t, b.add("b", time.Hour))
			_, err := a.waitByName("b")
			want(t, "wait", err, ErrQueued)
		},
		"a-lock-of-b-was-compared-and-deleted-by-another": func(t *testing.T, a, b *client) {
			must(t, b.add("other", time.Hour))
			c := newClient(a.m, "c")
			removal := c.claim("other", 0)
			removal.Op, removal.Compare = CompareAndSwap, lookup(a.m, []byte("other"), nil).Token
			_, err := c.m.Put(removal)
			must(t, err)
			_, err = a.waitByName("b")
			want(t, "wait", err, ErrQueued)
		},
		"an-item-is-no-lock": func(t *testing.T, a, b *client) {
			a.release(t, "a")
			must(t, set(a.m, "a", "x", time.Hour))
			_, err := a.waitByName("b")
			want(t, "wait", err, ErrQueued)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, m *Manager) {
				a, b := newClient(m, "a"), newClient(m, "b")
				must(t, a.add("a", time.Hour))
				must(t, b.add("b", time.Hour))
				prepare(t, a, b)
				p, err := b.waitByName("a")
				want(t, "the wait that closes nothing", err, ErrQueued)
				pass(2 * circleStands)
				wantOutcomes(t, []*place{p}, "waits")
				if n := m.Totals().Counters[stats.Deadlocks]; n != 0 {
					t.Errorf("%d deadlocks are counted", n)
				}
			})
		})
	}
}

// A hand-off makes a new holder, a renewal by another client does not.
func TestCircleAfterHandOff(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		a, b, c := newClient(m, "a"), newClient(m, "b"), newClient(m, "c")
		must(t, a.add("x", time.Hour))
		must(t, c.add("y", time.Hour))
		first, err := b.waitByName("x")
		want(t, "b waits", err, ErrQueued)
		_, err = c.waitByName("x")
		want(t, "c waits", err, ErrQueued)
		a.release(t, "x")
		wantOutcomes(t, []*place{first}, "granted")
		must(t, m.Touch([]byte("x"), time.Hour))
		must(t, set(m, "x", "somebody", time.Hour))
		p, err := b.waitByName("y")
		wantDeadlock(t, "b waits for c, which waits for b", p, err)
	})
}

// The log says who holds what, beginning with the lock that was claimed.
func TestCircleInTheLog(t *testing.T) {
	var log bytes.Buffer
	bubble(t, Config{Logger: zerolog.New(&log)}, func(t *testing.T, m *Manager) {
		clients := ring(t, m, 3)
		for i := range clients {
			_, err := clients[i].waitByName(fmt.Sprint((i + 1) % len(clients)))
			want(t, "wait", err, ErrQueued)
		}
		pass(circleStands)
	})
	const line = `{"level":"warn","claimant":"owner2","circle":[{"lock":"0","owner":"owner0"},{"lock":"1","owner":"owner1"},` +
		`{"lock":"2","owner":"owner2"}],"message":"ended a wait to break a deadlock"}` + "\n"
	if got := log.String(); got != line {
		t.Errorf("logged %s", got)
	}
}

// All circles are counted, some are logged.
func TestManyCirclesInTheLog(t *testing.T) {
	const circles = 2 * maxCirclesLogged
	var log bytes.Buffer
	bubble(t, Config{Logger: zerolog.New(&log)}, func(t *testing.T, m *Manager) {
		for i := range circles {
			a, b := newClient(m, "a"), newClient(m, "b")
			x, y := fmt.Sprint("x", i), fmt.Sprint("y", i)
			must(t, a.add(x, time.Hour))
			must(t, b.add(y, time.Hour))
			_, errA := a.waitByName(y)
			_, errB := b.waitByName(x)
			want(t, "a waits", errA, ErrQueued)
			want(t, "b waits", errB, ErrQueued)
		}
		pass(circleStands)
		if n := m.Totals().Counters[stats.Deadlocks]; n != circles {
			t.Errorf("%d are counted, want %d", n, circles)
		}
	})
	if n := strings.Count(log.String(), "\n"); n != maxCirclesLogged {
		t.Errorf("%d are logged, want %d", n, maxCirclesLogged)
	}
}

// What looks like a circle need not be one: workers share two connections, each of which
// was granted a lock to one of them and has another one wait. Nobody is refused, because
// the holders make progress.
func TestCircleOfAPool(t *testing.T) {
	for _, later := range []time.Duration{0, 10 * time.Millisecond, circleStands - 1} {
		bubble(t, Config{}, func(t *testing.T, m *Manager) {
			x, y := newClient(m, "x"), newClient(m, "y")
			must(t, x.add("a", time.Hour))
			must(t, y.add("b", time.Hour))
			forB, err := x.waitByName("b")
			want(t, "a wait over x", err, ErrQueued)
			forA, err := y.waitByName("a")
			want(t, "a wait over y", err, ErrQueued)
			pass(later)
			third := newClient(m, "third") // the pool has opened it because the others are in use
			third.release(t, "a")
			third.release(t, "b")
			wantOutcomes(t, []*place{forB, forA}, "granted", "granted")
			if n := m.Totals().Counters[stats.Deadlocks]; n != 0 {
				t.Errorf("%d deadlocks are counted", n)
			}
		})
	}
}

// A circle that was broken and closed again begins to stand anew.
func TestCircleClosedAgain(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		clients := ring(t, m, 2)
		other, err := clients[0].waitByName("1")
		want(t, "wait", err, ErrQueued)
		first, err := clients[1].waitByName("0")
		want(t, "the wait that closes the circle", err, ErrQueued)
		pass(circleStands / 2)
		other.giveUp(false)
		again, err := clients[0].waitByName("1")
		wantDeadlock(t, "the wait that closes it again", again, err)
		wantOutcomes(t, []*place{first}, "waits")
	})
}

// A hold that ends over another connection than it began on shows that the latter is
// shared, whatever ends it.
func TestReleaseOverAnotherConnection(t *testing.T) {
	key := []byte("other")
	for name, end := range map[string]func(m *Manager, by *Session) error{
		"delete": func(m *Manager, by *Session) error { return m.Remove(&Removal{Key: key, Session: by}) },
		"md x T-1": func(m *Manager, by *Session) error {
			return m.Remove(&Removal{Key: key, Session: by, Empty: true, HasLease: true})
		},
		"md I T-1": func(m *Manager, by *Session) error {
			return m.Remove(&Removal{Key: key, Session: by, Invalidate: true, HasLease: true})
		},
		"touch -1": func(m *Manager, by *Session) error { return renew(m, &Renewal{Key: key, Session: by}) },
		"gat -1": func(m *Manager, by *Session) error {
			return renew(m, &Renewal{Key: key, Session: by, Reader: new(reading)})
		},
		"mg T-1": func(m *Manager, by *Session) error {
			return m.Look(&Look{Key: key, Session: by, Touch: true}, viewFunc(func(v *View) { v.Touch(0) }))
		},
		"ma T-1": func(m *Manager, by *Session) error {
			return m.Count(&Delta{Key: key, Session: by, Touch: true}, viewFunc(func(v *View) { v.Touch(0) }))
		},
		"set -1": func(m *Manager, by *Session) error {
			_, err := m.Put(&Put{Op: Set, Key: key, Session: by})
			return err
		},
		"replace -1": func(m *Manager, by *Session) error {
			_, err := m.Put(&Put{Op: Replace, Key: key, Session: by})
			return err
		},
		"flush_all": func(m *Manager, by *Session) error { _, err := m.Flush(by); return err },
	} {
		t.Run(name, func(t *testing.T) {
			for _, own := range []bool{false, true} {
				bubble(t, Config{}, func(t *testing.T, m *Manager) {
					holder := newClient(m, "1") // a number, for ma
					must(t, holder.add(string(key), time.Hour))
					by := &holder.session
					if !own {
						by = new(Session)
					}
					must(t, end(m, by))
					if shared := holder.session.self.shared.Load(); shared == own {
						t.Errorf("released over its own connection: %v; that counts as shared: %v", own, shared)
					}
				})
			}
		})
	}
}

// If all close the circle at the same moment, one is refused when it has stood for long
// enough; it gives way, and all others get their locks without more time passing.
func TestCircleClosedByAll(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			m := running(t, Config{})
			clients := ring(t, m, 5)
			began := time.Now()
			var all sync.WaitGroup
			for i, c := range clients {
				all.Go(func() {
					own, next := fmt.Sprint(i), fmt.Sprint((i+1)%len(clients))
					b := &blocking{outcome: make(chan Outcome, 1)}
					claim := c.claim(next, time.Hour)
					if _, err := m.PutOrWait(claim, &Wait{For: time.Minute, Waiter: b, Waiting: &b.Waiting, Named: true}); err == ErrQueued {
						<-b.outcome
					}
					c.release(t, own)
				})
			}
			all.Wait()
			if n := m.Totals().Counters[stats.Deadlocks]; n != 1 || time.Since(began) != circleStands {
				t.Errorf("%d were refused, it took %v", n, time.Since(began))
			}
		})
	}
}

// TestCircleModel lets clients claim and release at random, and compares who is
// refused with what a search of the whole graph says.
func TestCircleModel(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	bubble(t, Config{MaxWait: ttl.Forever}, func(t *testing.T, m *Manager) {
		w := &circleWorld{m: m, random: rand.New(rand.NewPCG(seed, 0)), held: make(map[string]*circleClient)}
		for i := range 8 {
			w.clients = append(w.clients, &circleClient{client: newClient(m, fmt.Sprint(i))})
		}
		for range 20_000 {
			w.step(t)
			if t.Failed() {
				return
			}
		}
		t.Logf("%d grants, %d hand-offs, %d circles", m.Totals().Counters[stats.Acquired], m.Totals().Counters[stats.HandedOff], m.Totals().Counters[stats.Deadlocks])
		if m.Totals().Counters[stats.Deadlocks] == 0 {
			t.Error("there was no circle")
		}
	})
}

type circleWorld struct {
	m       *Manager
	random  *rand.Rand
	clients []*circleClient
	held    map[string]*circleClient // by lock
	line    []*circleClient          // all that wait, in the order in which they came
}

type circleClient struct {
	*client
	at     *place // nil if it does not wait
	wants  string
	shared bool
}

func (w *circleWorld) step(t *testing.T) {
	c := w.clients[w.random.IntN(len(w.clients))]
	key := fmt.Sprint("lock:", w.random.IntN(6))
	switch holder := w.held[key]; {
	case c.at != nil && w.random.IntN(3) == 0:
		c.at.giveUp(true)
		w.leave(c)
	case c.at != nil:
	case w.random.IntN(300) == 0:
		w.m.Close(&c.session) // and the client connects anew
		*c = circleClient{client: newClient(w.m, c.name)}
		for key, holder := range w.held {
			if holder == c {
				w.held[key] = &circleClient{client: newClient(w.m, "gone")}
			}
		}
	case holder == nil:
		must(t, c.add(key, ttl.Forever))
		w.held[key] = c
	case holder == c && w.random.IntN(50) > 0 || w.random.IntN(100) == 0:
		c.release(t, key)
		holder.shared = holder.shared || holder != c
		w.handOff(t, key)
	default:
		w.wait(t, c, key)
	}
}

// wait claims a lock that is held, perhaps by the client itself.
func (w *circleWorld) wait(t *testing.T, c *circleClient, key string) {
	t.Helper()
	c.shared = c.shared || w.held[key] == c
	closes := w.reaches(key, c)
	p := &place{m: w.m}
	claim := c.claim(key, ttl.Forever)
	claim.Value = nil // does not identify it, so that no place is kept for it
	_, err := w.m.PutOrWait(claim, &Wait{For: ttl.Forever, Waiter: p, Waiting: &p.Waiting, Named: true})
	if closes {
		wantDeadlock(t, c.name+" waits for "+key, p, err)
		w.m.Close(&c.session) // it polls no more
		return
	}
	want(t, c.name+" waits for "+key, err, ErrQueued)
	c.at, c.wants = p, key
	w.line = append(w.line, c)
}

// reaches reports whether the holder of the lock waits for c, directly or not.
func (w *circleWorld) reaches(key string, c *circleClient) bool {
	for range w.clients {
		holder := w.held[key]
		switch {
		case holder.shared:
			return false
		case holder == c:
			return true
		case holder.at == nil:
			return false
		}
		key = holder.wants
	}
	return false
}

func (w *circleWorld) handOff(t *testing.T, key string) {
	delete(w.held, key)
	i := slices.IndexFunc(w.line, func(c *circleClient) bool { return c.wants == key })
	if i < 0 {
		return
	}
	next := w.line[i]
	wantOutcomes(t, []*place{next.at}, "granted")
	w.held[key] = next
	w.leave(next)
}

func (w *circleWorld) leave(c *circleClient) {
	w.line = slices.DeleteFunc(w.line, func(other *circleClient) bool { return other == c })
	c.at, c.wants = nil, ""
}
