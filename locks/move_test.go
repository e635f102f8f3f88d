package locks

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/stats"
)

// requests are all kinds of requests about the key.
func requests(m *Manager, s *Session) map[string]func() error {
	k := []byte(key)
	put := func(op Op, lease time.Duration) func() error {
		return func() error {
			_, err := m.Put(&Put{Op: op, Key: k, Value: []byte("1"), Lease: lease, Session: s})
			return err
		}
	}
	seen := viewFunc(func(*View) {})
	return map[string]func() error{
		"set":       put(Set, time.Hour),
		"set-ended": put(Set, -1),
		"add":       put(Add, time.Hour),
		"replace":   put(Replace, time.Hour),
		"append":    put(Append, 0),
		"prepend":   put(Prepend, 0),
		"cas":       put(CompareAndSwap, time.Hour),
		"wait":      func() error { _, err := (&client{m: m}).tryWait(key, time.Hour, time.Hour); return err },
		"get":       func() error { return m.Get(k, nil, new(reading)) },
		"gat":       func() error { return renew(m, &Renewal{Key: k, Lease: time.Hour, Reader: new(reading)}) },
		"touch":     func() error { return m.Touch(k, time.Hour) },
		"delete":    func() error { return remove(m, key) },
		"incr":      func() error { _, _, err := m.Arith(&Delta{Key: k, By: 1}); return err },
		"ma":        func() error { return m.Count(&Delta{Key: k, By: 1}, seen) },
		"mg":        func() error { return m.Look(&Look{Key: k, Vivify: true}, seen) },
		"me":        func() error { return m.Inspect(k, seen) },
		"lock":      func() error { _, err := m.Lookup(k, s); return err },
		"retry":     func() error { _, err := m.Retry(k, s); return err },
		"withdraw":  func() error { return m.Withdraw(k, lookupToken(m)) },
	}
}

// lookupToken is the token of the hold of the key, wherever it is served.
func lookupToken(m *Manager) (token uint64) {
	m.EachHold(func(e *journal.Entry) {
		if string(e.Key) == key {
			token = e.Token
		}
	})
	return token
}

// While a key is not owned, whatever is asked about it is refused, and does nothing.
func TestRequestsForAnotherNode(t *testing.T) {
	for _, present := range []string{"nothing", "item", "hold"} {
		synctest.Test(t, func(t *testing.T) {
			a, _ := cluster(t, Config{}, 0)
			switch present {
			case "item":
				must(t, set(a.Manager, key, "1", time.Hour))
			case "hold":
				must(t, newClient(a.Manager, "1").add(key, time.Hour))
			}
			must(t, a.Commit())
			before, totals := len(a.journal.entries), a.Totals()
			a.serve(every, false)
			for name, request := range requests(a.Manager, new(Session)) {
				want(t, name, request(), ErrMoved)
			}
			a.Oversize([]byte(key), true)
			_, err := a.Flush(nil)
			must(t, err)
			if all := a.Held(10, nil); len(all) != 0 {
				t.Errorf("%s: lists %v", present, all)
			}
			must(t, a.Commit())
			if n := len(a.journal.entries); n != before {
				t.Errorf("%s: %d entries were written", present, n-before)
			}
			totals.TooLarge++
			if after := a.Totals(); after != totals {
				t.Errorf("%s:\n%+v became\n%+v", present, totals, after)
			}
			a.serve(every, true)
			if _, ok := value(a.Manager, key); ok != (present != "nothing") {
				t.Errorf("%s: is there: %v", present, ok)
			}
		})
	}
}

// A key that is not owned for a while rests: what would have happened to it happens when
// it is served again.
func TestKeyRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := cluster(t, Config{}, 0)
		must(t, newClient(a.Manager, "short").add(key, time.Second))
		must(t, newClient(a.Manager, "brief").add("other", time.Second))
		must(t, set(a.Manager, "item", "x", time.Second))
		line := enqueue(t, a.Manager, 2, key, time.Minute, time.Minute)
		must(t, a.Commit())
		before, _ := a.journal.of(every)
		a.serve(every, false)
		a.Barrier()
		pass(10 * time.Second)
		must(t, a.Commit())
		if after, _ := a.journal.of(every); after != before {
			t.Errorf("%d entries were written", after-before)
		}
		wantOutcomes(t, line, "waits", "waits")

		a.serve(every, true)
		pass(restsFor)
		wantOutcomes(t, line, "granted", "waits")
		wantOwner(t, a.Manager, key, "0")
		wantOwner(t, a.Manager, "other", "")
		if n := a.Totals(); n.Counters[stats.Expired] != 2 || n.Items != 1 {
			t.Errorf("%d have expired, %d items are there", n.Counters[stats.Expired], n.Items)
		}
	})
}

