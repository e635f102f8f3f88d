package locks

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/stats"
)

// Whatever is done to a held lock survives a crash.
func TestCrashKeepsHolds(t *testing.T) {
	cas := func(m *Manager) uint64 { return lookup(m, []byte(key), nil).Token }
	put := func(op Op, value string) func(*Manager) error {
		return func(m *Manager) error {
			_, err := m.Put(&Put{Op: op, Key: []byte(key), Value: []byte(value), Flags: 7, Lease: time.Hour, Compare: cas(m), Binary: true})
			return err
		}
	}
	for name, change := range map[string]func(m *Manager) error{
		"granted":     func(*Manager) error { return nil },
		"touched":     func(m *Manager) error { return m.Touch([]byte(key), time.Hour) },
		"for-ever":    func(m *Manager) error { return m.Touch([]byte(key), ttl.Forever) },
		"set":         put(Set, "other"),
		"replaced":    put(Replace, ""),
		"appended-to": put(Append, "1"),
		"prepended":   put(Prepend, "1"),
		"swapped":     put(CompareAndSwap, "other"),
		"looked-at": func(m *Manager) error {
			l := &Look{Key: []byte(key), Touch: true, Lease: time.Hour}
			return m.Look(l, viewFunc(func(v *View) { v.Touch(l.Lease) }))
		},
		"incremented": func(m *Manager) error {
			_, _, err := m.Arith(&Delta{Key: []byte(key), By: 5})
			return err
		},
		"counted": func(m *Manager) error {
			return m.Count(&Delta{Key: []byte(key), By: 5}, viewFunc(func(v *View) { v.Touch(time.Hour) }))
		},
		"invalidated":     func(m *Manager) error { return m.Remove(&Removal{Key: []byte(key), Invalidate: true}) },
		"given-an-id":     func(m *Manager) error { return m.Remove(&Removal{Key: []byte(key), Invalidate: true, NewCAS: 5}) },
		"emptied":         func(m *Manager) error { return m.Remove(&Removal{Key: []byte(key), Empty: true, Flags: 9}) },
		"deleted":         func(m *Manager) error { return remove(m, key) },
		"set-to-expire":   func(m *Manager) error { return set(m, key, "x", -1) },
		"flushed":         func(m *Manager) error { _, err := m.Flush(nil); return err },
		"withdrawn":       func(m *Manager) error { return m.Withdraw([]byte(key), cas(m)) },
		"taken-by-others": func(m *Manager) error { _ = remove(m, key); return newClient(m, "b").add(key, time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDisk()
				m, p := d.boot(t, Config{})
				must(t, newClient(m, "17").add(key, time.Minute))
				pass(time.Second)
				must(t, change(m))
				must(t, m.Commit())
				before := stateOf(m)
				p.kill()
				m, _ = d.boot(t, Config{})
				if after := stateOf(m); after != before {
					t.Errorf("was %s, is %s", before, after)
				}
			})
		})
	}
}

// stateOf is all of a lock that has to survive.
func stateOf(m *Manager) string {
	l := lookup(m, []byte(key), nil)
	state := fmt.Sprintf("held=%v owner=%s token=%d age=%v ttl=%v", l.Held, l.Owner, l.Token, l.Age, l.TTL)
	_ = m.Inspect([]byte(key), viewFunc(func(v *View) {
		state += fmt.Sprintf(" flags=%d value=%q binary=%v", v.Item.Flags, v.Item.Value(), v.Binary)
	}))
	return state
}

func TestCrashLosesWhatIsNotCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		m, p := d.boot(t, Config{})
		a := newClient(m, "a")
		must(t, a.add("lock:kept", time.Minute))
		must(t, m.Commit())
		must(t, remove(m, "lock:kept"))
		must(t, a.add("lock:lost", time.Minute))
		must(t, set(m, "item", "1", time.Minute))
		p.kill()
		m, _ = d.boot(t, Config{})
		wantOwner(t, m, "lock:kept", "a")
		wantOwner(t, m, "lock:lost", "")
		if _, ok := value(m, "item"); ok {
			t.Error("an ordinary item was kept")
		}
	})
}

