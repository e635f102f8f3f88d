package interop_test

import (
	"errors"
	"fmt"
	"math"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/testenv"
)

func TestGomemcacheStores(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	is(t, "ping", c.Ping(), nil)
	_, err := c.Get("k")
	is(t, "get of nothing", err, memcache.ErrCacheMiss)
	is(t, "replace of nothing", c.Replace(item("k", "x", 0)), memcache.ErrNotStored)
	is(t, "append to nothing", c.Append(item("k", "x", 0)), memcache.ErrNotStored)
	is(t, "prepend to nothing", c.Prepend(item("k", "x", 0)), memcache.ErrNotStored)
	is(t, "set", c.Set(&memcache.Item{Key: "k", Value: []byte("b"), Flags: math.MaxUint32}), nil)
	is(t, "add of what is there", c.Add(item("k", "x", 0)), memcache.ErrNotStored)
	is(t, "append", c.Append(item("k", "c", 0)), nil)
	is(t, "prepend", c.Prepend(item("k", "a", 0)), nil)
	if got := holds(t, c, "k", "abc"); got.Flags != math.MaxUint32 || got.CasID == 0 {
		t.Errorf("flags %d, id %d", got.Flags, got.CasID)
	}
	is(t, "replace", c.Replace(item("k", "new", 0)), nil)
	holds(t, c, "k", "new")

	large := strings.Repeat("x", 1_000_000)
	is(t, "set of a large value", c.Set(item("large", large, 0)), nil)
	holds(t, c, "large", large)
	if err := c.Set(item("large", strings.Repeat("x", 1<<20), 0)); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("set beyond the item limit: %v", err)
	}
	is(t, "set of an empty value", c.Set(item("empty", "", 0)), nil)
	holds(t, c, "empty", "")
}

func TestGomemcacheGetsMany(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	var keys []string
	for i := range 2000 { // a line of 30 KB
		key := fmt.Sprintf("key:%010d", i)
		keys = append(keys, key)
		if i%2 == 0 {
			is(t, "set", c.Set(item(key, key, 0)), nil)
		}
	}
	found, err := c.GetMulti(keys)
	is(t, "get of 2000 keys", err, nil)
	if len(found) != len(keys)/2 {
		t.Errorf("found %d of %d", len(found), len(keys)/2)
	}
	for key, item := range found {
		if string(item.Value) != key {
			t.Fatalf("%s: %q", key, item.Value)
		}
	}
}

func TestGomemcacheComparesAndSwaps(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	is(t, "set", c.Set(item("k", "a", 0)), nil)
	mine, other := holds(t, c, "k", "a"), holds(t, c, "k", "a")
	mine.Value, other.Value = []byte("mine"), []byte("other")
	is(t, "cas", c.CompareAndSwap(mine), nil)
	is(t, "cas that is late", c.CompareAndSwap(other), memcache.ErrCASConflict)
	holds(t, c, "k", "mine")
	is(t, "delete", c.Delete("k"), nil)
	is(t, "cas of nothing", c.CompareAndSwap(other), memcache.ErrCacheMiss)
}

func TestGomemcacheCounts(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	_, err := c.Increment("n", 1)
	is(t, "increment of nothing", err, memcache.ErrCacheMiss)
	_, err = c.Decrement("n", 1)
	is(t, "decrement of nothing", err, memcache.ErrCacheMiss)
	is(t, "set", c.Set(item("n", "18446744073709551614", 0)), nil)
	steps := []struct {
		change func(string, uint64) (uint64, error)
		by     uint64
		want   uint64
	}{
		{c.Increment, 1, math.MaxUint64},
		{c.Increment, 6, 5},
		{c.Decrement, 2, 3},
		{c.Decrement, 9, 0},
	}
	for _, step := range steps {
		if n, err := step.change("n", step.by); err != nil || n != step.want {
			t.Errorf("by %d: %d, %v, want %d", step.by, n, err, step.want)
		}
	}
	is(t, "set", c.Set(item("n", "word", 0)), nil)
	if _, err := c.Increment("n", 1); err == nil || !strings.Contains(err.Error(), "non-numeric") {
		t.Errorf("increment of a word: %v", err)
	}
}

