package locks

import (
	"fmt"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/stats"
)

// viewFunc is a Viewer.
type viewFunc func(v *View)

func (f viewFunc) View(v *View) { f(v) }

// look returns the View that mg is shown, without the item.
func look(m *Manager, l Look, see func(v *View)) (v View, hit bool) {
	err := m.Look(&l, viewFunc(func(seen *View) {
		if see != nil {
			see(seen)
		}
		v = *seen
	}))
	v.Item, v.touched = nil, false
	return v, err == nil
}

func mustPut(t *testing.T, m *Manager, p Put) Stored {
	t.Helper()
	done, err := m.Put(&p)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

var metaKey = []byte(key)

func TestLookTellsWhatWasBefore(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		mustPut(t, m, Put{Key: metaKey, Lease: 10 * time.Second})
		time.Sleep(2500 * time.Millisecond)
		steps := []struct {
			name string
			look Look
			want View
		}{
			{"unseen", Look{Unseen: true}, View{TTL: 7500 * time.Millisecond, Idle: 2 * time.Second}},
			{"first", Look{}, View{TTL: 7500 * time.Millisecond, Idle: 2 * time.Second}},
			{"second", Look{}, View{TTL: 7500 * time.Millisecond, Fetched: true}},
		}
		for _, s := range steps {
			s.look.Key = metaKey
			if v, hit := look(m, s.look, nil); !hit || v != s.want {
				t.Errorf("%s: %+v, want %+v", s.name, v, s.want)
			}
		}
	})
}

func TestSecondsAreRoundedUp(t *testing.T) {
	for ttl, want := range map[time.Duration]int64{
		ttl.Forever:     -1,
		0:               0,
		1:               1,
		time.Second:     1,
		time.Second + 1: 2,
	} {
		if got := (&View{TTL: ttl}).Seconds(); got != want {
			t.Errorf("%v is %d s, want %d", ttl, got, want)
		}
	}
}

func TestOneWinsToRecache(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		mustPut(t, m, Put{Key: metaKey, Lease: 10 * time.Second})
		recache := func(within time.Duration) View {
			v, _ := look(m, Look{Key: metaKey}, func(v *View) { v.Recache(within) })
			return v
		}
		if v := recache(10 * time.Second); v.Won {
			t.Error("won though not less than that is left")
		}
		time.Sleep(time.Second / 2)
		if v := recache(10 * time.Second); v.Won {
			t.Error("won though Seconds still tells 10")
		}
		time.Sleep(time.Second / 2)
		if v := recache(10 * time.Second); !v.Won || v.Taken {
			t.Errorf("did not win: %+v", v)
		}
		if v := recache(10 * time.Second); v.Won || !v.Taken {
			t.Errorf("won twice: %+v", v)
		}
		mustPut(t, m, Put{Key: metaKey, Lease: 5 * time.Second})
		if v := recache(10 * time.Second); !v.Won {
			t.Error("a new value left the old winner in place")
		}
		mustPut(t, m, Put{Key: metaKey, Lease: ttl.Forever})
		if v := recache(10 * time.Second); v.Won {
			t.Error("won what does not expire")
		}
	})
}

func TestPlaceholderIsNoLock(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		vivify := func(lease time.Duration) (View, bool) {
			return look(m, Look{Key: metaKey, Vivify: true, NewCAS: 7}, func(v *View) {
				if v.Made {
					v.Touch(lease)
				}
			})
		}
		v, hit := vivify(30 * time.Second)
		if want := (View{TTL: 30 * time.Second, Made: true, Won: true}); !hit || v != want {
			t.Errorf("made %+v, want %+v", v, want)
		}
		if v, _ := vivify(time.Second); v.Made || !v.Taken || v.TTL != 30*time.Second {
			t.Errorf("the next one sees %+v", v)
		}
		l := lookup(m, metaKey, nil)
		if totals := m.Totals(); l.Held || totals.Held != 0 || totals.Counters[stats.Acquired] != 0 || totals.Items != 1 {
			t.Errorf("a placeholder is held: %+v, %+v", l, totals)
		}
		if err := m.Remove(&Removal{Key: metaKey, Compare: 7, HasCompare: true}); err != nil {
			t.Errorf("the id that was asked for is not its id: %v", err)
		}
		if v, hit := vivify(-1); !hit || v.TTL != 0 {
			t.Errorf("a lease that is over made %+v", v)
		}
		if _, hit := look(m, Look{Key: metaKey}, nil); hit {
			t.Error("it did not end at once")
		}
	})
}

