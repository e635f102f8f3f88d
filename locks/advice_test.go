package locks

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func (c *client) retry(key string) time.Duration {
	after, _ := c.m.Retry([]byte(key), &c.session) // the error is that of a cluster
	return after
}

// practised is a Manager's lock whose holds are known to last about a second, and
// which is held.
func practised(t *testing.T, m *Manager) {
	t.Helper()
	practisedFor(t, m, time.Second)
}

// practisedFor is practised with holds that last about that long.
func practisedFor(t *testing.T, m *Manager, took time.Duration) {
	t.Helper()
	for i := range 40 {
		holdFor(t, m, key, took+time.Duration(i%7-3)*took/20)
	}
	must(t, newClient(m, "holder").add(key, time.Hour))
}

func TestNoRetryForAFreeLock(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		c := newClient(m, "c")
		if r := c.retry(key); r != 0 {
			t.Errorf("an unknown lock: %v", r)
		}
		must(t, set(m, key, "x", time.Minute))
		if r := c.retry(key); r != 0 {
			t.Errorf("an ordinary item: %v", r)
		}
		must(t, remove(m, key))
		practised(t, m)
		must(t, remove(m, key))
		l := lookup(m, []byte(key), &c.session)
		if r := c.retry(key); r != 0 || l.Retry != 0 || l.SuggestedWait != 0 {
			t.Errorf("a free lock: %v, %v, wait %v", r, l.Retry, l.SuggestedWait)
		}
	})
}

func TestRetryIsTheSameUntilRefusedAgain(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		practised(t, m)
		a, b := newClient(m, "a"), newClient(m, "b")
		a.poll(t, key)
		b.poll(t, key)
		first := a.retry(key)
		other := b.retry(key)
		if again := a.retry(key); again != first || first == other {
			t.Errorf("read again %v, first %v; the other's is %v", again, first, other)
		}
		if l := lookup(m, []byte(key), &a.session); l.Retry != first {
			t.Errorf("Lookup says %v, not %v", l.Retry, first)
		}
		pass(first / 2)
		if rest := a.retry(key); rest != first-first/2 {
			t.Errorf("%v are left of %v", rest, first)
		}
		pass(first - first/2)
		a.poll(t, key)
		second := a.retry(key)
		if second <= 0 || a.retry(key) != second {
			t.Errorf("after the second refusal %v, then %v", second, a.retry(key))
		}
	})
}

// Two clients that share a connection are refused twice, and get two times.
func TestSharedConnectionGetsTwoTimes(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		practised(t, m)
		c := newClient(m, "c")
		c.poll(t, key)
		c.poll(t, key)
		first, second := c.retry(key), c.retry(key)
		if first == second || c.retry(key) != second {
			t.Errorf("%v, then %v, then %v", first, second, c.retry(key))
		}
	})
}

func TestPutTellsRetry(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		practised(t, m)
		c := newClient(m, "c")
		claim := c.claim(key, time.Minute)
		claim.WithLine = true
		done, err := m.Put(claim)
		want(t, "add", err, ErrNotStored)
		if done.Retry() != 0 {
			t.Errorf("unasked: %v", done.Retry())
		}
		claim.WithRetry = true
		done, err = m.Put(claim)
		want(t, "add", err, ErrNotStored)
		if done.Retry() == 0 || done.Waiters != 1 {
			t.Errorf("retry %v, %d waiters", done.Retry(), done.Waiters)
		}
		must(t, remove(m, key))
		if done, err = m.Put(claim); err != nil || done.Retry() != 0 {
			t.Errorf("granted: %v, %v", done.Retry(), err)
		}
	})
}

// Each client is told another moment, within the bounds, however long holds take: also where
// the bound is so near that there is no time left but between those that others were told.
func TestRetriesDiffer(t *testing.T) {
	for _, limit := range []time.Duration{0, 5 * time.Second, 2 * time.Second} {
		for _, took := range []time.Duration{20 * time.Millisecond, 300 * time.Millisecond, time.Second, 7 * time.Second} {
			for _, n := range []int{2, 10, 63, 100, 300} {
				t.Run(fmt.Sprint(n, "-within-", limit, "-holds-of-", took), func(t *testing.T) {
					bubble(t, Config{RetryMax: limit}, func(t *testing.T, m *Manager) {
						practisedFor(t, m, took)
						var told []time.Duration
						for i := range n {
							c := newClient(m, fmt.Sprint(i))
							c.poll(t, key)
							told = append(told, c.retry(key))
						}
						wantDifferent(t, m, told)
					})
				})
			}
		}
	}
}

// A session that asks without having been refused counts as another client each time.
func TestAnonymousRetriesDiffer(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		practised(t, m)
		var told []time.Duration
		for range 20 {
			told = append(told, newClient(m, "x").retry(key))
		}
		wantDifferent(t, m, told)
		// But a mere look reserves no time.
		first := lookup(m, []byte(key), nil).Retry
		if again := lookup(m, []byte(key), nil).Retry; again != first || first == 0 {
			t.Errorf("looked at twice: %v, then %v", first, again)
		}
	})
}

func wantDifferent(t *testing.T, m *Manager, told []time.Duration) {
	t.Helper()
	slices.Sort(told)
	if different := len(slices.Compact(slices.Clone(told))); different != len(told) {
		t.Errorf("%d are told %d different times: %v", len(told), different, told)
	}
	first, last := told[0], told[len(told)-1]
	if limit := m.Config().RetryMax; first < time.Millisecond || last > limit {
		t.Errorf("told %v to %v, want 1ms to %v", first, last, limit)
	}
}

