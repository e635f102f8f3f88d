package slots

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/cluster/engine/enginetest"
)

var three = []string{"a", "b", "c"}

func key(i int) string { return fmt.Sprint("lock:", i) }

// claims takes some locks, half of them with leases.
func (w *world) claims(from, to int) {
	var all sync.WaitGroup
	for i := from; i < to; i++ {
		all.Go(func() {
			if err := w.claim(key(i), time.Duration(i%2)*time.Hour); err != nil {
				w.t.Errorf("%s: %v", key(i), err)
			}
		})
	}
	all.Wait()
}

func (w *world) releases(from, to int) {
	var all sync.WaitGroup
	for i := from; i < to; i++ {
		all.Go(func() { w.release(key(i)) })
	}
	all.Wait()
}

func TestFirstMap(t *testing.T) {
	bubble(t, three, func(t *testing.T, w *world) {
		w.settled()
		for name, n := range w.share() {
			if n < Count/6 {
				t.Errorf("%s has %d slots", name, n)
			}
		}
		w.claims(0, 300)
		w.wantsHeld()
		for i := range 300 {
			if err := w.claim(key(i), 0); err != errTaken {
				t.Errorf("%s: %v", key(i), err)
			}
		}
	})
}

// A map is made although a node is missing, which gets its share when it comes.
func TestOneNodeComesLater(t *testing.T) {
	bubble(t, []string{"a", "b"}, func(t *testing.T, w *world) {
		w.settled()
		w.claims(0, 300)
		w.start("c")
		time.Sleep(balanceAfter)
		w.releases(0, 100)
		w.settled()
		for w.share()["c"] < Count/6 {
			time.Sleep(time.Second)
		}
		w.settled()
		w.wantsHeld()
		w.claims(0, 100)
	})
}

// The slots of a node that is killed are served by others within a moment, with their locks.
func TestOwnerKilled(t *testing.T) {
	bubble(t, three, func(t *testing.T, w *world) {
		w.settled()
		w.claims(0, 300)
		w.nodes["a"].kill()
		killed := time.Now()
		for w.owner(key(0)) == nil || len(w.share()) != 2 || w.share()["b"]+w.share()["c"] != Count {
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(killed); took > 500*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		w.wantsHeld()
		w.settled()
		if left := len(w.fake.Pairs("/test/head/")); left > 2 {
			t.Errorf("%d journals are kept", left)
		}
		w.start("a") // and comes back
		time.Sleep(balanceAfter)
		for w.share()["a"] < Count/6 {
			time.Sleep(time.Second)
		}
		w.settled()
		w.wantsHeld()
	})
}

// No lease ends early by a take-over, and none is longer than the silence and a thousandth.
func TestLeasesOutliveTheOwner(t *testing.T) {
	bubble(t, three, func(t *testing.T, w *world) {
		w.settled()
		ends := make(map[string]time.Time)
		for i := range 100 {
			if err := w.claim(key(i), time.Minute); err != nil {
				t.Fatal(err)
			}
			ends[key(i)] = w.owner(key(i)).locks.holds[key(i)].expires
		}
		time.Sleep(10 * time.Second)
		w.nodes["a"].kill()
		w.settled()
		moved := 0
		for _, n := range w.nodes {
			for k, h := range n.locks.holds {
				late := h.expires.Sub(ends[k])
				if n.dead || late == 0 {
					continue
				}
				moved++
				if late < 0 || late > 2*time.Second {
					t.Errorf("%s of %s ends %v late", k, n.name, late)
				}
			}
		}
		if moved == 0 {
			t.Error("no lock has moved")
		}
	})
}

// A node that is cut off is fenced. It can confirm nothing any more, and comes back as another
// incarnation.
func TestOwnerCutOff(t *testing.T) {
	bubble(t, three, func(t *testing.T, w *world) {
		w.settled()
		w.claims(0, 300)
		a := w.nodes["a"]
		before := a.Incarnation()
		a.engine.Cut()
		w.mu.Lock()
		a.silent = true
		w.mu.Unlock()
		var mine string
		for i := 300; mine == ""; i++ {
			if a.Owned([]byte(key(i))) {
				mine = key(i)
			}
		}
		if _, err := a.locks.claim(mine, 0); err == nil {
			t.Error("granted without a quorum")
		}
		time.Sleep(2 * suspicion)
		if err := w.nodes["b"].locks.release(mine, 1); err != nil && err != errMoved {
			t.Error(err)
		}
		a.engine.Mend()
		w.mu.Lock()
		a.silent = false
		w.mu.Unlock()
		for a.Incarnation() == before || a.Incarnation() == "" {
			time.Sleep(10 * time.Millisecond)
		}
		w.settled()
		w.wantsHeld()
	})
}

// Nobody is fenced whom a third node hears.
func TestTwoNodesCutFromEachOther(t *testing.T) {
	bubble(t, three, func(t *testing.T, w *world) {
		w.settled()
		before := w.nodes["a"].Incarnation()
		w.mu.Lock()
		w.deaf = "b"
		w.mu.Unlock()
		time.Sleep(time.Minute)
		if w.nodes["a"].Incarnation() != before {
			t.Error("fenced")
		}
		w.settled()
	})
}

func TestDrain(t *testing.T) {
	bubble(t, three, func(t *testing.T, w *world) {
		w.settled()
		w.claims(0, 300)
		if err := w.nodes["a"].Drain(t.Context()); err != nil {
			t.Error(err)
		}
		if n := w.share()["a"]; n != 0 {
			t.Errorf("still serves %d slots", n)
		}
		w.nodes["a"].kill()
		w.settled()
		w.wantsHeld()
	})
}

// What was released elsewhere does not come back when a slot returns to a node and that dies.
func TestSlotComesBack(t *testing.T) {
	bubble(t, []string{"a", "b"}, func(t *testing.T, w *world) {
		w.settled()
		w.claims(0, 200)
		w.start("c") // takes some slots of both
		for w.share()["c"] < Count/6 {
			time.Sleep(time.Second)
		}
		w.settled()
		w.releases(0, 100)
		w.nodes["c"].kill() // gives them back, before or after their chains were shortened
		w.settled()
		w.wantsHeld()
		w.nodes["a"].kill()
		for w.share()["b"] < Count {
			time.Sleep(time.Second)
		}
		w.wantsHeld()
		w.claims(0, 100)
	})
}

// TestChaos kills, cuts off and starts nodes at random while clients take and release locks
// through an engine that loses, repeats and delays. No lock is granted twice or lost.
func TestChaos(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, three, func(t *testing.T, w *world) {
				random := rand.New(rand.NewPCG(seed, 1))
				w.settled()
				w.faulty(seed)
				done := make(chan struct{})
				var clients sync.WaitGroup
				for i := range 20 {
					clients.Go(func() {
						for n := 0; ; n++ {
							select {
							case <-done:
								return
							default:
							}
							k := key(i*10 + n%10)
							if w.claim(k, 0) == nil {
								time.Sleep(time.Duration(n%50) * time.Millisecond)
								w.release(k)
							} else {
								time.Sleep(10 * time.Millisecond)
							}
						}
					})
				}
				for range 8 {
					time.Sleep(time.Duration(random.IntN(4000)) * time.Millisecond)
					w.harm(random)
				}
				for _, name := range three {
					w.heal(name)
				}
				for _, n := range w.nodes {
					n.engine.SetFault(func(engine.Txn) enginetest.Fault { return enginetest.Fault{} })
				}
				time.Sleep(20 * time.Second)
				close(done)
				clients.Wait()
				w.settled()
			})
		})
	}
}

