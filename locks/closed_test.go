package locks

import (
	"testing"
	"time"
)

const pause = 5 * time.Second

func delayed() Config {
	return Config{LockDelays: []LockDelay{{MustPattern("lock:exempt"), 0}, {MustPattern("lock:*"), pause}}}
}

// wantDelay compares how much longer the lock is closed.
func wantDelay(t *testing.T, m *Manager, key string, want time.Duration) {
	t.Helper()
	if l := lookup(m, []byte(key), nil); l.Delay != want || l.Held {
		t.Errorf("%s is held: %v; closed for %v, want %v", key, l.Held, l.Delay, want)
	}
}

func TestLockDelay(t *testing.T) {
	ends := map[string]struct {
		end   func(m *Manager)
		delay time.Duration
	}{
		"expiry":     {func(*Manager) { pass(time.Second) }, pause},
		"withdrawal": {func(m *Manager) { _ = m.Withdraw([]byte(key), lookup(m, []byte(key), nil).Token) }, pause},
		"delete":     {func(m *Manager) { _ = remove(m, key) }, 0},
		"touch":      {func(m *Manager) { _ = m.Touch([]byte(key), -1) }, 0},
		"flush":      {func(m *Manager) { _, _ = m.Flush(nil) }, 0},
	}
	for name, tt := range ends {
		t.Run(name, func(t *testing.T) {
			bubble(t, delayed(), func(t *testing.T, m *Manager) {
				a, b := newClient(m, "a"), newClient(m, "b")
				must(t, a.add(key, time.Second))
				tt.end(m)
				wantDelay(t, m, key, tt.delay)
				if tt.delay == 0 {
					want(t, "claim", b.add(key, time.Minute), nil)
					return
				}
				want(t, "claim of the closed lock", b.add(key, time.Minute), ErrNotStored)
				if retry := b.retry(key); retry != tt.delay {
					t.Errorf("told to come back after %v, want %v", retry, tt.delay)
				}
				if _, ok := value(m, key); ok {
					t.Error("a closed lock can be read")
				}
				want(t, "delete of the closed lock", remove(m, key), ErrNotFound)
				pass(tt.delay - 1)
				want(t, "claim just before it opens", b.add(key, time.Minute), ErrNotStored)
				pass(1)
				want(t, "claim of the open lock", b.add(key, time.Minute), nil)
			})
		})
	}
}

func TestLockDelayOfOtherKeys(t *testing.T) {
	bubble(t, delayed(), func(t *testing.T, m *Manager) {
		for _, key := range []string{"lock:exempt", "job"} {
			must(t, newClient(m, "a").add(key, time.Second))
			pass(time.Second)
			wantDelay(t, m, key, 0)
			want(t, "claim", newClient(m, "b").add(key, time.Second), nil)
		}
	})
}

// A grant that could not be delivered leaves no holder that might be at work.
func TestNoDelayAfterAnUnheardGrant(t *testing.T) {
	bubble(t, delayed(), func(t *testing.T, m *Manager) {
		must(t, newClient(m, "a").add(key, time.Minute))
		line := enqueue(t, m, 3, key, time.Minute, time.Minute)
		line[0].gone.Store(true)
		line[1].gone.Store(true)
		must(t, remove(m, key))
		wantOutcomes(t, line[2:], "granted")
	})
}