// Entries that nobody waits for are committed within a second.
func TestCommitWithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		m, p := d.boot(t, Config{})
		must(t, newClient(m, "a").add(key, time.Minute)) // noreply
		pass(commitEvery)
		p.kill()
		m, _ = d.boot(t, Config{})
		wantOwner(t, m, key, "a")
	})
}

// A hold that survives is not a new one, and its lease runs on while no server runs.
func TestRecoveredHoldGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		m, p := d.boot(t, Config{})
		must(t, newClient(m, "a").add("lock:short", 3*time.Second))
		must(t, newClient(m, "a").add("lock:long", 10*time.Second))
		must(t, m.Commit())
		p.kill()
		pass(5 * time.Second)

		m, _ = d.boot(t, Config{})
		synctest.Wait()
		if n := m.Totals(); n.Held != 1 || n.Counters[stats.Acquired] != 0 || n.Counters[stats.Expired] != 1 {
			t.Errorf("%d are held, %d acquired, %d expired", n.Held, n.Counters[stats.Acquired], n.Counters[stats.Expired])
		}
		if l := lookup(m, []byte("lock:short"), nil); l.Censored.Max() != 3*time.Second {
			t.Errorf("the hold that ended meanwhile is said to have lasted %v", l.Censored.Max())
		}
		want(t, "add of the long one", newClient(m, "b").add("lock:long", time.Minute), ErrNotStored)
		waiter := newClient(m, "c").wait(t, "lock:long", time.Minute, time.Minute)
		pass(5*time.Second - 1)
		wantOutcomes(t, []*place{waiter}, "waits")
		pass(1)
		wantOutcomes(t, []*place{waiter}, "granted")
		if l := lookup(m, []byte("lock:long"), nil); l.Censored.Max() != 10*time.Second {
			t.Errorf("lasted %v, want all of it", l.Censored.Max())
		}
	})
}

func TestTokensRiseOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			name  string
			known uint64
			above uint64
		}{
			{"clock set back", uint64(time.Now().Add(1000 * time.Hour).UnixNano()), uint64(time.Now().Add(1000 * time.Hour).UnixNano())},
			{"clock went on", 17, uint64(time.Now().UnixNano())},
		} {
			d := newDisk()
			d.token = tt.known
			m, _ := d.boot(t, Config{})
			must(t, newClient(m, "a").add(key, time.Minute))
			if token := lookup(m, []byte(key), nil).Token; token <= tt.above || token >= tt.above+1e9 {
				t.Errorf("%s: token %d after %d", tt.name, token, tt.above)
			}
		}
	})
}

// An id that a client chose comes back with its lock, and never counts as a token,
// however often that happens: neither while it is above all tokens nor afterwards.
func TestChosenIDsOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		token := uint64(0)
		for _, chosen := range []uint64{5, 1<<63 - 1, 1<<64 - 1} {
			for range 3 {
				m, p := d.boot(t, Config{})
				mustPut(t, m, Put{Op: Set, Key: []byte("other"), Lease: time.Minute})
				_ = newClient(m, "a").add(key, time.Hour)
				mustPut(t, m, Put{Op: Set, Key: []byte(key), Lease: time.Hour, NewCAS: chosen})
				innocent := newClient(m, "b").claim("lock:innocent", time.Hour)
				next := mustPut(t, m, *innocent).CAS
				if next <= token || next >= 1<<63 {
					t.Errorf("token %d after %d", next, token)
				}
				token = next
				must(t, remove(m, "lock:innocent"))
				must(t, m.Commit())
				m.checkpoint()
				if got := lookup(m, []byte(key), nil).Token; got != chosen {
					t.Errorf("the chosen id is %d, want %d", got, chosen)
				}
				p.kill()
				if d.token != token {
					t.Errorf("the largest token is %d on the disk, want %d", d.token, token)
				}
			}
		}
	})
}