func TestGomemcacheExpires(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	is(t, "touch of nothing", c.Touch("k", 10), memcache.ErrCacheMiss)
	_, err := c.GetAndTouch("k", 10)
	is(t, "get and touch of nothing", err, memcache.ErrCacheMiss)

	began := time.Now()
	for _, key := range []string{"short", "touched", "got"} {
		is(t, "set", c.Set(item(key, "x", 1)), nil)
	}
	is(t, "touch", c.Touch("touched", 600), nil)
	got, err := c.GetAndTouch("got", 600)
	if err != nil || string(got.Value) != "x" {
		t.Errorf("get and touch: %v, %v", got, err)
	}
	testenv.Eventually(t, "an item has expired", func() bool {
		_, err = c.Get("short")
		return err != nil
	})
	is(t, "get after a second", err, memcache.ErrCacheMiss)
	if lived := time.Since(began); lived < time.Second {
		t.Errorf("a TTL of 1 s lasted %v", lived)
	}
	holds(t, c, "touched", "x")
	holds(t, c, "got", "x")
	is(t, "touch with a time that is over", c.Touch("got", -1), nil)
	_, err = c.Get("got")
	is(t, "get after that", err, memcache.ErrCacheMiss)
}

func TestGomemcacheFlushes(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for _, flush := range []func() error{c.DeleteAll, c.FlushAll} {
		is(t, "add", c.Add(item("k", "x", 0)), nil)
		is(t, "flush", flush(), nil)
		is(t, "delete of nothing", c.Delete("k"), memcache.ErrCacheMiss)
	}
}

// TestGomemcacheLocks tries what lockcached is for, and the statistics about it that an
// ordinary Get returns.
func TestGomemcacheLocks(t *testing.T) {
	t.Parallel()
	address := runServer(t)
	alice, bob := clientOf(t, address), clientOf(t, address)
	is(t, "alice's add", alice.Add(item("lock:job", "alice", 30)), nil)
	for range 3 {
		is(t, "bob's add", bob.Add(item("lock:job", "bob", 30)), memcache.ErrNotStored)
	}
	wantFields(t, bob, "lockcached:lock:lock:job", "held=1 owner=alice waiters=1 queued=0 polling=1 acquired=1 refused=3 released=0")
	is(t, "alice's renewal", alice.Touch("lock:job", 60), nil)
	is(t, "alice's delete", alice.Delete("lock:job"), nil)
	wantFields(t, bob, "lockcached:lock:lock:job", "held=0 owner=- token=0 waiters=1 hold_count=1 acquired=1 released=1 renewed=1")
	is(t, "bob's add", bob.Add(item("lock:job", "bob", 30)), nil)
	wantFields(t, bob, "lockcached:lock:lock:job", "held=1 owner=bob waiters=0 wait_count=1 acquired=2")
	wantFields(t, bob, "lockcached:class:lock", "hold_count=1 wait_count=1 acquired=2 refused=3")
	_, err := bob.Get("lockcached:class:nobody")
	is(t, "get of a class without statistics", err, memcache.ErrCacheMiss)

	all, err := alice.GetMulti([]string{"lock:job", "lockcached:lock:lock:job", "lockcached:lock:other"})
	if err != nil || len(all) != 3 {
		t.Errorf("get of an item and two locks: %d items, %v", len(all), err)
	}
	if err := alice.Set(item("lockcached:mine", "x", 0)); err == nil {
		t.Error("set below the reserved prefix is accepted")
	}

	// A release that ends only one's own hold.
	hold := holds(t, bob, "lock:job", "bob")
	hold.Expiration = -1
	is(t, "bob's release", bob.CompareAndSwap(hold), nil)
	is(t, "bob's second release", bob.CompareAndSwap(hold), memcache.ErrCacheMiss)
}

