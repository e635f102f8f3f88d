package locks

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// crowd is a lock with a holder and many who want it.
type crowd struct {
	*testing.B
	m       *Manager
	clients []*client
	claims  []*Put
	waits   []Wait // of the clients that queue; zero for those that poll
	next    int
}

// lineLengths are those that benchmarks compare.
var lineLengths = []int{10, 1000, 10_000, 100_000}

// newCrowd makes n clients poll, or queue; afterwards they are used in any order.
func newCrowd(b *testing.B, n int, queue bool) *crowd {
	c := &crowd{B: b, m: NewManager(Config{MaxWaiters: 2 * lineLengths[len(lineLengths)-1], MaxWait: time.Hour})}
	go c.m.Run(b.Context())
	c.must(newClient(c.m, "holder").add(key, time.Hour))
	for i := range n {
		c.clients = append(c.clients, newClient(c.m, fmt.Sprint("client", i)))
		claim := c.clients[i].claim(key, time.Hour)
		claim.WithLine = true
		var wait Wait
		if queue {
			w := new(served)
			wait = Wait{For: time.Hour, Waiter: w, Waiting: &w.Waiting}
		}
		c.claims, c.waits = append(c.claims, claim), append(c.waits, wait)
		c.refused(i)
	}
	rand.Shuffle(n, func(i, j int) {
		c.clients[i], c.clients[j] = c.clients[j], c.clients[i]
		c.claims[i], c.claims[j] = c.claims[j], c.claims[i]
		c.waits[i], c.waits[j] = c.waits[j], c.waits[i]
	})
	return c
}

func (c *crowd) must(err error) {
	if err != nil {
		c.Fatal(err)
	}
}

// refused makes a client claim the held lock.
func (c *crowd) refused(i int) {
	if _, err := c.m.PutOrWait(c.claims[i], &c.waits[i]); err != ErrNotStored && err != ErrQueued {
		c.Fatal(err)
	}
}

// any is the next client.
func (c *crowd) any() int {
	c.next = (c.next + 1) % len(c.claims)
	return c.next
}

// BenchmarkLine shows what one operation takes, by how many wait for the lock.
func BenchmarkLine(b *testing.B) {
	for _, bb := range []struct {
		name  string
		queue bool
		op    func(c *crowd)
	}{
		{"renew", true, func(c *crowd) { // a wait ends, and goes on at its old place
			i := c.any()
			c.m.GiveUp(c.waits[i].Waiting, false)
			c.refused(i)
		}},
		{"hang-up", true, func(c *crowd) { // and another one comes
			i := c.any()
			c.m.GiveUp(c.waits[i].Waiting, true)
			c.refused(i)
		}},
		{"hand-off", true, func(c *crowd) { // and a new one comes
			c.must(c.m.Delete([]byte(key)))
			claim, w := newClient(c.m, "new").claim(key, time.Hour), new(served)
			if _, err := c.m.PutOrWait(claim, &Wait{For: time.Hour, Waiter: w, Waiting: &w.Waiting}); err != ErrQueued {
				c.Fatal(err)
			}
		}},
		{"poll", false, func(c *crowd) { c.refused(c.any()) }},
		{"look", false, func(c *crowd) { lookup(c.m, []byte(key), &c.clients[c.any()].session) }},
		{"reconnect", false, func(c *crowd) {
			i := c.any()
			c.m.Close(&c.clients[i].session)
			c.refused(i)
		}},
		{"totals", false, func(c *crowd) { c.m.Totals() }},
		{"contended", false, func(c *crowd) { c.m.Contended(10) }},
		{"metrics", false, func(c *crowd) { c.m.Metrics() }},
		{"held", false, func(c *crowd) { c.m.Held(10, nil) }},
	} {
		for _, n := range lineLengths {
			b.Run(fmt.Sprintf("%s/%d", bb.name, n), func(b *testing.B) {
				c := newCrowd(b, n, bb.queue)
				for b.Loop() {
					bb.op(c)
				}
			})
		}
	}
}