func TestClassesSurvive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		m, p := d.boot(t, Config{})
		a, b := newClient(m, "a"), newClient(m, "b")
		for i := range 20 {
			k := fmt.Sprint("contended:", i)
			must(t, a.add(k, time.Minute))
			w := b.wait(t, k, time.Minute, time.Minute)
			pass(time.Second)
			must(t, remove(m, k))
			wantOutcomes(t, []*place{w}, "granted")
			must(t, remove(m, k))
			must(t, a.add(fmt.Sprint("quiet:", i), time.Minute))
			pass(time.Second)
			must(t, remove(m, fmt.Sprint("quiet:", i)))
		}
		must(t, m.Commit())
		pass(saveEvery) // and then it dies
		before := classesOf(m)
		p.kill()
		m, _ = d.boot(t, Config{})
		if after := classesOf(m); after != before {
			t.Errorf("knew\n%s\nknows\n%s", before, after)
		}
		must(t, newClient(m, "a").add("contended:x", time.Minute))
		if l := lookup(m, []byte("contended:x"), nil); l.SuggestedTTL == 0 {
			t.Error("nothing has been learnt from the past")
		}
	})
}

func classesOf(m *Manager) string {
	var s strings.Builder
	for _, c := range m.Classes() {
		r, _ := m.Class(c.Name)
		fmt.Fprintln(&s, c.Name, r.Fields())
	}
	return s.String()
}

// A blob that cannot be read costs the statistics, and nothing else.
func TestUnreadableClasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		d.classes = []byte("{")
		m, _ := d.boot(t, Config{})
		if len(m.Classes()) != 0 {
			t.Errorf("knows %v", m.Classes())
		}
	})
}

// While nothing can be written, no promise is made, but every hold can be ended.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		m, p := d.boot(t, Config{})
		a, b := newClient(m, "a"), newClient(m, "b")
		for _, k := range []string{"lock:1", "lock:2", "lock:3"} {
			must(t, a.add(k, time.Minute))
		}
		must(t, newClient(m, "5").add("lock:5", time.Minute))
		must(t, m.Commit())
		line := []*place{b.wait(t, "lock:1", time.Minute, time.Minute), newClient(m, "c").wait(t, "lock:1", time.Minute, time.Minute)}
		d.fail(syscall.ENOSPC)
		must(t, m.Touch([]byte("lock:3"), time.Minute))
		if err := m.Commit(); !errors.Is(err, ErrJournal) || !strings.HasSuffix(err.Error(), ": no space left on device") {
			t.Errorf("commit: %v", err)
		}

		lock3 := []byte("lock:3")
		_, _, arith := m.Arith(&Delta{Key: lock3, By: 1})
		for name, err := range map[string]error{
			"claim":      b.add("lock:4", time.Minute),
			"touch":      m.Touch(lock3, time.Minute),
			"gat":        renew(m, &Renewal{Key: lock3, Lease: time.Minute, Reader: new(reading)}),
			"set":        set(m, "lock:3", "x", time.Minute),
			"incr":       arith,
			"mg T":       m.Look(&Look{Key: lock3, Touch: true, Lease: 1}, viewFunc(func(v *View) { v.Touch(1) })),
			"invalidate": m.Remove(&Removal{Key: lock3, Invalidate: true}),
		} {
			if !errors.Is(err, ErrJournal) {
				t.Errorf("%s: %v", name, err)
			}
		}
		want(t, "claim of a held lock", b.add("lock:2", time.Minute), ErrNotStored)
		want(t, "set of an item", set(m, "item", "x", time.Minute), nil)
		want(t, "release", remove(m, "lock:1"), nil)
		want(t, "release by touch", m.Touch([]byte("lock:2"), -1), nil)
		over := &Delta{Key: []byte("lock:5"), By: 1, Touch: true}
		want(t, "release by ma", m.Count(over, viewFunc(func(v *View) { v.Touch(0) })), nil)
		wantOutcomes(t, line, "timed out", "timed out")

		d.fail(nil)
		p.wants <- struct{}{}
		synctest.Wait()
		want(t, "after that, claim", b.add("lock:4", time.Minute), nil)
		must(t, m.Commit())
		p.kill()
		m, _ = d.boot(t, Config{})
		for k, owner := range map[string]string{"lock:1": "", "lock:2": "", "lock:3": "a", "lock:4": "b", "lock:5": ""} {
			wantOwner(t, m, k, owner)
		}
	})
}