func TestLookRenewsAndReleases(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		mustPut(t, m, Put{Op: Add, Key: metaKey, Lease: 10 * time.Second})
		time.Sleep(4 * time.Second)
		look(m, Look{Key: metaKey, Touch: true}, func(v *View) { v.Touch(20 * time.Second) })
		l := lookup(m, metaKey, nil)
		if !l.Held || l.TTL != 20*time.Second || l.Age != 4*time.Second || l.Counters[stats.Renewed] != 1 {
			t.Errorf("renewed to %+v", l)
		}
		v, _ := look(m, Look{Key: metaKey, Touch: true}, func(v *View) { v.Touch(-time.Second) })
		if l = lookup(m, metaKey, nil); l.Held || l.Counters[stats.Released] != 1 || v.TTL != 0 {
			t.Errorf("not released: %+v", l)
		}
	})
}

func TestLookHandsOver(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "alice").add(key, time.Minute))
		bob := &place{m: m}
		claim := newClient(m, "bob").claim(key, time.Minute)
		claim.NewCAS, claim.WithLine = 99, true
		_, err := m.PutOrWait(claim, &Wait{For: time.Minute, Waiter: bob, Waiting: &bob.Waiting})
		want(t, "bob's claim", err, ErrQueued)
		look(m, Look{Key: metaKey, Touch: true}, func(v *View) { v.Touch(0) })
		wantOutcomes(t, []*place{bob}, "granted")
		if want := (Stored{CAS: 99, Size: 3}); bob.Stored() != want {
			t.Errorf("bob is told %+v, want %+v", bob.Stored(), want)
		}
	})
}

func TestRemove(t *testing.T) {
	minute := View{TTL: time.Minute}
	tests := []struct {
		name    string
		removal Removal
		err     error
		left    *View // nil if the item is gone
		value   string
		held    bool
	}{
		{"plain", Removal{}, nil, nil, "", false},
		{"own", Removal{HasCompare: true, Compare: 5}, nil, nil, "", false},
		{"other", Removal{HasCompare: true, Compare: 6}, ErrExists, &minute, "v", true},
		{"other-zero", Removal{HasCompare: true}, ErrExists, &minute, "v", true},
		{"stale", Removal{Invalidate: true}, nil, &View{TTL: time.Minute, Stale: true, Won: true}, "v", true},
		{"stale-lease", Removal{Invalidate: true, HasLease: true, Lease: time.Second}, nil,
			&View{TTL: time.Second, Stale: true, Won: true}, "v", true},
		{"stale-over", Removal{Invalidate: true, HasLease: true, Lease: -1}, nil, nil, "", false},
		{"empty", Removal{Empty: true}, nil, &View{TTL: ttl.Forever}, "", true},
		{"empty-lease", Removal{Empty: true, HasLease: true, Lease: time.Second}, nil, &View{TTL: time.Second}, "", true},
		{"tombstone", Removal{Empty: true, Invalidate: true, HasLease: true, Lease: time.Second}, nil,
			&View{TTL: time.Second, Stale: true, Won: true}, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, m *Manager) {
				mustPut(t, m, Put{Op: Add, Key: metaKey, Value: []byte("v"), Lease: time.Minute, NewCAS: 5})
				tt.removal.Key = metaKey
				if err := m.Remove(&tt.removal); err != tt.err {
					t.Fatalf("%v, want %v", err, tt.err)
				}
				if held := lookup(m, metaKey, nil).Held; held != tt.held {
					t.Errorf("held is %v", held)
				}
				v, hit := look(m, Look{Key: metaKey}, func(v *View) {
					if got := string(v.Item.Value()); got != tt.value {
						t.Errorf("the value is %q, want %q", got, tt.value)
					}
				})
				switch {
				case hit != (tt.left != nil):
					t.Errorf("found is %v", hit)
				case hit && v != *tt.left:
					t.Errorf("left is %+v, want %+v", v, *tt.left)
				}
			})
		})
	}
}

