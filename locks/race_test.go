package locks

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/stats"
)

// blocking is a Waiter that hands its outcome to a goroutine.
type blocking struct {
	Waiting
	outcome chan Outcome
}

func (b *blocking) Served(_ *Waiting, how Outcome) bool {
	b.outcome <- how
	return true
}

// lock waits until the client holds the lock.
func (b *blocking) lock(c *client, key string) error {
	for {
		claim := c.claim(key, time.Hour)
		_, err := c.m.PutOrWait(claim, &Wait{For: time.Minute, Waiter: b, Waiting: &b.Waiting})
		if err != ErrQueued {
			return err
		}
		if <-b.outcome == Granted {
			return nil
		}
	}
}

// Goroutines exclude each other by the locks alone. The race detector watches what they
// do with them.
func TestMutualExclusion(t *testing.T) {
	const clients, rounds, locks = 20, 200, 3
	var inside, entered [locks]int
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		var all sync.WaitGroup
		for i := range clients {
			all.Go(func() {
				c, b := newClient(m, fmt.Sprint(i)), &blocking{outcome: make(chan Outcome, 1)}
				for range rounds {
					n := rand.IntN(locks)
					key := fmt.Sprint("lock:", n)
					if err := b.lock(c, key); err != nil {
						t.Errorf("%s: %v", key, err)
						return
					}
					if inside[n]++; inside[n] != 1 {
						t.Errorf("%d hold %s", inside[n], key)
					}
					entered[n]++
					time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
					inside[n]--
					if err := remove(m, key); err != nil {
						t.Errorf("%s: %v", key, err)
					}
				}
				m.Close(&c.session)
			})
		}
		all.Wait()
	})
	if sum := entered[0] + entered[1] + entered[2]; sum != clients*rounds {
		t.Errorf("entered %d times, want %d", sum, clients*rounds)
	}
}

// Everything at once, for the race detector; nothing may be left at the end.
func TestAllAtOnce(t *testing.T) {
	bubble(t, Config{MemoryLimit: 1 << 20, StatsKeys: 64, StatsClasses: 16}, func(t *testing.T, m *Manager) {
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() { busy(m, fmt.Sprint(i), 500) })
		}
		all.Wait()
		m.EndWaits()
		m.Flush(nil)
		pass(time.Minute)
		total := m.Totals()
		if total.Items+total.Held+total.Queued+total.Polling != 0 || total.Bytes != 0 || lines(m) != 0 {
			t.Errorf("left over: %+v", total)
		}
		if total.Counters[stats.Acquired] != total.Counters[stats.Released]+total.Counters[stats.Expired]+total.Counters[stats.Withdrawn] {
			t.Errorf("%d grants, but %d releases, %d expiries and %d withdrawn",
				total.Counters[stats.Acquired], total.Counters[stats.Released], total.Counters[stats.Expired], total.Counters[stats.Withdrawn])
		}
		if n := m.waiters.Load(); n != 0 {
			t.Errorf("%d waiters are counted", n)
		}
	})
}

// busy is a client that does a bit of everything.
func busy(m *Manager, name string, steps int) {
	c := newClient(m, name)
	for step := range steps {
		key := fmt.Sprint("lock:", rand.IntN(10))
		switch rand.IntN(12) {
		case 0, 1:
			_ = c.add(key, time.Duration(rand.IntN(20))*time.Millisecond)
		case 2, 3:
			c.waitAWhile(key)
		case 4, 5:
			_ = remove(m, key)
		case 6:
			_ = set(m, fmt.Sprint(name, step), string(make([]byte, rand.IntN(10_000))), ttl.Forever)
		case 7:
			_ = m.Touch([]byte(key), time.Duration(rand.IntN(20)-2)*time.Millisecond)
		case 8:
			_, _ = value(m, key)
			_ = lookup(m, []byte(key), &c.session)
		case 9:
			lookAround(m, step)
		case 10:
			m.Close(&c.session)
		case 11:
			time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond)
		}
	}
	m.Close(&c.session)
}

// waitAWhile claims a lock, and leaves the line if that takes too long.
func (c *client) waitAWhile(key string) {
	gone := rand.IntN(4) == 0
	p := &place{m: c.m}
	p.gone.Store(gone)
	claim := c.claim(key, 10*time.Millisecond)
	if _, err := c.m.PutOrWait(claim, &Wait{For: 5 * time.Millisecond, Waiter: p, Waiting: &p.Waiting}); err != ErrQueued {
		return
	}
	time.Sleep(time.Duration(rand.IntN(8)) * time.Millisecond)
	p.giveUp(gone)
}

// lookAround asks for what concerns all locks.
func lookAround(m *Manager, step int) {
	switch step % 6 {
	case 0:
		m.Totals()
	case 1:
		m.Classes()
	case 2:
		m.Contended(3)
	case 3:
		m.Dump(viewFunc(func(*View) {}), func() bool { return step%5 != 0 })
	case 4:
		m.FlushAfter(time.Duration(rand.IntN(50)) * time.Millisecond)
	case 5:
		m.Class("lock")
	}
}
