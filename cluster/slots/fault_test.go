package slots

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/cluster/engine/enginetest"
	"github.com/lockcached/lockcached/internal/ttl"
)

// Each of these tests finds a bug that was planted: see tests/planted.

// puts reports whether a transaction puts a key that begins with the prefix.
func puts(t engine.Txn, prefix string) bool {
	for _, op := range t.Then {
		if op.Kind == engine.OpPut && strings.HasPrefix(op.Key, prefix) {
			return true
		}
	}
	return false
}

// changeMap writes the map anew, as it is.
func (w *world) changeMap() {
	p := w.fake.Pairs("/test/map")[0]
	w.fake.Do(engine.Txn{Then: []engine.Op{engine.Put(p.Key, p.Value)}})
}

// owners returns the owners of all slots, as the engine has them.
func (w *world) owners() (owners [Count]string) {
	p := w.fake.Pairs("/test/map")[0]
	a, err := decodeMap(p.Value, p.Modified)
	if err != nil {
		w.t.Fatal(err)
	}
	for slot := range Count {
		owners[slot] = a.owner(slot)
	}
	return owners
}

// What an incarnation writes counts while it is a member and the map is the one that it knows.
func TestGuard(t *testing.T) {
	bubble(t, three, func(t *testing.T, w *world) {
		w.settled()
		in := w.nodes["a"].current.Load()
		holds := func(guard []engine.Cond) bool {
			return w.fake.Do(engine.Txn{If: guard, Then: []engine.Op{engine.Get("/test/x")}}).Held
		}
		guard := in.Guard()
		if !holds(guard) {
			t.Error("it does not hold for a member")
		}
		w.changeMap()
		if holds(guard) {
			t.Error("it holds for an earlier map")
		}
		time.Sleep(time.Second)
		if guard = in.Guard(); !holds(guard) {
			t.Error("it does not hold when the map was read")
		}
		w.fake.Do(engine.Txn{Then: []engine.Op{engine.Delete(in.view.memberKey(in.self.Incarnation))}})
		if holds(guard) {
			t.Error("it holds for one that was fenced")
		}
	})
}

// A hand-over of which nobody knows whether it was carried out is carried out late, while the slots are
// served again or are being handed over once more: no lock is lost or granted twice by that.
func TestGivenLate(t *testing.T) {
	bubble(t, []string{"a"}, func(t *testing.T, w *world) {
		w.settled()
		w.claims(0, 200)
		a := w.nodes["a"]
		a.engine.SetFault(func(t engine.Txn) enginetest.Fault {
			if puts(t, "/test/map") {
				return enginetest.Fault{Late: 20 * time.Second}
			}
			return enginetest.Fault{}
		})
		w.start("b")
		time.Sleep(balanceAfter + 21*time.Second)
		a.engine.SetFault(func(engine.Txn) enginetest.Fault { return enginetest.Fault{} })
		w.claims(200, 400)
		w.settled()
		w.wantsHeld()
		if w.share()["b"] == 0 {
			t.Error("nothing was handed over")
		}
	})
}

// A node whose slots the map gives to another one serves them no more, however it came to that.
func TestMapTakesSlotsAway(t *testing.T) {
	bubble(t, three, func(t *testing.T, w *world) {
		w.settled()
		w.claims(0, 100)
		in := w.nodes["a"].current.Load()
		_, present := in.view.now()
		var mine []int
		for slot := range Count {
			if present.owner(slot) == in.self.Incarnation {
				mine = append(mine, slot)
			}
		}
		w.fake.Do(engine.Txn{Then: []engine.Op{
			engine.Put("/test/map", present.with(w.nodes["b"].Incarnation(), mine).encode()),
		}})
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		for _, slot := range mine {
			if w.nodes["a"].serving[slot].Load() {
				t.Fatalf("slot %d is served on", slot)
			}
		}
		w.settled()
		w.wantsHeld()
	})
}

// A map is replaced only if it is the one that the next was made from.
func TestSwapOfAnEarlierMap(t *testing.T) {
	bubble(t, three, func(t *testing.T, w *world) {
		w.settled()
		in := w.nodes["a"].current.Load()
		_, from := in.view.now()
		w.changeMap()
		time.Sleep(time.Second)
		before := w.owners()
		in.swap(t.Context(), from, from.with(in.self.Incarnation, []int{0, 1, 2, 3, 4, 5, 6, 7}))
		if w.owners() != before {
			t.Error("the map was replaced by one that was made from an earlier one")
		}
	})
}