func TestWhatIsLeftHasAnotherID(t *testing.T) {
	m := NewManager(Config{})
	before := mustPut(t, m, Put{Op: Add, Key: metaKey, Lease: time.Minute}).CAS
	for _, r := range []Removal{{Empty: true}, {Invalidate: true}, {Empty: true, Invalidate: true}} {
		r.Key = metaKey
		if err := m.Remove(&r); err != nil {
			t.Fatal(err)
		}
		if after := lookup(m, metaKey, nil).Token; after <= before {
			t.Errorf("%+v: %d after %d", r, after, before)
		} else {
			before = after
		}
		r.NewCAS = 5
		if err := m.Remove(&r); err != nil || lookup(m, metaKey, nil).Token != 5 {
			t.Errorf("not the one that was asked for: %v", err)
		}
	}
}

// Whatever ids clients choose, tokens go on as if they had not.
func TestChosenIDsAreNoTokens(t *testing.T) {
	const chosen = 1<<64 - 1
	m := NewManager(Config{})
	first := mustPut(t, m, Put{Op: Add, Key: []byte("first"), Lease: time.Minute}).CAS
	mustPut(t, m, Put{Op: Add, Key: metaKey, Lease: time.Minute, NewCAS: chosen})
	mustPut(t, m, Put{Op: Set, Key: metaKey, Value: []byte("1"), Lease: time.Minute, NewCAS: chosen})
	must(t, m.Count(&Delta{Key: metaKey, By: 1, NewCAS: chosen}, viewFunc(func(*View) {})))
	must(t, m.Remove(&Removal{Key: metaKey, Empty: true, NewCAS: chosen}))
	must(t, m.Remove(&Removal{Key: metaKey, Invalidate: true, NewCAS: chosen}))
	look(m, Look{Key: []byte("made"), Vivify: true, NewCAS: chosen}, nil)
	if next := mustPut(t, m, Put{Op: Add, Key: []byte("next"), Lease: time.Minute}).CAS; next != first+1 {
		t.Errorf("%d follows %d", next, first)
	}
}

func TestLateVersionIsStale(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		mustPut(t, m, Put{Key: metaKey, Lease: time.Minute, NewCAS: 50})
		late := Put{Op: CompareAndSwap, Key: metaKey, Value: []byte("late"), Lease: time.Hour, Invalidate: true}
		for _, id := range []uint64{0, 51} {
			late.Compare = id
			if _, err := m.Put(&late); err != ErrExists {
				t.Errorf("id %d: %v", id, err)
			}
		}
		late.Compare, late.NewCAS = 49, 60
		mustPut(t, m, late)
		if v, _ := look(m, Look{Key: metaKey}, nil); v != (View{TTL: time.Minute, Stale: true, Won: true}) {
			t.Errorf("a late version is %+v", v)
		}
		late.Lease = -1
		mustPut(t, m, late)
		if v, _ := look(m, Look{Key: metaKey}, nil); v != (View{TTL: time.Minute, Stale: true, Taken: true}) {
			t.Errorf("the next one is %+v", v)
		}
		late.Compare, late.Lease = 60, time.Hour
		mustPut(t, m, late)
		if v, _ := look(m, Look{Key: metaKey}, nil); v != (View{TTL: time.Hour}) {
			t.Errorf("the right version is %+v", v)
		}
	})
}