// A waiter is never told of a grant that cannot be kept.
func TestHandOffThatCannotBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		m, _ := d.boot(t, Config{})
		must(t, newClient(m, "a").add(key, time.Minute))
		must(t, m.Commit())
		line := enqueue(t, m, 3, key, time.Minute, time.Minute)
		d.fail(syscall.EIO)
		must(t, remove(m, key))
		wantOutcomes(t, line, "timed out", "timed out", "timed out")
		wantOwner(t, m, key, "")
	})
}

// A long line for a lock that cannot be granted is refused a few at a time, and no
// newcomer gets in between.
func TestLongLineThatCannotBeServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		m, _ := d.boot(t, Config{})
		must(t, newClient(m, "a").add(key, time.Minute))
		line := enqueue(t, m, 20*few, key, time.Minute, time.Minute)
		d.fail(syscall.ENOSPC)
		must(t, newClient(m, "a").add("other", time.Minute))
		if m.Commit() == nil {
			t.Fatal("the disk does not fail")
		}
		claim := newClient(m, "newcomer").claim(key, time.Minute)
		sh, hash := m.shardOf(claim.Key)
		sh.mu.Lock() // so that Run has no turn before the newcomer
		sh.end(sh.itemOf(key), release, m.now())
		queued := sh.queued
		_, err := sh.put(claim, hash, nil, m.now())
		sh.unlock()
		if queued != 19*few {
			t.Errorf("%d are queued, want %d", queued, 19*few)
		}
		want(t, "claim", err, ErrNotStored)
		synctest.Wait()
		wantOutcomes(t, line, slices.Repeat([]string{"timed out"}, len(line))...)
		wantOwner(t, m, key, "")
	})
}

// Disavow takes back a grant that was not kept, whatever has been stored over it, and
// no other.
func TestDisavow(t *testing.T) {
	for name, before := range map[string]func(m *Manager){
		"as it was": func(*Manager) {},
		"set":       func(m *Manager) { must(t, set(m, "lock:lost", "x", time.Minute)) },
		"released":  func(m *Manager) { must(t, remove(m, "lock:lost")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDisk()
				m, _ := d.boot(t, Config{})
				s := new(Session)
				claim := func(key string) (token, entry uint64) {
					done, err := m.Put(&Put{Op: Add, Key: []byte(key), Lease: time.Minute, Session: s})
					must(t, err)
					return done.CAS, done.Entry
				}
				keptToken, kept := claim("lock:kept")
				must(t, m.Commit())
				token, lost := claim("lock:lost")
				before(m)
				d.fail(syscall.ENOSPC)
				if m.Commit() == nil {
					t.Fatal("the disk is not full")
				}
				if m.Disavow([]byte("lock:kept"), keptToken, kept, s) || !lookup(m, []byte("lock:kept"), nil).Held {
					t.Error("what was kept was taken back")
				}
				if !m.Disavow([]byte("lock:lost"), token, lost, s) || lookup(m, []byte("lock:lost"), nil).Held {
					t.Error("the grant was not taken back")
				}
			})
		})
	}
}