// Those that wait, from before the end or since, are served in their order when the delay
// is over, and no newcomer comes between.
func TestLineOfAClosedLock(t *testing.T) {
	bubble(t, delayed(), func(t *testing.T, m *Manager) {
		must(t, newClient(m, "a").add(key, time.Second))
		before := newClient(m, "b").wait(t, key, time.Minute, time.Minute)
		pass(time.Second)
		since := newClient(m, "c").wait(t, key, time.Minute, time.Minute)
		short := newClient(m, "d").wait(t, key, time.Minute, time.Second)
		pass(pause - 1)
		wantOutcomes(t, []*place{before, since, short}, "waits", "waits", "timed out")
		pass(1)
		wantOutcomes(t, []*place{before, since}, "granted", "waits")
		want(t, "claim", newClient(m, "e").add(key, time.Minute), ErrNotStored)
		must(t, remove(m, key))
		wantOutcomes(t, []*place{since}, "granted")
		if l := lookup(m, []byte(key), nil); l.Wait.Max() != pause+time.Second || l.Gap.Max() != 0 {
			t.Errorf("waited for %v, free for %v", l.Wait.Max(), l.Gap.Max())
		}
	})
}

// A newcomer that notices before Run that the delay has ended is behind those in line.
func TestClosedLockIsOpenedByWhoLooks(t *testing.T) {
	bubble(t, delayed(), func(t *testing.T, m *Manager) {
		must(t, newClient(m, "a").add(key, time.Second))
		pass(time.Second)
		line := newClient(m, "b").wait(t, key, time.Minute, time.Minute)
		time.Sleep(pause)
		want(t, "claim", newClient(m, "c").add(key, time.Minute), ErrNotStored)
		wantOutcomes(t, []*place{line}, "granted")
	})
}

// An ordinary item may be stored under the key of a closed lock; the line waits for
// it, too, and for the delay all the same.
func TestItemInPlaceOfAClosedLock(t *testing.T) {
	for _, gone := range []time.Duration{time.Second, pause + time.Second} {
		bubble(t, delayed(), func(t *testing.T, m *Manager) {
			must(t, newClient(m, "a").add(key, time.Second))
			pass(time.Second)
			line := []*place{newClient(m, "b").wait(t, key, time.Minute, time.Minute)}
			must(t, set(m, key, "item", gone))
			pass(max(gone, pause) - 1)
			wantOutcomes(t, line, "waits")
			pass(1)
			wantOutcomes(t, line, "granted")
		})
	}
}

func TestSettle(t *testing.T) {
	bubble(t, Config{Settle: 10 * time.Second, LockKeys: []Pattern{MustPattern("lock:*")}}, func(t *testing.T, m *Manager) {
		a, b := newClient(m, "a"), newClient(m, "b")
		want(t, "claim", a.add(key, time.Minute), ErrNotStored)
		want(t, "add of what is no lock", a.add("item", time.Minute), nil)
		line := b.wait(t, key, time.Minute, time.Minute)
		pass(4 * time.Second)
		l := lookup(m, []byte(key), &a.session)
		if l.Settling != 6*time.Second || l.Delay != 0 || m.Settling() != 6*time.Second || l.Retry != 6*time.Second {
			t.Errorf("settles for %v, delayed for %v, come back after %v", l.Settling, l.Delay, l.Retry)
		}
		pass(6*time.Second - 1)
		wantOutcomes(t, []*place{line}, "waits")
		pass(1)
		wantOutcomes(t, []*place{line}, "granted")
		want(t, "claim of another lock", a.add("lock:other", time.Minute), nil)
		if m.Settling() != 0 {
			t.Errorf("settles for %v more", m.Settling())
		}
	})
}

// Closed locks leave nothing behind.
func TestClosedLocksAreForgotten(t *testing.T) {
	bubble(t, Config{Settle: time.Second}, func(t *testing.T, m *Manager) {
		a := newClient(m, "a")
		for _, key := range manyLocks()[:1000] {
			want(t, "claim", a.add(key, time.Minute), ErrNotStored)
		}
		pass(time.Second)
		m.Close(&a.session)
		pass(time.Minute)
		for _, sh := range m.shards {
			if len(sh.closed) > 0 || sh.reopenings.Len() > 0 || len(sh.lines) > 0 {
				t.Fatalf("%d are closed, %d to be opened, %d lines are left", len(sh.closed), sh.reopenings.Len(), len(sh.lines))
			}
		}
	})
}