func TestCount(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		count := func(d Delta) (uint64, error) {
			var n uint64
			d.Key = metaKey
			err := m.Count(&d, viewFunc(func(v *View) { n = v.Number }))
			return n, err
		}
		steps := []struct {
			name  string
			delta Delta
			n     uint64
			err   error
		}{
			{"miss", Delta{By: 1}, 0, ErrNotFound},
			{"made", Delta{By: 1, Vivify: true, Initial: 41, Compare: 3, NewCAS: 5}, 41, nil},
			{"other", Delta{By: 1, Compare: 4}, 0, ErrExists},
			{"own", Delta{By: 1, Compare: 5, NewCAS: 6}, 42, nil},
			{"not-made", Delta{By: 2, Vivify: true, Initial: 7, Compare: 6}, 44, nil},
			{"stops-at-0", Delta{By: 50, Decr: true}, 0, nil},
			{"wraps", Delta{By: 1<<64 - 1}, 1<<64 - 1, nil},
			{"wraps-over", Delta{By: 2}, 1, nil},
		}
		for _, s := range steps {
			if n, err := count(s.delta); n != s.n || err != s.err {
				t.Errorf("%s: %d, %v, want %d, %v", s.name, n, err, s.n, s.err)
			}
		}
		if totals := m.Totals(); totals.Held != 0 || totals.IncrHits != 4 || totals.DecrHits != 1 || totals.IncrMisses != 1 {
			t.Errorf("counted %+v", totals)
		}
	})
}

// TestMetaNoMemory: if nothing can be evicted, a placeholder is a miss and a number is
// refused.
func TestMetaNoMemory(t *testing.T) {
	m := NewManager(Config{MemoryLimit: 1, NoEvict: true})
	if _, hit := look(m, Look{Key: metaKey, Vivify: true}, nil); hit {
		t.Error("a placeholder was made of no memory")
	}
	if err := m.Count(&Delta{Key: metaKey, Vivify: true}, viewFunc(func(*View) {})); err != ErrNoMemory {
		t.Errorf("a number: %v", err)
	}
}

func TestRank(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Hour))
		var clients []*client
		for i := range 5 {
			clients = append(clients, newClient(m, fmt.Sprint(i)))
		}
		poll := func(i int) Stored {
			claim := clients[i].claim(key, time.Hour)
			claim.WithLine = true
			done, err := m.Put(claim)
			want(t, clients[i].name, err, ErrNotStored)
			return done
		}
		for i := range 3 { // at the same moment: their order is that of their claims
			if done := poll(i); int(done.Waiters) != i+1 || int(done.Rank) != i {
				t.Errorf("poller %d: %d of %d", i, done.Rank, done.Waiters)
			}
		}
		pass(time.Second)
		queued := clients[3].wait(t, key, time.Hour, time.Minute)
		if done := poll(0); done.Waiters != 4 || done.Rank != 1 {
			t.Errorf("behind the queued: %d of %d", done.Rank, done.Waiters)
		}
		if l := lookup(m, metaKey, &clients[2].session); l.Rank != 3 || l.Queued != 1 || l.Polling != 3 {
			t.Errorf("Lookup: %+v", l)
		}
		if l := lookup(m, metaKey, &clients[4].session); l.Rank != 4 {
			t.Errorf("who does not wait is %d", l.Rank)
		}
		queued.giveUp(false)
		if l := lookup(m, metaKey, &clients[3].session); l.Rank != 3 {
			t.Errorf("after its wait: %d", l.Rank)
		}
	})
}

func TestMetaAllocatesNothing(t *testing.T) {
	m := NewManager(Config{})
	var token uint64
	see := Viewer(viewFunc(func(v *View) { token = v.Item.CAS() }))
	claim := &Put{Op: Add, Key: metaKey, Value: []byte("a"), Lease: time.Minute, Session: new(Session), WithLine: true}
	n := testing.AllocsPerRun(1000, func() {
		if _, err := m.Put(claim); err != nil {
			t.Fatal(err)
		}
		if err := m.Look(&Look{Key: metaKey}, see); err != nil {
			t.Fatal(err)
		}
		if err := m.Remove(&Removal{Key: metaKey, Compare: token, HasCompare: true}); err != nil {
			t.Fatal(err)
		}
		if err := m.Count(&Delta{Key: metaKey, Vivify: true}, see); err != nil {
			t.Fatal(err)
		}
		if err := m.Remove(&Removal{Key: metaKey}); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