func TestRetryIsBounded(t *testing.T) {
	bubble(t, Config{RetryMax: 20 * time.Millisecond}, func(t *testing.T, m *Manager) {
		for _, took := range []time.Duration{0, time.Microsecond, time.Hour} {
			key := fmt.Sprint("lock:", took)
			for range 10 {
				holdFor(t, m, key, min(took, time.Hour-1))
			}
			must(t, newClient(m, "holder").add(key, time.Hour))
			for i := range 200 {
				c := newClient(m, fmt.Sprint(i))
				c.poll(t, key)
				if r := c.retry(key); r < time.Millisecond || r > 20*time.Millisecond || r%time.Millisecond != 0 {
					t.Errorf("%s: %v", key, r)
				}
			}
		}
	})
}

// The first poller while others are queued comes after their holds; those that wait only
// for a moment do not count.
func TestRetryComesBehindTheQueue(t *testing.T) {
	for _, tt := range []struct {
		wait     time.Duration
		from, to time.Duration
	}{
		{time.Minute, 4 * time.Second, 8 * time.Second},
		{momentary, time.Millisecond, 1500 * time.Millisecond},
	} {
		t.Run(tt.wait.String(), func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, m *Manager) {
				practised(t, m)
				enqueue(t, m, 5, key, time.Minute, tt.wait)
				c := newClient(m, "c")
				c.poll(t, key)
				if r := c.retry(key); r < tt.from || r > tt.to {
					t.Errorf("told %v, want %v to %v", r, tt.from, tt.to)
				}
			})
		})
	}
}

// With more tries than the server is meant to have, all ask less often.
func TestRetriesSpreadUnderLoad(t *testing.T) {
	last := func(rate float64) (last time.Duration) {
		bubble(t, Config{TotalRetryRate: rate}, func(t *testing.T, m *Manager) {
			practised(t, m)
			busy := newClient(m, "busy")
			must(t, newClient(m, "holder").add("other", time.Hour))
			for range 3000 {
				busy.poll(t, "other")
				pass(time.Millisecond)
			}
			for i := range 20 {
				c := newClient(m, fmt.Sprint(i))
				c.poll(t, key)
				last = max(last, c.retry(key))
			}
		})
		return last
	}
	if calm, loaded := last(10_000), last(100); loaded < 2*calm {
		t.Errorf("20 are spread over %v, over %v if the rate is ten times what it should be", calm, loaded)
	}
}

func TestSuggestions(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		practised(t, m)
		l := lookup(m, []byte(key), nil)
		if l.SuggestedTTL < time.Second || l.SuggestedTTL > time.Minute {
			t.Errorf("a lease of %v for holds of a second", l.SuggestedTTL)
		}
		if l.SuggestedWait < time.Second || l.SuggestedWait > 5*time.Second {
			t.Errorf("a wait of %v for holds of a second", l.SuggestedWait)
		}
		enqueue(t, m, 5, key, time.Minute, time.Minute)
		if more := lookup(m, []byte(key), nil).SuggestedWait; more < l.SuggestedWait+4*time.Second {
			t.Errorf("a wait of %v behind five, %v behind nobody", more, l.SuggestedWait)
		}
	})
}

// The lease for a lock that is free follows from its own holds, or else from those of
// its class.
func TestSuggestedTTLOfAFreeLock(t *testing.T) {
	alone := func(holds int) func(t *testing.T, m *Manager) {
		return func(t *testing.T, m *Manager) {
			for range holds {
				must(t, newClient(m, "holder").add(key, time.Hour))
				pass(time.Second)
				must(t, remove(m, key))
			}
		}
	}
	free := func(t *testing.T, m *Manager) { practised(t, m); must(t, remove(m, key)) }
	item := func(t *testing.T, m *Manager) { alone(9)(t, m); must(t, set(m, key, "x", time.Hour)) }
	for _, tt := range []struct {
		name, key string
		known     func(t *testing.T, m *Manager)
		want      bool
	}{
		{"unknown", key, func(*testing.T, *Manager) {}, false},
		{"seven-holds", key, alone(7), false},
		{"without-contention", key, alone(9), true},
		{"with-contention", key, free, true},
		{"of-the-class", "lock:new", practised, true},
		{"of-another-class", "job:new", practised, false},
		{"ordinary-item", key, item, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, m *Manager) {
				tt.known(t, m)
				ttl := lookup(m, []byte(tt.key), nil).SuggestedTTL
				if (ttl != 0) != tt.want || tt.want && (ttl < 2*time.Second || ttl > time.Minute) {
					t.Errorf("a lease of %v for holds of a second", ttl)
				}
			})
		})
	}
}

// One holder has died: the poller behind the two that are queued is told about as much as
// the holds took that were released.
func TestRetryAfterOneExpiredHold(t *testing.T) {
	const took, lease = 200 * time.Millisecond, 5 * time.Second
	for good := range 11 {
		bubble(t, Config{}, func(t *testing.T, m *Manager) {
			holder, dead := newClient(m, "holder"), newClient(m, "dead")
			must(t, dead.add(key, lease))
			line := enqueue(t, m, good+3, key, lease, time.Minute)
			pass(lease) // and one has it now
			for range good {
				pass(took)
				must(t, remove(m, key))
				synctest.Wait()
			}
			retry := lookup(m, []byte(key), &holder.session).Retry
			if good > 0 && (retry < took || retry > 4*took) {
				t.Errorf("after %d holds of %v: come back in %v", good, took, retry)
			}
			if l := lookup(m, []byte(key), nil); l.Queued != 2 || line[good].String() != "granted" {
				t.Errorf("after %d holds %d wait", good, l.Queued)
			}
		})
	}
}
