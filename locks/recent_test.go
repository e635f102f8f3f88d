package locks

import (
	"fmt"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
)

// story tells what a Detail has recorded, in order.
func story(d *Detail) string {
	text := ""
	for _, h := range d.Holds {
		text += fmt.Sprintf("%s %v+%v", h.Owner, h.Ago, h.Took)
		if h.Wait > 0 {
			text += fmt.Sprintf(" waited %v", h.Wait)
		}
		if h.Gap > 0 {
			text += fmt.Sprintf(" gap %v", h.Gap)
		}
		text += " " + h.Ending + "\n"
	}
	for _, x := range d.Tries {
		text += fmt.Sprintf("%s %v %s x%d", x.Owner, x.Ago, [...]string{"refused", "queued", "gave up"}[x.What], x.Count)
		if x.Wait > 0 {
			text += fmt.Sprintf(" after %v", x.Wait)
		}
		text += "\n"
	}
	return text
}

func detail(t *testing.T, m *Manager, key string) *Detail {
	t.Helper()
	d, err := m.Detail([]byte(key), 10)
	must(t, err)
	return &d
}

func wantStory(t *testing.T, m *Manager, key, want string) {
	t.Helper()
	if got := story(detail(t, m, key)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestRecent(t *testing.T) {
	bubble(t, Config{Recent: true}, func(t *testing.T, m *Manager) {
		alice, bob, carol := newClient(m, "alice"), newClient(m, "bob/1"), newClient(m, "carol")
		must(t, alice.add(key, 5*time.Second))
		wantStory(t, m, key, "") // nobody had to wait for it
		pass(time.Second)
		bob.poll(t, key)
		bob.poll(t, key) // at once
		pass(time.Second)
		bob.poll(t, key)
		waits := carol.wait(t, key, time.Minute, 500*time.Millisecond)
		pass(time.Second) // carol's wait is over
		pass(2 * time.Second)
		if waits.String() != "timed out" {
			t.Fatal(waits)
		}
		pass(time.Second) // idle since alice's TTL was over
		must(t, bob.add(key, time.Minute))
		pass(time.Second)
		wantStory(t, m, key, ""+
			"alice 7s+5s expired\nbob%2F1 1s+1s waited 5s gap 1s \n"+
			"bob%2F1 6s refused x2\nbob%2F1 5s refused x1\ncarol 5s queued x1\ncarol 4.5s gave up x1 after 500ms\n")
	})
}

// A hand-off, a renewal with another value, a release and a withdrawal.
func TestRecentHandOff(t *testing.T) {
	bubble(t, Config{Recent: true}, func(t *testing.T, m *Manager) {
		alice, bob := newClient(m, "alice"), newClient(m, "bob")
		must(t, alice.add(key, time.Minute))
		first := bob.wait(t, key, time.Minute, time.Minute)
		pass(time.Second)
		must(t, remove(m, key))
		pass(time.Second)
		if _, err := m.Put(&Put{Op: Set, Key: []byte(key), Value: []byte("bobby"), Lease: time.Minute}); err != nil {
			t.Fatal(err)
		}
		d := detail(t, m, key)
		if len(d.Holds) != 2 || d.Holds[1].Token != d.Token || d.Holds[1].Token == first.Token() {
			t.Errorf("%+v", d.Holds)
		}
		pass(time.Second)
		must(t, m.Withdraw([]byte(key), d.Token))
		wantStory(t, m, key, "alice 3s+1s released\nbobby 2s+2s waited 1s withdrawn\nbob 3s queued x1\n")
	})
}

// The record is bounded, whatever clients do, and there is none unless it is asked for.
func TestRecentIsBounded(t *testing.T) {
	bubble(t, Config{Recent: true}, func(t *testing.T, m *Manager) {
		for i := range 4 * recentLocks {
			name := fmt.Sprint("lock:", i)
			must(t, newClient(m, "alice").add(name, time.Hour))
			newClient(m, "bob").poll(t, name)
		}
		locks, _ := m.Recorded()
		if locks > recentLocks || locks < recentLocks/2 {
			t.Errorf("%d locks are recorded", locks)
		}
		busy := newClient(m, "holder")
		for i := range 3 * recentHolds {
			must(t, busy.add("busy", time.Hour))
			newClient(m, fmt.Sprint("poller ", i)).poll(t, "busy")
			pass(time.Millisecond)
			must(t, remove(m, "busy"))
		}
		d := detail(t, m, "busy")
		if len(d.Holds) != recentHolds || len(d.Tries) != recentTries {
			t.Errorf("%d holds, %d tries", len(d.Holds), len(d.Tries))
		}
		for i := range d.Holds {
			if want := time.Duration(recentHolds-i) * time.Millisecond; d.Holds[i].Ago != want {
				t.Fatalf("hold %d began %v ago, want %v", i, d.Holds[i].Ago, want)
			}
		}
		const mega = 1 << 20
		if full := recentLocks * (size(&strip{}) + recentHolds*sizeOf[pastHold]() + recentTries*sizeOf[try]()); full > 20*mega {
			t.Errorf("a full record takes %d bytes", full)
		}
	})
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "alice").add(key, time.Hour))
		newClient(m, "bob").poll(t, key)
		if locks, bytes := m.Recorded(); locks != 0 || bytes != 0 || story(detail(t, m, key)) != "" {
			t.Errorf("%d locks are recorded, in %d bytes", locks, bytes)
		}
	})
}

