package locks

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/stats"
	"github.com/lockcached/lockcached/waitqueue"
)

func TestHandOffInOrder(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Minute))
		line := enqueue(t, m, 5, key, time.Minute, time.Minute)
		var last uint64
		for i, next := range line {
			wantOutcomes(t, []*place{next}, "waits")
			must(t, remove(m, key))
			wantOutcomes(t, []*place{next}, "granted") // before the delete returns
			wantOwner(t, m, key, string('0'+rune(i)))
			if next.Token() <= last || next.Token() != lookup(m, []byte(key), nil).Token {
				t.Errorf("waiter %d has token %d after %d", i, next.Token(), last)
			}
			last = next.Token()
		}
		must(t, remove(m, key))
		wantOwner(t, m, key, "")
		if l := lookup(m, []byte(key), nil); l.Counters[stats.HandedOff] != 5 || l.Counters[stats.Acquired] != 6 || l.Counters[stats.Released] != 6 || l.Counters[stats.Refused] != 0 {
			t.Errorf("counted %+v", l.Counters)
		}
	})
}

// A hand-off at the very end of a lease; the next lease begins there.
func TestHandOffOnExpiry(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, 10*time.Second))
		pass(4 * time.Second)
		line := enqueue(t, m, 2, key, 3*time.Second, time.Minute)
		pass(6*time.Second - 1)
		wantOutcomes(t, line, "waits", "waits")
		pass(1)
		wantOutcomes(t, line, "granted", "waits")
		if l := lookup(m, []byte(key), nil); l.Age != 0 || l.TTL != 3*time.Second || l.Counters[stats.Expired] != 1 {
			t.Errorf("held for %v, %v are left, %d expired", l.Age, l.TTL, l.Counters[stats.Expired])
		}
		pass(3 * time.Second)
		wantOutcomes(t, line, "granted", "granted")
		wantOwner(t, m, key, "1")
	})
}

// While somebody is queued, no newcomer gets the lock, whatever ends the hold.
func TestNobodyBargesIn(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Second))
		line := enqueue(t, m, 2, key, time.Second, time.Minute)
		newcomer := newClient(m, "newcomer")
		must(t, remove(m, key))
		want(t, "add after a release", newcomer.add(key, time.Minute), ErrNotStored)
		time.Sleep(time.Second) // Run and the newcomer race for the expired lock
		want(t, "add at the expiry", newcomer.add(key, time.Minute), ErrNotStored)
		wantOutcomes(t, line, "granted", "granted")
		wantOwner(t, m, key, "1")
	})
}

func TestWaitIsOver(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Minute))
		short := newClient(m, "short").wait(t, key, time.Minute, 2*time.Second)
		long := newClient(m, "long").wait(t, key, time.Minute, 3*time.Second)
		pass(2*time.Second - 1)
		wantOutcomes(t, []*place{short, long}, "waits", "waits")
		pass(1)
		wantOutcomes(t, []*place{short, long}, "timed out", "waits")
		// A client whose wait is over may come back: from now on it counts as a poller.
		l := lookup(m, []byte(key), nil)
		if l.Counters[stats.WaitTimeouts] != 1 || l.Queued != 1 || l.Polling != 1 {
			t.Errorf("%d timed out, %d are queued, %d poll", l.Counters[stats.WaitTimeouts], l.Queued, l.Polling)
		}
		must(t, remove(m, key))
		wantOutcomes(t, []*place{short, long}, "timed out", "granted")
	})
}

// A lease and a wait that end together: the waiter gets the lock.
func TestWaitIsOverAtTheHandOff(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Second))
		line := enqueue(t, m, 2, key, time.Minute, time.Second)
		pass(time.Second)
		wantOutcomes(t, line, "granted", "timed out")
	})
}

func TestWaitIsCapped(t *testing.T) {
	bubble(t, Config{MaxWait: time.Second}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Hour))
		line := enqueue(t, m, 1, key, time.Hour, ttl.Forever)
		pass(time.Second)
		wantOutcomes(t, line, "timed out")
	})
}