// Nobody is served while a key rests, even if the line has nothing left to wait for: an
// ordinary item under which it waited was evicted.
func TestLineRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := cluster(t, Config{}, 0)
		line := func() []*place {
			must(t, set(a.Manager, key, "x", time.Hour))
			line := enqueue(t, a.Manager, 1, key, time.Minute, time.Minute)
			a.serve(every, false)
			sh, _ := a.shardOf([]byte(key))
			sh.mu.Lock()
			sh.end(sh.itemOf(key), eviction, a.now())
			sh.unlock()
			pass(time.Second)
			wantOutcomes(t, line, "waits")
			return line
		}
		first := line()
		a.serve(every, true)
		pass(restsFor)
		wantOutcomes(t, first, "granted")
		must(t, remove(a.Manager, key))

		second := line()
		a.handOver(t, b, every)
		wantOutcomes(t, second, "moved")
		sh, _ := a.shardOf([]byte(key))
		if len(sh.closed) != 0 || sh.closedBytes != 0 {
			t.Errorf("%d locks are closed where they are not served", len(sh.closed))
		}
	})
}

// A hold moves as it is, and goes on.
func TestHandOver(t *testing.T) {
	for name, lease := range map[string]time.Duration{"lease": time.Minute, "for-ever": ttl.Forever} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := cluster(t, Config{}, 0)
				claim := &Put{Op: Add, Key: []byte(key), Value: []byte("17"), Flags: 5, Lease: lease, Session: new(Session), Claim: ClaimID{1}, Binary: true}
				done, err := a.Put(claim)
				must(t, err)
				pass(10 * time.Second)
				before, empty := stateOf(a.Manager), counted(b.Manager)
				if n := a.handOver(t, b, every); n != 1 {
					t.Fatalf("%d holds moved", n)
				}
				if after := stateOf(b.Manager); after != before {
					t.Errorf("was %s, is %s", before, after)
				}
				if n := a.Totals(); n.Items != 0 || n.Held != 0 || n.Counters[stats.Released]+n.Counters[stats.Expired] != 0 {
					t.Errorf("is left behind: %+v", n)
				}
				if n := b.Totals(); n.Held != 1 || n.Counters[stats.Acquired] != 0 || n.MemoryBytes <= empty {
					t.Errorf("is counted: %+v, %d bytes before", n, empty)
				}
				again, err := b.Put(claim)
				if err != nil || again.CAS != done.CAS {
					t.Errorf("sent again it has token %d, %v; want %d", again.CAS, err, done.CAS)
				}
				waiter := newClient(b.Manager, "waiter").wait(t, key, time.Minute, time.Hour)
				if lease != ttl.Forever {
					pass(50*time.Second - 1)
					wantOutcomes(t, []*place{waiter}, "waits")
					pass(1)
				} else {
					must(t, b.Remove(&Removal{Key: []byte(key), HasCompare: true, Compare: done.CAS}))
				}
				wantOutcomes(t, []*place{waiter}, "granted")
				if waiter.Token() <= done.CAS {
					t.Errorf("token %d after %d", waiter.Token(), done.CAS)
				}
			})
		})
	}
}

