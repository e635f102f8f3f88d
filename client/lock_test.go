package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockcached/lockcached/locks"
)

// Ann's lease runs out, Bob takes the lock, Ann unlocks: Bob keeps the lock, and Ann
// learns of it. A third one, Cleo, gets it after Bob.
func TestThreeActors(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		ann, bob := newClient(t, Config{}, addr), newClient(t, Config{}, addr)
		a := take(t, ann, "lock:x", TTL(time.Second))
		b := take(t, bob, "lock:x") // when Ann's lease is over
		if time.Now().Before(a.Expires()) {
			t.Errorf("Bob has the lock %v before Ann's lease ends", time.Until(a.Expires()))
		}
		<-a.Context().Done() // long since, but on a busy machine
		is(t, "why Ann's context ended", context.Cause(a.Context()), ErrLost)
		is(t, "Ann's renewal", a.Renew(t.Context(), 0), ErrLost)
		is(t, "Ann's unlock", a.Unlock(), ErrLost)
		is(t, "Ann's second unlock", a.Unlock(), ErrLost)
		_, err := ann.TryLock(t.Context(), "lock:x")
		is(t, "the lock while Bob has it", err, ErrHeld)
		if b.Token() <= a.Token() {
			t.Errorf("Bob's token %d after Ann's %d", b.Token(), a.Token())
		}
		is(t, "Bob's unlock", b.Unlock(), nil)
		is(t, "Bob's second unlock", b.Unlock(), nil)
		is(t, "Bob's renewal", b.Renew(t.Context(), 0), ErrUnlocked)
		cleo := take(t, ann, "lock:x")
		is(t, "Cleo's unlock", cleo.Unlock(), nil)
	})
}

// A lock outlives its first lease by renewals, and a context that has ended does not
// keep it from being unlocked.
func TestLife(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		c := newClient(t, Config{Owner: "me and\nmyself"}, addr)
		ctx, cancel := context.WithCancel(t.Context())
		l, err := c.Lock(ctx, "k", TTL(90500*time.Millisecond))
		is(t, "lock", err, nil)
		if l.Key() != "k" || !strings.HasPrefix(l.Owner(), "me_and_myself:") || len(l.Owner()) > 60 {
			t.Errorf("key %q, owner %q", l.Key(), l.Owner())
		}
		if left := time.Until(l.Expires()); left > 91*time.Second {
			t.Errorf("the lease ends in %v", left) // 90.5 s are 91 on the wire
		}
		token, expires := l.Token(), l.Expires()
		for range 3 { // the first has the CAS id, the others have to look
			is(t, "renewal", l.Renew(t.Context(), time.Hour), nil)
		}
		if l.Token() != token || !l.Expires().After(expires.Add(50*time.Minute)) {
			t.Errorf("token %d after %d, %v more", l.Token(), token, l.Expires().Sub(expires))
		}
		is(t, "a TTL below 0", l.Renew(t.Context(), -1), ErrTTL)
		is(t, "a TTL beyond all dates", l.Renew(t.Context(), 20*365*24*time.Hour), ErrTTL)
		cancel()
		if cause := context.Cause(l.Context()); !errors.Is(cause, context.Canceled) {
			t.Errorf("the lock's context ended with %v", cause)
		}
		is(t, "unlock", l.Unlock(), nil)
		again, err := c.TryLock(t.Context(), "k")
		is(t, "the lock after that", err, nil)
		is(t, "unlock", again.Unlock(), nil)
		if cause := context.Cause(again.Context()); cause != ErrUnlocked {
			t.Errorf("the unlocked lock's context ended with %v", cause)
		}
	})
}

// KeepAlive makes a lock last, and no longer than until Unlock.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		c := newClient(t, Config{}, addr)
		l := take(t, c, "k", TTL(6*time.Second), KeepAlive()) // long enough for a busy machine
		first := l.Expires()
		eventually(t, "it is renewed", func() bool { return l.Expires().After(first) })
		is(t, "the context", l.Context().Err(), nil)
		is(t, "unlock", l.Unlock(), nil)

		l = take(t, c, "k", TTL(time.Second), KeepAlive())
		is(t, "deleting it", c.mc.Delete("k"), nil)
		<-l.Context().Done()
		is(t, "the cause", context.Cause(l.Context()), ErrLost)
		is(t, "unlock", l.Unlock(), ErrLost)
	})
}