// waitInSlices waits in line like a client whose requests are shorter than its wait: one
// request after the other, all but the last saying that the wait goes on.
func waitInSlices(t *testing.T, c *client, n int, slice time.Duration) (last *place) {
	t.Helper()
	for i := range n {
		last = &place{m: c.m}
		claim := c.claim(key, time.Minute)
		wait := &Wait{For: slice, Waiter: last, Waiting: &last.Waiting, Named: true, GoesOn: i < n-1}
		if _, err := c.m.PutOrWait(claim, wait); err != ErrQueued {
			t.Fatalf("slice %d does not wait: %v", i, err)
		}
		pass(slice)
	}
	return last
}

func wantWaits(t *testing.T, m *Manager, timeouts, waits uint64, mean time.Duration) {
	t.Helper()
	l := lookup(m, []byte(key), nil)
	class, _ := m.Class("lock")
	for of, r := range map[string]*stats.Record{"lock": &l.Record, "class": &class} {
		if r.Counters[stats.WaitTimeouts] != timeouts || r.Wait.Count() != waits || time.Duration(r.Wait.Mean()) != mean {
			t.Errorf("the %s counts %d waits in vain and %d others of %v, want %d, %d, %v", of,
				r.Counters[stats.WaitTimeouts], r.Wait.Count(), time.Duration(r.Wait.Mean()), timeouts, waits, mean)
		}
	}
	if total := m.Totals().Counters[stats.WaitTimeouts]; total != timeouts {
		t.Errorf("in total %d waits in vain, want %d", total, timeouts)
	}
}

// A wait that goes on slice by slice is one wait.
func TestWaitInSlices(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, 9500*time.Millisecond))
		p := waitInSlices(t, newClient(m, "b"), 10, time.Second)
		wantOutcomes(t, []*place{p}, "granted")
		wantWaits(t, m, 0, 1, 9500*time.Millisecond)

		c := newClient(m, "c")
		wantOutcomes(t, []*place{waitInSlices(t, c, 3, time.Second)}, "timed out")
		wantWaits(t, m, 1, 1, 9500*time.Millisecond)
	})
}

// A client that says that it goes on, and does not come back, has waited in vain after
// all.
func TestWaitThatDoesNotGoOn(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Hour))
		p := &place{m: m}
		c := newClient(m, "b")
		claim := c.claim(key, time.Minute)
		if _, err := m.PutOrWait(claim, &Wait{For: time.Second, Waiter: p, Waiting: &p.Waiting, Named: true, GoesOn: true}); err != ErrQueued {
			t.Fatal(err)
		}
		pass(time.Second)
		wantOutcomes(t, []*place{p}, "timed out")
		wantWaits(t, m, 0, 0, 0)
		pass(waitqueue.MinPatience + forgetEvery)
		wantWaits(t, m, 1, 0, 0)
		if l := lookup(m, []byte(key), nil); l.Waiters() != 0 {
			t.Errorf("%d wait", l.Waiters())
		}
	})
}

// A wait that --max-wait has cut goes on, too, because its client has asked for more.
func TestCutWaitGoesOn(t *testing.T) {
	bubble(t, Config{MaxWait: time.Second}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, 2500*time.Millisecond))
		c := newClient(m, "b")
		for left := 10 * time.Second; left > 7*time.Second; left -= time.Second {
			p := &place{m: m}
			claim := c.claim(key, time.Minute)
			if _, err := m.PutOrWait(claim, &Wait{For: left, Waiter: p, Waiting: &p.Waiting, Named: true}); err != ErrQueued {
				t.Fatal(err)
			}
			pass(time.Second)
		}
		wantOwner(t, m, key, "b")
		wantWaits(t, m, 0, 1, 2500*time.Millisecond)
	})
}

func TestLineIsBounded(t *testing.T) {
	bubble(t, Config{MaxWaiters: 2}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Minute))
		must(t, newClient(m, "holder").add("another", time.Minute))
		line := enqueue(t, m, 2, key, time.Minute, time.Minute)
		_, err := newClient(m, "third").tryWait(key, time.Minute, time.Minute)
		want(t, "a third in line", err, ErrNotStored)
		enqueue(t, m, 2, "another", time.Minute, time.Minute)
		must(t, remove(m, key))
		line = append(line, newClient(m, "third").wait(t, key, time.Minute, time.Minute))
		wantOutcomes(t, line, "granted", "waits", "waits")
	})
}