// What moves leaves nothing behind, whatever was known of it, and neither is there anything
// left when it has come back and ended.
func TestNothingIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := cluster(t, Config{StatsKeys: 64, LockDelays: []LockDelay{{MustPattern("delayed:*"), time.Hour}}}, 0)
		var waits []*place
		var sessions []*client
		for i := range 1000 {
			k := fmt.Sprint("lock:", i)
			claim := newClient(a.Manager, "holder").claim(k, time.Hour)
			claim.Claim = ClaimID{byte(i), byte(i >> 8), 1}
			mustPut(t, a.Manager, *claim)
			for j := range i % 4 {
				poller := newClient(a.Manager, fmt.Sprint("poller", j))
				want(t, "poll", poller.add(k, time.Hour), ErrNotStored)
				if sessions = append(sessions, poller); j == 1 {
					a.Close(&poller.session) // its place is kept
				}
				waits = append(waits, newClient(a.Manager, fmt.Sprint(j)).wait(t, k, time.Hour, time.Minute))
			}
			must(t, newClient(a.Manager, "late").add(fmt.Sprint("delayed:", i), time.Second))
			must(t, set(a.Manager, fmt.Sprint("item:", i), "x", time.Hour))
		}
		long := enqueue(t, a.Manager, 3*stride, "lock:0", time.Hour, time.Hour)
		waits = append(waits, long...)
		pass(2 * time.Second)
		if n := a.handOver(t, b, every); n != 1000 {
			t.Errorf("%d holds moved", n)
		}
		for _, w := range waits {
			if w.String() != "moved" {
				t.Fatalf("a wait: %v", w)
			}
		}
		if n := a.Totals().Counters[stats.WaitTimeouts]; n != 0 {
			t.Errorf("%d waited in vain", n)
		}
		wantEmpty := func(n *node) {
			t.Helper()
			total := n.Totals()
			if total.Items+total.Held+total.Queued+total.Polling != 0 || total.MemoryBytes != 0 || lines(n.Manager) != 0 || n.waiters.Load() != 0 {
				t.Errorf("left over: %+v", total)
			}
			for _, sh := range n.shards {
				if len(sh.closed)+sh.deadlines.Len()+sh.expected.Len()+sh.reopenings.Len()+len(sh.ids.holds)+len(sh.ids.queued) != 0 {
					t.Errorf("left over in a shard: %+v", sh)
				}
			}
		}
		wantEmpty(a)
		for _, c := range sessions {
			a.Close(&c.session) // remembers the lines that are gone
		}
		wantEmpty(a)
		b.handOver(t, a, every)
		wantEmpty(b)
		_, err := a.Flush(nil)
		must(t, err)
		wantEmpty(a)
	})
}

// A waiter of another node stands where it would have stood if it had waited here, and is
// not more patient for it.
func TestWaitedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := cluster(t, Config{MaxWait: 10 * time.Second}, 0)
		must(t, newClient(a.Manager, "holder").add(key, time.Hour))
		pass(time.Second)
		first := newClient(a.Manager, "first").wait(t, key, time.Hour, time.Minute)
		pass(time.Second)
		second := newClient(a.Manager, "second").wait(t, key, time.Hour, time.Minute)
		pass(time.Second)
		a.handOver(t, b, every)
		wantOutcomes(t, []*place{first, second}, "moved", "moved")

		again := func(name string, waited time.Duration) *place {
			p := &place{m: b.Manager}
			_, err := b.PutOrWait(newClient(b.Manager, name).claim(key, time.Hour), &Wait{For: time.Minute, Waiter: p, Waiting: &p.Waiting, Waited: waited})
			want(t, name, err, ErrQueued)
			return p
		}
		newcomer := newClient(b.Manager, "newcomer").wait(t, key, time.Hour, time.Minute)
		second = again("second", time.Second)
		first = again("first", 2*time.Second)
		pass(8*time.Second - 1)
		wantOutcomes(t, []*place{first, second, newcomer}, "waits", "waits", "waits")
		must(t, remove(b.Manager, key))
		wantOutcomes(t, []*place{first, second, newcomer}, "granted", "waits", "waits")
		if l := lookup(b.Manager, []byte(key), nil); l.Wait.Max() != 10*time.Second-1 {
			t.Errorf("the first has waited for %v", l.Wait.Max())
		}
		pass(1 + time.Second)
		wantOutcomes(t, []*place{second, newcomer}, "timed out", "waits")

		claim := newClient(b.Manager, "lucky").claim("free", time.Hour)
		_, err := b.PutOrWait(claim, &Wait{For: time.Minute, Waiter: first, Waiting: new(Waiting), Waited: time.Second})
		must(t, err)
		if l := lookup(b.Manager, []byte("free"), nil); l.Wait.Count() != 1 || l.Wait.Max() != time.Second {
			t.Errorf("what was free by then was waited for %d times, %v", l.Wait.Count(), l.Wait.Max())
		}
	})
}

