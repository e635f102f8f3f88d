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
)

// waitByName claims a held lock as a client does that itself asks to wait.
func (c *client) waitByName(key string) (*place, error) {
	p := &place{m: c.m}
	claim := c.claim(key, time.Hour)
	claim.Wait, claim.Waiter, claim.Waiting, claim.Named = time.Minute, p, &p.Waiting, true
	_, err := c.m.Put(claim)
	return p, err
}

// release ends a hold over the client's own connection.
func (c *client) release(t *testing.T, key string) {
	t.Helper()
	must(t, c.m.Remove(&Removal{Key: []byte(key), Session: &c.session}))
}

// ring returns clients each of which holds the lock that is called by its number.
func ring(t *testing.T, m *Manager, n int) (clients []*client) {
	t.Helper()
	for i := range n {
		c := newClient(m, fmt.Sprint("owner", i))
		must(t, c.add(fmt.Sprint(i), time.Hour))
		clients = append(clients, c)
	}
	return clients
}

// The claim that would close a circle is refused, the others go on to wait.
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
			_, err := clients[tt.length-1].waitByName("0")
			if !tt.found {
				want(t, "the last wait of a circle too long", err, ErrQueued)
				return
			}
			want(t, "the last wait of a circle", err, ErrNotStored)
			l := m.Lookup([]byte("0"), nil)
			if n := m.Totals().Deadlocks; n != 1 || l.Deadlocks != 1 || l.Polling != 1 {
				t.Errorf("%d deadlocks are counted in all, %d and %d pollers at the lock", n, l.Deadlocks, l.Polling)
			}
			for i := tt.length - 1; i > 0; i-- { // the refused one gives way, and so it goes on
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
		"a-lock-of-b-was-compared-and-deleted-by-another": func(t *testing.T, a, b *client) {
			must(t, b.add("other", time.Hour))
			c := newClient(a.m, "c")
			removal := c.claim("other", 0)
			removal.Op, removal.Compare = CompareAndSwap, a.m.Lookup([]byte("other"), nil).Token
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
				_, err := b.waitByName("a")
				want(t, "the wait that closes nothing", err, ErrQueued)
				if n := m.Totals().Deadlocks; n != 0 {
					t.Errorf("%d deadlocks are counted", n)
				}
			})
		})
	}
}

// A hand-off makes a new holder, a renewal by somebody else does not.
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
		_, err = b.waitByName("y")
		want(t, "b waits for c, which waits for b", err, ErrNotStored)
	})
}

// The log tells who holds what, beginning with the lock that was asked for.
func TestCircleInTheLog(t *testing.T) {
	var log bytes.Buffer
	bubble(t, Config{Logger: zerolog.New(&log)}, func(t *testing.T, m *Manager) {
		clients := ring(t, m, 3)
		for i := range 2 {
			_, err := clients[i].waitByName(fmt.Sprint(i + 1))
			want(t, "wait", err, ErrQueued)
		}
		for range 20 {
			_, err := clients[2].waitByName("0")
			want(t, "the last wait", err, ErrNotStored)
		}
	})
	const line = `{"level":"warn","claimant":"owner2","circle":[{"lock":"0","owner":"owner0"},{"lock":"1","owner":"owner1"},` +
		`{"lock":"2","owner":"owner2"}],"message":"refused to wait: it would be a dead-lock"}` + "\n"
	if got := log.String(); got != strings.Repeat(line, maxCirclesLogged) {
		t.Errorf("logged %s", got)
	}
}

// Where all close the circle at the same moment, at least one is refused; it gives
// way, and all get on without any time passing.
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
					claim.Wait, claim.Waiter, claim.Waiting, claim.Named = time.Minute, b, &b.Waiting, true
					if _, err := m.Put(claim); err == ErrQueued {
						<-b.outcome
					}
					c.release(t, own)
				})
			}
			all.Wait()
			if n := m.Totals().Deadlocks; n == 0 || time.Since(began) != 0 {
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
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
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
		t.Logf("%d grants, %d hand-offs, %d circles", m.Totals().Acquired, m.Totals().HandedOff, m.Totals().Deadlocks)
		if m.Totals().Deadlocks == 0 {
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
		must(t, c.add(key, time.Hour))
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
	expected := ErrQueued
	c.shared = c.shared || w.held[key] == c
	if w.reaches(key, c) {
		expected = ErrNotStored
	}
	p, err := c.waitByName(key)
	want(t, c.name+" waits for "+key, err, expected)
	if err == ErrQueued {
		c.at, c.wants = p, key
		w.line = append(w.line, c)
	}
}

// reaches reports whether who holds the lock waits for c, directly or not.
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