func TestFreeLockIsNotWaitedFor(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		p, err := newClient(m, "a").tryWait(key, time.Minute, time.Minute)
		must(t, err)
		pass(time.Hour)
		if p.String() != "waits" {
			t.Error("a claim that did not wait was told how its wait ended")
		}
	})
}

func TestGiveUp(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Minute))
		line := enqueue(t, m, 4, key, time.Minute, time.Minute)
		line[0].giveUp(true)
		line[2].giveUp(false)
		l := lookup(m, []byte(key), nil)
		if l.Queued != 2 || l.Polling != 1 || l.Counters[stats.WaitTimeouts] != 1 { // one that is gone does not poll
			t.Errorf("%d are queued, %d poll, %d timed out", l.Queued, l.Polling, l.Counters[stats.WaitTimeouts])
		}
		must(t, remove(m, key))
		must(t, remove(m, key))
		wantOutcomes(t, line, "waits", "granted", "waits", "granted")
		if !m.GiveUp(&line[1].Waiting, true) {
			t.Error("who was served can give up")
		}
		wantOwner(t, m, key, "3")
	})
}

// A grant that did not arrive is given to the next in line, and one after the
// other of a host that died with all its clients.
func TestServedNobody(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Minute))
		line := enqueue(t, m, 4, key, time.Minute, time.Minute)
		for _, p := range line[:3] {
			p.gone.Store(true)
		}
		must(t, remove(m, key))
		wantOutcomes(t, line, "granted", "granted", "granted", "granted")
		wantOwner(t, m, key, "3")
		l := lookup(m, []byte(key), nil)
		if l.Counters[stats.Withdrawn] != 3 || l.Counters[stats.Acquired] != 5 || l.Counters[stats.Released] != 1 || l.Hold.Count() != 1 {
			t.Errorf("counted %+v, %d holds", l.Counters, l.Hold.Count())
		}
	})
}

func TestServedNobodyAtAll(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Second))
		line := enqueue(t, m, 3, key, time.Minute, time.Minute)
		for _, p := range line {
			p.gone.Store(true)
		}
		pass(time.Second)
		wantOwner(t, m, key, "")
		if total := m.Totals(); total.Queued+total.Polling != 0 || total.Counters[stats.Withdrawn] != 3 {
			t.Errorf("%d wait, %d grants were withdrawn", total.Queued+total.Polling, total.Counters[stats.Withdrawn])
		}
	})
}

func TestWithdraw(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Minute))
		line := enqueue(t, m, 3, key, time.Minute, time.Minute)
		must(t, remove(m, key))
		m.Withdraw([]byte(key), line[0].Token())
		wantOutcomes(t, line, "granted", "granted", "waits")
		m.Withdraw([]byte(key), line[0].Token()) // not its hold any more
		m.Withdraw([]byte("another"), line[1].Token())
		wantOutcomes(t, line, "granted", "granted", "waits")
		wantOwner(t, m, key, "1")
	})
}

func TestEndWaits(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		var all []*place
		for _, key := range []string{"a", "b", "c", "d"} {
			must(t, newClient(m, "holder").add(key, time.Minute))
			all = append(all, enqueue(t, m, 2, key, time.Minute, time.Minute)...)
		}
		m.EndWaits()
		for _, p := range all {
			wantOutcomes(t, []*place{p}, "timed out")
		}
		_, err := newClient(m, "late").tryWait("a", time.Minute, time.Minute)
		want(t, "a claim after it", err, ErrNotStored)
		wantOwner(t, m, "a", "holder")
		if n := m.Totals().Queued; n != 0 {
			t.Errorf("%d are queued", n)
		}
	})
}