// A claim that is sent again is answered with the grant that it has, or takes the place in
// line that it has; when its hold is over it is a new claim.
func TestClaimSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := cluster(t, Config{}, 0)
		send := func(id ClaimID, wait time.Duration) (*place, Stored, error) {
			p := &place{m: a.Manager}
			claim := newClient(a.Manager, fmt.Sprint(id[0])).claim(key, time.Hour)
			claim.Claim = id
			done, err := a.PutOrWait(claim, &Wait{For: wait, Waiter: p, Waiting: &p.Waiting})
			return p, done, err
		}
		_, done, err := send(ClaimID{1}, 0)
		must(t, err)
		_, again, err := send(ClaimID{1}, time.Minute)
		if err != nil || again.CAS != done.CAS || again.Entry != 0 {
			t.Errorf("sent again: %+v, %v; was %+v", again, err, done)
		}
		_, _, err = send(ClaimID{}, 0)
		want(t, "claim without an id", err, ErrNotStored)

		lost, _, _ := send(ClaimID{2}, time.Minute)
		pass(time.Second)
		other, _, _ := send(ClaimID{3}, time.Minute)
		kept, _, err := send(ClaimID{2}, time.Minute)
		want(t, "claim in line sent again", err, ErrQueued)
		wantOutcomes(t, []*place{lost, other, kept}, "moved", "waits", "waits")
		must(t, remove(a.Manager, key))
		wantOutcomes(t, []*place{other, kept}, "waits", "granted")
		if _, again, err = send(ClaimID{2}, 0); err != nil || again.CAS != kept.Token() {
			t.Errorf("sent again after the wait: %+v, %v", again, err)
		}
		must(t, remove(a.Manager, key))
		wantOutcomes(t, []*place{other}, "granted")
		_, _, err = send(ClaimID{2}, 0)
		want(t, "claim whose hold is over", err, ErrNotStored)
	})
}

// A claim whose hold another client has stored over does not get that client's hold as its own.
func TestClaimSentAgainAfterAnotherStored(t *testing.T) {
	for name, store := range map[string]func(m *Manager, token uint64) error{
		"cas": func(m *Manager, token uint64) error {
			_, err := m.Put(&Put{Op: CompareAndSwap, Key: []byte(key), Value: []byte("other"), Lease: time.Hour, Compare: token, Session: new(Session)})
			return err
		},
		"set": func(m *Manager, _ uint64) error { return set(m, key, "other", time.Hour) },
		"append": func(m *Manager, _ uint64) error {
			_, err := m.Put(&Put{Op: Append, Key: []byte(key), Value: []byte("other"), Lease: time.Hour, Session: new(Session)})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, _ := cluster(t, Config{}, 0)
				send := func() (Stored, error) {
					claim := newClient(a.Manager, "1").claim(key, time.Hour)
					claim.Claim = ClaimID{1}
					return a.Put(claim)
				}
				done, err := send()
				must(t, err)
				must(t, a.Touch([]byte(key), 2*time.Hour)) // leaves it as it is
				if again, err := send(); err != nil || again.CAS != done.CAS {
					t.Errorf("after a touch: %+v, %v", again, err)
				}
				must(t, store(a.Manager, done.CAS))
				if again, err := send(); err != ErrNotStored {
					t.Errorf("%+v, %v", again, err)
				}
			})
		})
	}
}

// A single server keeps no ids: nothing is sent again there.
func TestNoClaimIDsOnOneServer(t *testing.T) {
	m := NewManager(Config{})
	claim := newClient(m, "a").claim(key, time.Hour)
	claim.Claim = ClaimID{1}
	mustPut(t, m, *claim)
	_, err := m.Put(claim)
	want(t, "claim", err, ErrNotStored)
	if m.shards[0].ids != nil {
		t.Error("ids are kept")
	}
}