// Whatever the strategy, nobody holds together with another, and everybody gets his
// turn.
func TestStrategies(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		for _, strategy := range []Strategy{Auto, Queue, Advice, Local, Fixed, Exponential} {
			t.Run(strategy.String(), func(t *testing.T) {
				t.Parallel()
				compete(t, addr, strategy)
			})
		}
	})
}

func compete(t *testing.T, addr string, strategy Strategy) {
	var holders, holds atomic.Int32
	var all sync.WaitGroup
	for range 3 {
		c := newClient(t, Config{Strategy: strategy}, addr)
		server, err := c.serverOf("k")
		is(t, "the server", err, nil)
		k, err := c.kindOf(t.Context(), server, "k", c.do)
		is(t, "what it is", err, nil)
		if k == plain && (strategy == Queue || strategy == Advice) {
			_, err := c.Lock(t.Context(), "k")
			is(t, "lock", err, ErrPlain)
			return
		}
		for range 2 {
			all.Go(func() {
				for range 3 {
					l, err := c.Lock(t.Context(), "lock:"+strategy.String(), Every(5*time.Millisecond))
					if err != nil {
						t.Error(err)
						return
					}
					if holders.Add(1) > 1 {
						t.Error("two hold it")
					}
					time.Sleep(2 * time.Millisecond)
					holders.Add(-1)
					holds.Add(1)
					if err := l.Unlock(); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	if got := holds.Load(); got != 18 && !t.Failed() {
		t.Errorf("%d holds", got)
	}
}

// A claim that is called off leaves the line at once, and no connection waits for it.
func TestCancelLeavesTheLine(t *testing.T) {
	t.Parallel()
	h := newHost(t, locks.Config{})
	c := newClient(t, Config{}, h.addr)
	l := take(t, c, "k")
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := newClient(t, Config{}, h.addr).Lock(ctx, "k")
		failed <- err
	}()
	h.queued("k", 1)
	cancel()
	is(t, "the claim", <-failed, context.Canceled)
	h.queued("k", 0)
	is(t, "unlock", l.Unlock(), nil)
	if l, _ := h.locks.Lookup([]byte("k"), nil); l.Held {
		t.Error("the lock was handed to somebody who is gone")
	}
}

// The time to wait is apart from the context and from the lease.
func TestWait(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		c, other := newClient(t, Config{}, addr), newClient(t, Config{}, addr)
		l := take(t, c, "k")
		for _, wait := range []time.Duration{0, 50 * time.Millisecond} {
			_, err := other.Lock(t.Context(), "k", Wait(wait))
			is(t, fmt.Sprint("lock, waiting for ", wait), err, ErrHeld)
			var held *HeldError
			if !errors.As(err, &held) || held.Key != "k" || held.Waited < wait {
				t.Errorf("%#v", err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := other.Lock(ctx, "k", Wait(time.Hour))
		is(t, "lock with a context that ends", err, context.DeadlineExceeded)
		is(t, "unlock", l.Unlock(), nil)
	})
}

// Of one process, one goroutine asks for a lock; the others wait for their turn.
func TestOneAsks(t *testing.T) {
	t.Parallel()
	h := newHost(t, locks.Config{})
	c := newClient(t, Config{}, h.addr)
	l := take(t, c, "k")
	var all sync.WaitGroup
	var holders atomic.Int32
	for range 20 {
		all.Go(func() { use(t, c, "k", &holders) })
	}
	h.queued("k", 1)
	_, err := c.TryLock(t.Context(), "k")
	is(t, "trylock while others ask", err, ErrHeld)
	if got, _ := h.locks.Lookup([]byte("k"), nil); got.Queued+got.Polling != 1 {
		t.Errorf("%d queue, %d poll", got.Queued, got.Polling)
	}
	is(t, "unlock", l.Unlock(), nil)
	all.Wait()
}

// After waits on several lines every lock is on a line of its own.
func TestLinesOfHeldLocks(t *testing.T) {
	t.Parallel()
	h := newHost(t, locks.Config{})
	c, other := newClient(t, Config{}, h.addr), newClient(t, Config{}, h.addr)
	wait := func(key string) *Lock {
		l := take(t, other, key)
		got := make(chan *Lock)
		go func() { got <- take(t, c, key) }()
		h.queued(key, 1)
		time.Sleep(2 * roundTrip) // or it would pass for a lock that was free
		is(t, "unlock", l.Unlock(), nil)
		return <-got
	}
	a, b := wait("a"), wait("b")
	if a.line == nil || b.line == nil || a.line == b.line {
		t.Errorf("lines %p and %p", a.line, b.line)
	}
	is(t, "unlock", a.Unlock(), nil)
	if again := wait("a"); again.line != a.line {
		t.Error("a line that is free is not used again")
	} else {
		is(t, "unlock", again.Unlock(), nil)
	}
	is(t, "unlock", b.Unlock(), nil)
}

func TestClose(t *testing.T) {
	t.Parallel()
	h := newHost(t, locks.Config{})
	c, other := newClient(t, Config{}, h.addr), newClient(t, Config{}, h.addr)
	kept := take(t, c, "kept", KeepAlive())
	l := take(t, other, "k")
	failed := make(chan error)
	go func() {
		_, err := c.Lock(t.Context(), "k")
		failed <- err
	}()
	h.queued("k", 1)
	is(t, "close", c.Close(), nil)
	is(t, "a lock that is waited for", <-failed, ErrClosed)
	is(t, "a lock that was kept alive", context.Cause(kept.Context()), ErrClosed)
	_, err := c.Lock(t.Context(), "k")
	is(t, "lock after close", err, ErrClosed)
	_, err = c.Info(t.Context(), "k")
	is(t, "info after close", err, ErrClosed)
	is(t, "unlock", l.Unlock(), nil)
	is(t, "unlock after close", kept.Unlock(), nil)
	is(t, "close again", c.Close(), nil)
}

func TestWrong(t *testing.T) {
	t.Parallel()
	c := newClient(t, Config{}, "127.0.0.1:1")
	for _, key := range []string{"", "a b", "a\x00", strings.Repeat("k", maxKey+1), "lockcached:lock:k"} {
		_, err := c.Lock(t.Context(), key)
		is(t, fmt.Sprintf("key %.20q", key), err, ErrKey)
	}
	for _, o := range []Option{TTL(-1), TTL(20 * 365 * 24 * time.Hour), Wait(-1), Every(0), Using(77)} {
		if _, err := c.Lock(t.Context(), "k", o); err == nil || errors.Is(err, ErrUnavailable) {
			t.Errorf("a wrong option: %v", err)
		}
	}
	for _, config := range []Config{
		{}, {Servers: []string{"no port"}}, {Servers: []string{"x:1"}, TTL: -1}, {Servers: []string{"127.0.0.1:1"}, Tries: 11},
		{Servers: []string{"127.0.0.1:1"}, Timeout: -1}, {Servers: []string{"127.0.0.1:1"}, User: "a b"},
		{Servers: []string{"127.0.0.1:1"}, Memcache: c.mc}, {Servers: []string{"127.0.0.1:1"}, Selector: c.selector},
	} {
		if _, err := New(config); err == nil {
			t.Errorf("%+v is accepted", config)
		}
	}
	for s := Auto; s <= Exponential; s++ {
		if got, err := ParseStrategy(s.String()); got != s || err != nil {
			t.Errorf("%v is parsed as %v (%v)", s, got, err)
		}
	}
	if _, err := ParseStrategy("best"); err == nil {
		t.Error("there is no best strategy")
	}
}