// Keys are doubtful while nothing can be written if a crash would bring back another
// state of them.
func TestDoubtful(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		m, p := d.boot(t, Config{})
		a := newClient(m, "a")
		for _, k := range []string{"released", "touched", "flushed", "withdrawn", "left"} {
			must(t, a.add(k, time.Minute))
		}
		must(t, a.add("expired", time.Second))
		must(t, set(m, "item", "x", time.Minute))
		must(t, m.Commit())
		d.fail(syscall.ENOSPC)
		must(t, m.Touch([]byte("touched"), time.Minute)) // which finds out
		must(t, a.add("claimed", time.Minute))
		if m.Commit() == nil {
			t.Fatal("the disk is not full")
		}
		must(t, remove(m, "released"))
		must(t, remove(m, "item"))
		must(t, m.Withdraw([]byte("withdrawn"), lookup(m, []byte("withdrawn"), nil).Token))
		pass(2 * time.Second)
		doubts := map[string]bool{"released": true, "touched": true, "withdrawn": true}
		for _, k := range []string{"released", "touched", "withdrawn", "claimed", "left", "expired", "item", "none"} {
			if got := m.Doubtful([]byte(k)); got != doubts[k] {
				t.Errorf("%s is doubtful: %v", k, got)
			}
		}
		if entry, _ := m.Flush(nil); m.Kept(entry) || !m.Doubtful([]byte("left")) {
			t.Error("a flush was kept")
		}

		d.fail(nil)
		p.wants <- struct{}{}
		synctest.Wait()
		must(t, m.Commit())
		if m.Doubtful([]byte("released")) {
			t.Error("doubtful when it is kept")
		}
	})
}

// A release does not wait for the disk on behalf of the next in line, which is told only
// after the commit.
func TestSlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		d.slow = time.Second
		t.Cleanup(func() { time.Sleep(time.Minute) }) // a commit may be under way at the end
		m, _ := d.boot(t, Config{})
		must(t, newClient(m, "a").add(key, time.Minute))
		must(t, m.Commit())
		line := enqueue(t, m, 1, key, time.Minute, time.Minute)
		began := time.Now()
		must(t, remove(m, key))
		if took := time.Since(began); took != 0 {
			t.Errorf("the release took %v", took)
		}
		pass(time.Second - 1)
		wantOutcomes(t, line, "waits")
		pass(1)
		wantOutcomes(t, line, "granted")
	})
}

// A lock that is on the disk twice, because it changed during a checkpoint, comes back in
// its last state.
func TestCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		m, p := d.boot(t, Config{})
		a := newClient(m, "a")
		for i := range 1000 {
			must(t, a.add(fmt.Sprint("lock:", i), time.Minute))
		}
		must(t, set(m, "item", "x", time.Minute))
		must(t, m.Commit())
		must(t, remove(m, "lock:0"))
		p.wants <- struct{}{}
		synctest.Wait()
		if n := len(d.holds); n != 999 {
			t.Errorf("%d holds are on the disk, want 999", n)
		}
		if e := d.holds["lock:1"]; e.Kind != journal.Put || string(e.Value) != "a" {
			t.Errorf("on the disk is %+v", e)
		}
	})
}

// An orderly shutdown keeps what a crash would lose.
func TestCloseJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		m, p := d.boot(t, Config{})
		must(t, newClient(m, "a").add(key, time.Minute))
		p.die()
		synctest.Wait()
		must(t, m.CloseJournal())
		m, _ = d.boot(t, Config{})
		wantOwner(t, m, key, "a")
		if c, ok := m.Class("lock"); !ok || c.Counters[stats.Acquired] != 1 {
			t.Errorf("of the class %d grants are known", c.Counters[stats.Acquired])
		}
	})
}

// A million held locks are back within seconds.
func BenchmarkRecover(b *testing.B) {
	const holds = 1_000_000
	dir := b.TempDir()
	open := func() *Manager {
		j, err := journal.Open(journal.Config{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		return NewManager(Config{Journal: j, MemoryLimit: 1 << 30})
	}
	m := open()
	if _, err := m.Recover(); err != nil {
		b.Fatal(err)
	}
	c := newClient(m, "0123456789abcdef")
	for i := range holds {
		if err := c.add(fmt.Sprint("lock:user:", i), time.Hour); err != nil {
			b.Fatal(err)
		}
	}
	if err := m.CloseJournal(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		m := open()
		if r, err := m.Recover(); err != nil || r.Locks != holds {
			b.Fatal(r.Locks, err)
		}
		b.StopTimer()
		if err := m.CloseJournal(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
