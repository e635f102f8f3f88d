package client

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/internal/testenv"
	"github.com/lockcached/lockcached/locks"
)

// longKeys are those to which one prefix or another does not fit.
func longKeys() (keys []string) {
	for _, n := range []int{200, 201, 227, 228, 231, 232, 233, 234, 235, 245, 246, maxKey} {
		keys = append(keys, fmt.Sprintf("lock:%d:", n)+strings.Repeat("x", n-9))
	}
	return keys
}

// A key as long as the protocol has them is locked, waited for, and asked about.
func TestLongKeys(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		ann, bob := newClient(t, Config{}, addr), newClient(t, Config{}, addr)
		for _, key := range longKeys() {
			exchange(t, ann, bob, key)
		}
		for _, key := range []string{strings.Repeat("x", maxKey+1), "lockcached:x", "a b", ""} {
			_, err := ann.TryLock(t.Context(), key)
			is(t, key, err, ErrKey)
		}
	})
}

// exchange lets ann have a lock for which bob waits.
func exchange(t *testing.T, ann, bob *Client, key string) {
	t.Helper()
	held := take(t, ann, key, AdaptiveTTL())
	_, err := bob.TryLock(t.Context(), key)
	is(t, "trylock", err, ErrHeld)
	_, err = bob.Lock(t.Context(), key, Wait(5*time.Millisecond))
	is(t, "lock", err, ErrHeld)
	is(t, "renew", held.Renew(t.Context(), time.Hour), nil)
	got := make(chan *Lock)
	go func() {
		l, err := bob.Lock(t.Context(), key, TTL(time.Hour))
		if err != nil {
			t.Error(err)
		}
		got <- l
	}()
	is(t, "unlock", held.Unlock(), nil)
	l := <-got
	if l == nil {
		return
	}
	if left := time.Until(l.Expires()); left < 30*time.Minute {
		t.Errorf("a lease of an hour ends in %v", left)
	}
	is(t, "unlock", l.Unlock(), nil)
}

// What is known of a long key is told, and it is waited for in line.
func TestLongKeyInLine(t *testing.T) {
	t.Parallel()
	first, second := newHost(t, locks.Config{}), newHost(t, locks.Config{})
	c := newClient(t, Config{}, first.addr, second.addr)
	for _, key := range longKeys() {
		h := first
		if addr, _ := c.selector.PickServer(key); addr.String() == second.addr {
			h = second
		}
		held := take(t, c, key)
		info, err := c.Info(t.Context(), key)
		is(t, "info", err, nil)
		if !info.Held || info.Key != key || info.Token != held.Token() || info.Fields["acquired"] != "1" || info.Server != h.addr {
			t.Errorf("%+v", info)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		other := newClient(t, Config{}, first.addr, second.addr)
		go func() {
			_, err := other.Lock(ctx, key)
			ended <- err
		}()
		h.queued(key, 1)
		cancel()
		is(t, "a wait that is called off", <-ended, context.Canceled)
		h.queued(key, 0)
		is(t, "unlock", held.Unlock(), nil)
		l := take(t, c, key, Using(Advice))
		_, err = other.Lock(t.Context(), key, Using(Advice), Wait(5*time.Millisecond))
		is(t, "lock", err, ErrHeld)
		is(t, "unlock", l.Unlock(), nil)
	}
}

// With a Memcache of the caller's there is another way to wait.
func TestLongKeysBrought(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		list, err := NewServerList(addr)
		is(t, "address", err, nil)
		brought := func(s memcache.ServerSelector) *Client {
			mc := memcache.NewFromSelector(list)
			mc.Timeout = testenv.Patience
			t.Cleanup(func() { _ = mc.Close() })
			return newClient(t, Config{Memcache: mc, Selector: s, Timeout: 50 * time.Millisecond})
		}
		ann, bob := brought(nil), brought(list)
		for _, key := range longKeys() {
			exchange(t, ann, bob, key)
		}
		_, err = ann.Info(t.Context(), strings.Repeat("x", maxKey))
		is(t, "info", err, ErrKey)
	})
}