func sizeOf[T any]() int {
	r := newest[T]{all: make([]T, 1)}
	return r.bytes()
}

func size(s *strip) int { return s.bytes() }

// Recording takes no memory once the record has grown.
func TestRecentDoesNotAllocate(t *testing.T) {
	m := NewManager(Config{Recent: true})
	alice, bob := newClient(m, "alice"), newClient(m, "bob")
	claim, other, removal := alice.claim(key, time.Hour), bob.claim(key, time.Hour), &Removal{Key: []byte(key)}
	round := func() {
		_, _ = m.Put(claim)
		_, _ = m.Put(other)
		_ = m.Remove(removal)
	}
	for range 4 * recentHolds {
		round()
	}
	plain := NewManager(Config{})
	with := testing.AllocsPerRun(100, round)
	m = plain
	for range 4 * recentHolds {
		round()
	}
	if without := testing.AllocsPerRun(100, round); with > without {
		t.Errorf("%v allocations, %v without the record", with, without)
	}
}

// Who waits, in order, with names as far as they are known.
func TestDetailOfTheLine(t *testing.T) {
	bubble(t, Config{Recent: true}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "alice").add(key, ttl.Forever))
		poller := newClient(m, "poller")
		poller.poll(t, key)
		pass(time.Second)
		for i := range 12 {
			newClient(m, fmt.Sprint("queued ", i)).wait(t, key, time.Minute, time.Minute)
		}
		pass(time.Second)
		d := detail(t, m, key)
		if len(d.Line) != 10 || d.Line[0] != (InLine{Owner: "queued%200", Queued: true, Age: time.Second}) || d.Waiters() != 13 {
			t.Errorf("%d in line: %+v", len(d.Line), d.Line)
		}
		d2, err := m.Detail([]byte(key), 100)
		must(t, err)
		if last := d2.Line[len(d2.Line)-1]; len(d2.Line) != 13 || last.Owner != "poller" || last.Queued || last.Age != 2*time.Second {
			t.Errorf("%+v", last)
		}
	})
}

// What is usual is learned from the lock's own holds, or else from those of its class.
func TestUsual(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		for range 20 {
			holdFor(t, m, "lock:a", time.Second)
		}
		for name, ofClass := range map[string]bool{"lock:a": false, "lock:b": true} {
			must(t, newClient(m, "alice").add(name, time.Hour))
			newClient(m, "bob").poll(t, name)
			pass(500 * time.Millisecond)
			d := detail(t, m, name)
			if d.OfClass != ofClass || d.Class != "lock" || d.Mean < 900*time.Millisecond || d.Mean > time.Second || d.P90 < 900*time.Millisecond || d.P90 > 1100*time.Millisecond {
				t.Errorf("%s: %+v %v", name, d.Usual, d.OfClass)
			}
			if d.Left < 300*time.Millisecond || d.Left > 700*time.Millisecond || d.LeftMost < d.Left {
				t.Errorf("%s: %+v", name, d.Usual)
			}
			sum := 0.0
			for b := range d.Law.Bars() {
				sum += b.Released + b.Censored
			}
			if sum < 0.999 || sum > 1.001 {
				t.Errorf("%s: the bars add up to %v", name, sum)
			}
			wanted := m.Wanted(10, func(k []byte) bool { return string(k) == name })
			if len(wanted) != 1 || wanted[0].Name != name || wanted[0].Mean != d.Mean || wanted[0].P90 != d.P90 {
				t.Errorf("%+v", wanted)
			}
			must(t, remove(m, name))
		}
	})
}

// An operator ends a hold by its token, and no other.
func TestReleaseByToken(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "alice").add(key, time.Hour))
		next := newClient(m, "bob").wait(t, key, time.Hour, time.Hour)
		token := detail(t, m, key).Token
		want(t, "another token", m.Release([]byte(key), token+1), ErrNotFound)
		must(t, m.Release([]byte(key), token))
		want(t, "again", m.Release([]byte(key), token), ErrNotFound)
		if d := detail(t, m, key); next.String() != "granted" || d.Owner != "bob" {
			t.Errorf("%s, %+v", next, d.Lock)
		}
		stored, err := m.Put(&Put{Op: Set, Key: []byte("item"), Value: []byte("x"), Lease: time.Hour})
		must(t, err)
		want(t, "what is no lock", m.Release([]byte("item"), stored.CAS), ErrNotFound)
	})
}