// TestGomemcacheWaits lets claims wait in line, asked for by key and by policy.
func TestGomemcacheWaits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, key string
		flags     []string
	}{
		{"by key", "lockcached:wait=5m:lock:job", nil},
		{"by policy", "lock:job", []string{"--wait", "lock:*=5m"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address := runServer(t, tt.flags...)
			alice, bob := clientOf(t, address), clientOf(t, address)
			is(t, "alice's add", alice.Add(item("lock:job", "alice", 30)), nil)
			answer := make(chan error, 1)
			go func() { answer <- bob.Add(item(tt.key, "bob", 30)) }()
			waitForField(t, alice, "lockcached:lock:lock:job", "queued=1")
			is(t, "alice's delete", alice.Delete("lock:job"), nil)
			is(t, "bob's add", <-answer, nil)
			wantFields(t, alice, "lockcached:lock:lock:job", "held=1 owner=bob handed_off=1 wait_count=1 gap_mean_ms=0")
		})
	}
}

func TestGomemcacheWaitEnds(t *testing.T) {
	t.Parallel()
	address := runServer(t)
	alice, bob := clientOf(t, address), clientOf(t, address)
	is(t, "alice's add", alice.Add(item("job", "alice", 30)), nil)
	began := time.Now()
	is(t, "bob's add", bob.Add(item("lockcached:wait=300:job", "bob", 30)), memcache.ErrNotStored)
	if waited := time.Since(began); waited < 300*time.Millisecond {
		t.Errorf("waited for %v", waited)
	}
	wantFields(t, alice, "lockcached:lock:job", "owner=alice queued=0 polling=1 wait_timeouts=1")

	// A client that gives up by closing leaves the line.
	hasty := clientOf(t, address)
	hasty.Timeout = 50 * time.Millisecond
	err := hasty.Add(item("lockcached:wait=1m:job", "hasty", 30))
	if netErr := net.Error(nil); !errors.As(err, &netErr) || !netErr.Timeout() {
		t.Errorf("add with a timeout shorter than the wait: %v", err)
	}
	waitForField(t, alice, "lockcached:lock:job", "queued=0")
	is(t, "alice's delete", alice.Delete("job"), nil)
	wantFields(t, alice, "lockcached:lock:job", "held=0")
}

// TestGomemcacheKeepsConnections: a refusal is an everyday answer, after which a client
// keeps its connection; after an error line it would dial anew.
func TestGomemcacheKeepsConnections(t *testing.T) {
	t.Parallel()
	address := runServer(t)
	c := clientOf(t, address)
	c.MaxIdleConns = 4
	is(t, "add", c.Add(item("k", "x", 30)), nil)
	refusals := func() {
		for range 50 {
			is(t, "add", c.Add(item("k", "y", 30)), memcache.ErrNotStored)
			_, err := c.Get("nothing")
			is(t, "get", err, memcache.ErrCacheMiss)
			is(t, "cas", c.CompareAndSwap(item("k", "y", 30)), memcache.ErrCASConflict)
			is(t, "delete", c.Delete("nothing"), memcache.ErrCacheMiss)
		}
	}
	refusals()
	if n := harness.StatsOf(t, address)["total_connections"]; n != "2" { // ours, and the one that asks
		t.Errorf("%s connections, want 2", n)
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 50 {
				if err := c.Add(item("k", "y", 30)); !errors.Is(err, memcache.ErrNotStored) {
					t.Errorf("add: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for range 100 { // until the server has seen the others close
		if n := harness.StatsOf(t, address)["curr_connections"]; n == "5" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s connections, want 4 and the one that asks", harness.StatsOf(t, address)["curr_connections"])
}