// A claim may wait for an ordinary item to go, in whatever way.
func TestWaitForAnOrdinaryItem(t *testing.T) {
	for name, end := range map[string]func(*Manager){
		"delete":   func(m *Manager) { _ = remove(m, key) },
		"set":      func(m *Manager) { _ = set(m, key, "x", -1) },
		"touch":    func(m *Manager) { _ = m.Touch([]byte(key), -1) },
		"flush":    func(m *Manager) { m.Flush(nil) },
		"expiry":   func(*Manager) { pass(10 * time.Second) },
		"eviction": func(m *Manager) { m.SetMemoryLimit(1) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, m *Manager) {
				must(t, set(m, key, strings.Repeat("x", 100<<10), 10*time.Second))
				line := enqueue(t, m, 2, key, time.Minute, time.Minute)
				wantOutcomes(t, line, "waits", "waits")
				end(m)
				wantOutcomes(t, line, "granted", "waits")
				l := lookup(m, []byte(key), nil)
				if l.Owner != "0" || l.Counters[stats.Acquired] != 1 || l.Counters[stats.Released] != 0 {
					t.Errorf("%q holds it, counted %+v", l.Owner, l.Counters)
				}
			})
		})
	}
}

// A key that is not a lock cannot be claimed: there is nothing to wait for.
func TestNoWaitForWhatIsNoLock(t *testing.T) {
	bubble(t, Config{LockKeys: []Pattern{MustPattern("lock:*")}}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "a").add("item", time.Minute))
		_, err := newClient(m, "b").tryWait("item", time.Minute, time.Minute)
		want(t, "waiting add", err, ErrNotStored)
	})
}

// A waiter whose lease is over when it is served is answered as any add with
// such a lease is; then it is the next one's turn.
func TestWaitWithALeaseThatIsOver(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Minute))
		first := newClient(m, "first").wait(t, key, -time.Second, time.Minute)
		second := newClient(m, "second").wait(t, key, time.Minute, time.Minute)
		must(t, remove(m, key))
		synctest.Wait()
		wantOutcomes(t, []*place{first, second}, "granted", "granted")
		wantOwner(t, m, key, "second")
	})
}

// The key and value of a claim that waits are its own: those in the request belong to a
// connection's buffer.
func TestWaiterKeepsItsClaim(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Minute))
		p := &place{m: m}
		for range 3 { // with the same memory each time
			p.how.Store(int32(pending))
			buffer := []byte(key + "waiter")
			claim := &Put{Op: Add, Key: buffer[:len(key)], Value: buffer[len(key):], Flags: 7, Lease: time.Minute,
				Session: new(Session)}
			_, err := m.PutOrWait(claim, &Wait{For: time.Minute, Waiter: p, Waiting: &p.Waiting})
			want(t, "add", err, ErrQueued)
			clear(buffer)
			must(t, remove(m, key))
			wantOutcomes(t, []*place{p}, "granted")
			wantOwner(t, m, key, "waiter")
		}
	})
}

// Afterwards it keeps no more than a key's worth of them for the next time.
func TestWaiterKeepsNoLargeValue(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "holder").add(key, time.Minute))
		c := newClient(m, strings.Repeat("x", 1<<19))
		line := []*place{
			c.wait(t, key, time.Minute, time.Minute),
			c.wait(t, key, time.Minute, time.Second),
			c.wait(t, key, time.Minute, time.Minute),
		}
		must(t, remove(m, key))
		pass(time.Second)
		line[2].giveUp(true)
		wantOutcomes(t, line, "granted", "timed out", "waits")
		for i, p := range line {
			if string(p.Key()) != key || cap(p.claim.Key) > maxKeptClaim || p.claim.Value != nil {
				t.Errorf("waiter %d keeps %d bytes for %q", i, cap(p.claim.Key), p.Key())
			}
		}
		if v, _ := value(m, key); v != c.name {
			t.Errorf("the lock has a value of %d bytes", len(v))
		}
	})
}