// Nothing is taken from an owner that is alive, whatever the taker believes.
func TestTakeOverOfTheLiving(t *testing.T) {
	bubble(t, three, func(t *testing.T, w *world) {
		w.settled()
		in := w.nodes["a"].current.Load()
		before := w.owners()
		in.view.mu.Lock()
		delete(in.view.members, w.nodes["b"].Incarnation())
		in.view.mu.Unlock()
		members, present := in.view.now()
		in.takeOver(t.Context(), members, present)
		if w.owners() != before {
			t.Error("slots were taken over")
		}
	})
}

// What is on its way to the engine when slots are handed over arrives before that.
func TestDrainWithBatchesInFlight(t *testing.T) {
	bubble(t, []string{"a", "b"}, func(t *testing.T, w *world) {
		w.settled()
		a := w.nodes["a"]
		a.engine.SetFault(func(t engine.Txn) enginetest.Fault {
			if puts(t, "/test/journal/") {
				return enginetest.Fault{Late: 500 * time.Millisecond}
			}
			return enginetest.Fault{}
		})
		done := make(chan struct{})
		var clients sync.WaitGroup
		for i := range 50 {
			clients.Go(func() {
				for n := i; ; n += 50 {
					select {
					case <-done:
						return
					default:
						if err := w.claim(key(n), 0); err != nil {
							t.Errorf("%s: %v", key(n), err)
						}
					}
				}
			})
		}
		if err := a.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		close(done)
		clients.Wait()
		a.kill()
		w.settled()
		w.wantsHeld()
	})
}

// The journal of a node that has handed slots over is not cut short before the next owner has read
// it.
func TestCheckpointsWhileOthersRead(t *testing.T) {
	bubble(t, []string{"a", "b"}, func(t *testing.T, w *world) {
		w.settled()
		w.claims(0, 500)
		w.nodes["b"].engine.Stall() // it cannot read
		drained := make(chan error)
		go func() { drained <- w.nodes["a"].Drain(t.Context()) }()
		time.Sleep(5 * time.Second) // and a makes checkpoints all the time
		w.nodes["b"].engine.Resume()
		if err := <-drained; err != nil {
			t.Error(err)
		}
		w.nodes["a"].kill()
		w.settled()
		w.wantsHeld()
	})
}

// A key's tokens rise over its owners, even if one of them has granted nothing.
func TestTokensRiseOverOwners(t *testing.T) {
	bubble(t, []string{"a", "b"}, func(t *testing.T, w *world) {
		w.settled()
		i := 0
		for w.owner(key(i)).name != "a" {
			i++
		}
		again := func(times int) { // which compares the tokens
			for range times {
				if err := w.claim(key(i), 0); err != nil {
					t.Fatal(err)
				}
				w.release(key(i))
			}
		}
		again(100)
		w.nodes["a"].kill()
		w.settled()
		w.start("c") // knows only what b says
		if err := w.nodes["b"].Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.nodes["b"].kill()
		w.settled()
		again(1)
	})
}

// Of the journal of a node to which a slot came back, a link stands for what was written since.
func TestLinkAt(t *testing.T) {
	chain := []link{{"a", 0}, {"b", 10}, {"a", 20}}
	for _, tt := range []struct {
		incarnation string
		revision    int64
		want        link
	}{
		{"a", 5, link{"a", 0}},
		{"a", 20, link{"a", 0}}, // it has not read of its return
		{"a", 21, link{"a", 20}},
		{"b", 10, link{}}, // about an earlier time
		{"b", 11, link{"b", 10}},
		{"c", 30, link{}},
	} {
		if got, ok := linkAt(chain, tt.incarnation, tt.revision); got != tt.want || ok != (got != link{}) {
			t.Errorf("%s at %d: %v, want %v", tt.incarnation, tt.revision, got, tt.want)
		}
	}
}

// What remains of a lease is enough for clocks that differ by a thousandth, and hardly more.
func TestRemaining(t *testing.T) {
	const at = time.Hour
	for _, lease := range []time.Duration{0, 1, time.Second, 1000 * time.Second, 365 * 24 * time.Hour} {
		got := remaining(at+lease, at)
		if least := lease + lease/1000; got < least || got > least+time.Millisecond {
			t.Errorf("%v: %v", lease, got)
		}
	}
	if got := remaining(at, at+time.Minute); got < 0 || got > time.Millisecond {
		t.Errorf("of a lease that was over: %v", got)
	}
	if got := remaining(ttl.Forever, at); got != ttl.Forever {
		t.Errorf("for ever: %v", got)
	}
}