func (w *world) faulty(seed uint64) {
	rates := enginetest.Rates{LoseRequest: 0.01, LoseAnswer: 0.02, Late: 0.01, Again: 0.02, Most: 3 * time.Second}
	for i, name := range strings.Split("abc", "") {
		w.nodes[name].engine.SetFault(rates.Faults(seed*3 + uint64(i)))
	}
}

// harm does something to a node, or undoes it.
func (w *world) harm(random *rand.Rand) {
	name := three[random.IntN(len(three))]
	n := w.nodes[name]
	switch {
	case n.dead || n.silent:
		w.heal(name)
	case random.IntN(3) == 0:
		n.kill()
	case random.IntN(2) == 0:
		n.engine.Cut()
		w.mu.Lock()
		n.silent = true
		w.mu.Unlock()
	default:
		n.engine.Stall() // as if it were stopped, and heard all the same
		time.Sleep(time.Second)
		n.engine.Resume()
	}
}

func (w *world) heal(name string) {
	n := w.nodes[name]
	if n.dead {
		w.start(name)
		return
	}
	n.engine.Mend()
	w.mu.Lock()
	n.silent = false
	w.mu.Unlock()
}

// A node that was fenced comes back as another incarnation, and serves within 20 seconds, however
// often that has happened before. After a healthy minute it comes back as soon as the first time.
func TestFencedNodeComesBack(t *testing.T) {
	bubble(t, three, func(t *testing.T, w *world) {
		w.settled()
		a := w.nodes["a"]
		comesBack := func() (after time.Duration) {
			t.Helper()
			before, fenced := a.Incarnation(), time.Now()
			w.fake.Do(engine.Txn{Then: []engine.Op{engine.Delete("/test/member/" + before)}})
			for a.Incarnation() == before || a.Incarnation() == "" {
				time.Sleep(time.Millisecond)
			}
			after = time.Since(fenced)
			for w.share()["a"] < Count/6 {
				time.Sleep(time.Millisecond)
			}
			if ready := time.Since(fenced); ready > 20*time.Second {
				t.Errorf("ready after %v", ready)
			}
			return after
		}
		var pauses []time.Duration
		for range 7 {
			pauses = append(pauses, comesBack())
		}
		if pauses[0] > minPause+time.Second || pauses[6] < 2*minPause {
			t.Errorf("it came back after %v", pauses)
		}
		time.Sleep(healthy)
		if after := comesBack(); after > minPause+time.Second {
			t.Errorf("after a healthy minute it came back after %v", after)
		}
		w.settled()
	})
}
