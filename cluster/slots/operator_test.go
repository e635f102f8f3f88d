package slots

import (
	"testing"
	"time"

	"github.com/rs/zerolog"
)

const testPrefix = "/test/"

// A member that is told to hand its slots over does so, and stays a member.
func TestDismissed(t *testing.T) {
	bubble(t, three, func(t *testing.T, w *world) {
		w.settled()
		w.claims(0, 100)
		e := w.fake.Node("operator")
		before, err := TakeCensus(t.Context(), e, testPrefix)
		if err != nil || len(before.Members) != 3 {
			t.Fatalf("%v, %v", before, err)
		}
		c := before.Members[2]
		if before.Slots[c.Incarnation] == 0 {
			t.Fatalf("%s has no slots: %v", c.Name, before.Slots)
		}
		if err := Dismiss(t.Context(), e, testPrefix, c); err != nil {
			t.Fatal(err)
		}
		for after := before; after.Slots[c.Incarnation] > 0; {
			time.Sleep(100 * time.Millisecond)
			if after, err = TakeCensus(t.Context(), e, testPrefix); err != nil {
				t.Fatal(err)
			}
		}
		w.settled()
		w.wantsHeld()
		if share := w.share(); share["c"] != 0 || len(w.nodes["a"].Members()) != 3 {
			t.Errorf("shares %v, members %v", share, w.nodes["a"].Members())
		}
		if w.nodes["c"].Incarnation() != c.Incarnation {
			t.Error("it was fenced")
		}
		// Started anew it takes part again.
		w.nodes["c"].kill()
		w.start("c")
		for w.share()["c"] == 0 {
			time.Sleep(time.Second)
		}
		w.settled()
		w.wantsHeld()
		_ = e.Close()
	})
}

// Nodes that have been members are known until somebody strikes them, and again when they come back.
func TestRoster(t *testing.T) {
	bubble(t, three, func(t *testing.T, w *world) {
		w.settled()
		e := w.fake.Node("operator")
		is := func(want map[string]bool) {
			t.Helper()
			known, err := Roster(t.Context(), e, testPrefix)
			if err != nil || len(known) != len(want) {
				t.Fatalf("%v, %v", known, err)
			}
			for _, k := range known {
				if removed, ok := want[k.Name]; !ok || removed != k.Removed || !removed && k.Link != "link-"+k.Name {
					t.Errorf("%+v", k)
				}
			}
		}
		is(map[string]bool{"a": false, "b": false, "c": false})
		w.nodes["b"].kill()
		is(map[string]bool{"a": false, "b": false, "c": false})
		if err := Strike(t.Context(), e, testPrefix, "b"); err != nil {
			t.Fatal(err)
		}
		is(map[string]bool{"a": false, "b": true, "c": false})
		w.start("b")
		w.settled()
		is(map[string]bool{"a": false, "b": false, "c": false})
		_ = e.Close()
	})
}

// When the engine has been restored from a backup, all incarnations from before are over, locks are
// kept, and tokens go on far above. That happens once.
func TestPreparedAfterRestore(t *testing.T) {
	bubble(t, three, func(t *testing.T, w *world) {
		e := w.fake.Node("operator")
		ahead := uint64(1e18)
		prepare := func(id string) origin {
			t.Helper()
			if err := Prepare(t.Context(), e, testPrefix, id, ahead, zerolog.Nop()); err != nil {
				t.Fatal(err)
			}
			found, err := readOrigin(t.Context(), e, testPrefix)
			if err != nil || found.Engine != id {
				t.Fatalf("%v, %v", found, err)
			}
			return found.origin
		}
		w.settled()
		w.claims(0, 100)
		old := w.incarnations()
		if first := prepare("1"); first.Tokens != 0 {
			t.Errorf("at first tokens go on above %d", first.Tokens)
		}
		time.Sleep(5 * time.Second)
		for name, incarnation := range w.incarnations() {
			if old[name] != incarnation {
				t.Errorf("%s was fenced", name)
			}
		}
		restored := prepare("2")
		if restored.Tokens != ahead {
			t.Errorf("tokens go on above %d", restored.Tokens)
		}
		if again := prepare("2"); again != restored {
			t.Errorf("%v, and then %v", restored, again)
		}
		for again := false; !again; again = w.allNew(old) {
			time.Sleep(time.Second)
		}
		w.settled()
		w.wantsHeld()
		for name, n := range w.nodes {
			n.locks.mu.Lock()
			if n.locks.token < restored.Tokens {
				t.Errorf("%s has tokens above %d", name, n.locks.token)
			}
			n.locks.mu.Unlock()
		}
		ahead++
		if later := prepare("3"); later.Tokens <= restored.Tokens {
			t.Errorf("restored once more, tokens go on above %d", later.Tokens)
		}
		_ = e.Close()
	})
}

func (w *world) incarnations() map[string]string {
	all := make(map[string]string)
	for name, n := range w.nodes {
		all[name] = n.Incarnation()
	}
	return all
}

func (w *world) allNew(old map[string]string) bool {
	for name, incarnation := range w.incarnations() {
		if incarnation == "" || incarnation == old[name] {
			return false
		}
	}
	return true
}