// In a cluster nobody is told how a wait ended before that is confirmed, even if it was in
// vain.
func TestOutcomesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const round = 100 * time.Millisecond
		a, _ := cluster(t, Config{}, round)
		must(t, newClient(a.Manager, "holder").add(key, time.Hour))
		line := []*place{
			newClient(a.Manager, "short").wait(t, key, time.Hour, 3*time.Second/2), // between two rounds of Run
			newClient(a.Manager, "next").wait(t, key, time.Hour, time.Hour),
			newClient(a.Manager, "last").wait(t, key, time.Hour, time.Hour),
		}
		pass(3*time.Second/2 + round - 1)
		wantOutcomes(t, line, "waits", "waits", "waits")
		pass(1)
		wantOutcomes(t, line, "timed out", "waits", "waits")

		go func() { _ = a.Commit() }() // a round is under way that has nothing of what follows
		pass(round / 2)
		must(t, remove(a.Manager, key))
		pass(round/2 + round - 1)
		wantOutcomes(t, line[1:], "waits", "waits")
		pass(1)
		wantOutcomes(t, line[1:], "granted", "waits")

		a.serve(every, false)
		a.Barrier()
		a.Disown(every) // promises nothing, so nothing has to be confirmed
		wantOutcomes(t, line[2:], "moved")
	})
}

// Without a quorum no wait ends as if anything were known, and nothing changes any more.
func TestNoQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := cluster(t, Config{}, time.Millisecond)
		if err := a.Unconfirmed(); err != nil {
			t.Errorf("at the beginning: %v", err)
		}
		for _, k := range []string{key, "released", "kept"} {
			must(t, newClient(a.Manager, "holder").add(k, time.Hour))
		}
		must(t, a.Commit())
		granted := newClient(a.Manager, "a").wait(t, "released", time.Hour, time.Hour)
		behind := newClient(a.Manager, "b").wait(t, "released", time.Hour, time.Hour)
		refused := newClient(a.Manager, "c").wait(t, "kept", time.Hour, time.Second)
		a.journal.lose(true)
		mark := a.Mark()
		must(t, remove(a.Manager, "released")) // whoever asked for it will not be told
		pass(2 * time.Second)
		wantOutcomes(t, []*place{granted, behind, refused}, "failed", "failed", "failed")
		if granted.Token() != 0 {
			t.Errorf("a token is told: %d", granted.Token())
		}
		err := a.Confirm(mark)
		if !errors.Is(err, ErrJournal) || !errors.Is(err, errNoQuorum) || err.Error() != "no quorum" || a.Confirmed(mark) {
			t.Errorf("the mark: %v, confirmed: %v", err, a.Confirmed(mark))
		}
		if err := a.Unconfirmed(); err == nil || err.Error() != "no quorum" {
			t.Errorf("the waits failed because of %v", err)
		}

		before := stateOf(a.Manager)
		all := requests(a.Manager, new(Session))
		all["flush"] = func() error { _, err := a.Flush(nil); return err }
		for _, name := range []string{
			"set", "set-ended", "replace", "append", "prepend", "gat", "touch", "delete", "incr", "flush",
		} {
			if err := all[name](); !errors.Is(err, ErrJournal) {
				t.Errorf("%s: %v", name, err)
			}
		}
		want(t, "add", all["add"](), ErrNotStored) // which is replaced by the error, since nothing confirms it
		if after := stateOf(a.Manager); after != before {
			t.Errorf("was %s, is %s", before, after)
		}

		a.journal.lose(false)
		must(t, a.Confirm(a.Mark()))
		wantOwner(t, a.Manager, "released", "")
		wantOwner(t, a.Manager, "kept", "holder")
		must(t, newClient(a.Manager, "d").add("released", time.Hour))
	})
}

// A grant that was not confirmed, or of which its client cannot know, is taken back where
// the key is served by then.
func TestTakenBackElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const round = 100 * time.Millisecond
		a, _ := cluster(t, Config{}, round)
		must(t, newClient(a.Manager, "holder").add("gone", time.Hour))
		must(t, newClient(a.Manager, "holder").add("unconfirmed", time.Hour))
		must(t, a.Commit())
		gone := newClient(a.Manager, "gone").wait(t, "gone", time.Hour, time.Hour)
		gone.gone.Store(true)
		must(t, remove(a.Manager, "gone"))
		a.serve(every, false) // while the grant is being confirmed
		pass(round)
		wantOutcomes(t, []*place{gone}, "granted")
		if k := <-a.withdrawn; k != "gone" {
			t.Errorf("%s is to be taken back", k)
		}

		a.serve(every, true)
		s := new(Session)
		done, err := a.Put(&Put{Op: Add, Key: []byte("claimed"), Lease: time.Hour, Session: s})
		must(t, err)
		next := newClient(a.Manager, "next").wait(t, "unconfirmed", time.Hour, time.Hour)
		must(t, remove(a.Manager, "unconfirmed"))
		a.journal.lose(true)
		a.serve(every, false)
		pass(time.Second)
		wantOutcomes(t, []*place{next}, "failed")
		if k := <-a.withdrawn; k != "unconfirmed" {
			t.Errorf("%s is to be taken back", k)
		}
		if !a.Disavow([]byte("claimed"), done.CAS, done.Entry, s) {
			t.Error("a grant stands that was not confirmed")
		}
		if k := <-a.withdrawn; k != "claimed" {
			t.Errorf("%s is to be taken back", k)
		}
		if !a.Holds([]byte("claimed"), done.CAS) {
			t.Error("it is known what another node holds")
		}
	})
}