// Wait time runs from the first refused or queued claim to the grant; hold time
// begins there.
func TestWaitTimes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		claim func(t *testing.T, c *client) // for four seconds; then the lock is released
		want  time.Duration
	}{
		{"queued", func(t *testing.T, c *client) {
			pass(time.Second)
			c.wait(t, key, time.Minute, time.Minute)
			pass(3 * time.Second)
		}, 3 * time.Second},
		{"polled-then-queued", func(t *testing.T, c *client) {
			want(t, "add", c.add(key, time.Minute), ErrNotStored)
			pass(time.Second)
			c.wait(t, key, time.Minute, time.Minute)
			pass(3 * time.Second)
		}, 4 * time.Second},
		{"queued-timed-out-queued", func(t *testing.T, c *client) {
			c.wait(t, key, time.Minute, time.Second)
			pass(2 * time.Second)
			c.wait(t, key, time.Minute, time.Minute)
			pass(2 * time.Second)
		}, 4 * time.Second},
		{"hung-up-then-queued", func(t *testing.T, c *client) {
			c.wait(t, key, time.Minute, time.Minute).giveUp(true)
			pass(2 * time.Second)
			c.wait(t, key, time.Minute, time.Minute)
			pass(2 * time.Second)
		}, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, m *Manager) {
				must(t, newClient(m, "holder").add(key, time.Minute))
				tt.claim(t, newClient(m, "waiter"))
				must(t, remove(m, key))
				pass(5 * time.Second)
				must(t, remove(m, key))
				l := lookup(m, []byte(key), nil)
				if l.Wait.Count() != 1 || l.Wait.Max() != tt.want {
					t.Errorf("%d waits, the longest %v, want %v", l.Wait.Count(), l.Wait.Max(), tt.want)
				}
				if l.Hold.Count() != 2 || l.Hold.Min() != 4*time.Second || l.Hold.Max() != 5*time.Second {
					t.Errorf("%d holds from %v to %v", l.Hold.Count(), l.Hold.Min(), l.Hold.Max())
				}
				if l.Gap.Count() != 1 || l.Gap.Max() != 0 {
					t.Errorf("%d gaps, the longest %v", l.Gap.Count(), l.Gap.Max())
				}
			})
		})
	}
}

// A lock that is lost while it is wanted is worth a warning; one that nobody
// wants is not.
func TestLostLockIsLogged(t *testing.T) {
	var log syncBuffer
	bubble(t, Config{Logger: zerolog.New(&log)}, func(t *testing.T, m *Manager) {
		must(t, newClient(m, "slow worker").add(key, time.Second))
		must(t, newClient(m, "x").add("unwanted", time.Second))
		enqueue(t, m, 2, key, time.Minute, time.Minute)
		want(t, "add", newClient(m, "poller").add(key, time.Minute), ErrNotStored)
		pass(time.Second)
		must(t, remove(m, key))
	})
	want := `{"level":"warn","lock":"lock:job","owner":"slow%20worker","held_ms":1000,"waiters":3,` +
		`"message":"lock lost by expiry while waited for: is its TTL too short?"}` + "\n"
	if log.String() != want {
		t.Errorf("logged %s", &log)
	}
}

// When many are lost at once a few of them are enough to see why.
func TestLostLocksFillNoLog(t *testing.T) {
	var log syncBuffer
	bubble(t, Config{Logger: zerolog.New(&log)}, func(t *testing.T, m *Manager) {
		for round := range 2 {
			for i := range 3 * maxLostLogged {
				key := fmt.Sprintf("lock:%d:%d", round, i)
				must(t, newClient(m, "a").add(key, time.Second))
				want(t, "add", newClient(m, "b").add(key, time.Minute), ErrNotStored)
			}
			pass(2 * time.Second)
		}
	})
	if n := strings.Count(log.String(), "\n"); n != 2*maxLostLogged {
		t.Errorf("%d lines, want %d a second", n, maxLostLogged)
	}
}

// syncBuffer is a buffer that several goroutines write to.
type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// The value of a holder may be anything; a log and a line of statistics want one
// word.
func TestOwnerIsOneWord(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		for value, want := range map[string]string{
			"host-1:4711":            "host-1:4711",
			"":                       "",
			"a b\r\nc":               "a%20b%0D%0Ac",
			strings.Repeat("x", 500): strings.Repeat("x", 120),
		} {
			must(t, newClient(m, value).add(key, time.Minute))
			wantOwner(t, m, key, want)
			must(t, remove(m, key))
		}
	})
}