// Adopting is idempotent, and a lease that is over ends when the key is served.
func TestAdopt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, b := cluster(t, Config{}, 0)
		b.RaiseToken(1 << 62)
		b.RaiseToken(5)
		e := &journal.Entry{Kind: journal.Put, Key: []byte(key), Value: []byte("first"), Token: 7, Since: b.journal.Now() + time.Hour, Expires: 1}
		b.Adopt(e, time.Minute)
		e.Value, e.Token, e.Claim = []byte("second"), 8, ClaimID{8}
		b.Adopt(e, -time.Second)
		pass(time.Second)
		if n := b.Totals(); n.Held != 1 || n.Items != 1 || n.Counters[stats.Expired] != 0 || len(b.journal.pending) != 0 {
			t.Errorf("before it is served: %+v, %d entries", n, len(b.journal.pending))
		}
		b.serve(every, true)
		pass(restsFor)
		wantOwner(t, b.Manager, key, "")
		if n := b.Totals(); n.Counters[stats.Expired] != 1 || n.Items != 0 {
			t.Errorf("served: %+v", n)
		}
		if done := mustPut(t, b.Manager, *newClient(b.Manager, "c").claim(key, time.Hour)); done.CAS != 1<<62+1 {
			t.Errorf("the next token is %d", done.CAS)
		}
	})
}

// A delayed flush that is due without a quorum frees nothing before there is one again.
func TestDelayedFlushWithoutQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := cluster(t, Config{}, time.Millisecond)
		must(t, newClient(a.Manager, "holder").add(key, time.Hour))
		must(t, a.Commit())
		next := newClient(a.Manager, "next").wait(t, key, time.Hour, time.Hour)
		a.FlushAfter(time.Second)
		a.journal.lose(true)
		_ = a.Commit()
		pass(10 * time.Second)
		wantOwner(t, a.Manager, key, "holder")
		wantOutcomes(t, []*place{next}, "waits")
		a.journal.lose(false)
		must(t, a.Commit())
		pass(time.Second)
		wantOwner(t, a.Manager, key, "next")
		wantOutcomes(t, []*place{next}, "granted")
	})
}

// A lock whose value is too large for the journal is refused, and an item is not.
func TestTooLargeForTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := cluster(t, Config{LockKeys: []Pattern{MustPattern("lock*")}}, time.Millisecond)
		a.journal.limit = 100
		store := func(op Op, key string, size int) error {
			_, err := a.Put(&Put{Op: op, Key: []byte(key), Value: make([]byte, size), Lease: time.Hour, Session: new(Session)})
			return err
		}
		large := 100 - len("lock:1") + 1
		want(t, "a claim too large", store(Add, "lock:1", large), ErrTooLarge)
		must(t, store(Add, "lock:1", large-1))
		want(t, "a renewal too large", store(Set, "lock:1", large), ErrTooLarge)
		want(t, "an append too large", store(Append, "lock:1", 1), ErrNotStored)
		must(t, store(Set, "lock:1", large-1))
		must(t, store(Add, "item", 1000))
		if n := a.Totals().TooLarge; n != 2 {
			t.Errorf("%d are counted", n)
		}
		p := new(place)
		_, err := a.PutOrWait(&Put{Op: Add, Key: []byte("lock:1"), Value: make([]byte, large), Lease: time.Hour, Session: new(Session)},
			&Wait{For: time.Hour, Waiter: p, Waiting: &p.Waiting})
		want(t, "a wait for what is too large", err, ErrTooLarge)
		must(t, a.Commit())
	})
}
