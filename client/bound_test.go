package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lockcached/lockcached/locks"
)

// slow leads to a server that is far away: everything takes so long in each direction.
func slow(t *testing.T, target string, way time.Duration) (addr string) {
	t.Helper()
	return newProxy(t, target, func(near, far net.Conn) {
		go carry(near, far, way)
		carry(far, near, way)
	})
}

func carry(to, from net.Conn, way time.Duration) {
	defer to.Close()
	for buf := make([]byte, 64<<10); ; {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		time.Sleep(way)
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// However short the wait and however long the way, one try is made, and the error is
// what the server has answered.
func TestWaitShorterThanTheWay(t *testing.T) {
	t.Parallel()
	const way = 30 * time.Millisecond
	onBoth(t, func(t *testing.T, addr string) {
		direct, slow := newClient(t, Config{}, addr), slow(t, addr, way)
		for _, strategy := range []Strategy{Auto, Local, Fixed, Exponential} {
			for _, wait := range []time.Duration{0, 1, time.Millisecond, way} {
				t.Run(fmt.Sprint(strategy, " waits ", wait), func(t *testing.T) {
					t.Parallel()
					key := strings.ReplaceAll(t.Name(), " ", "_")
					c := newClient(t, Config{Strategy: strategy}, slow)
					l, err := c.Lock(t.Context(), key, Wait(wait))
					is(t, "a lock that is free", err, nil)
					is(t, "unlock", l.Unlock(), nil)
					held := take(t, direct, key)
					_, err = c.Lock(t.Context(), key, Wait(wait))
					is(t, "a lock that is held", err, ErrHeld)
					is(t, "unlock", held.Unlock(), nil)
				})
			}
		}
	})
}

// The last try is made when the time to wait is over.
func TestLastTry(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		c, other := newClient(t, Config{}, addr), newClient(t, Config{}, addr)
		held := take(t, other, "k")
		const wait = time.Second // much longer than the first try takes
		begun := time.Now()
		_, err := c.Lock(t.Context(), "k", Using(Fixed), Every(time.Hour), Wait(wait))
		is(t, "the lock", err, ErrHeld)
		var told *HeldError
		if took := time.Since(begun); !errors.As(err, &told) || told.Tries != 2 || took < wait {
			t.Errorf("%v, after %v", err, took)
		}
		is(t, "unlock", held.Unlock(), nil)
	})
}

// A server that does not answer has not said that the lock is held.
func TestNoAnswerIsNotHeld(t *testing.T) {
	t.Parallel()
	silent := newProxy(t, newHost(t, locks.Config{}).addr, func(near, far net.Conn) {
		_ = far.Close()
		_, _ = io.Copy(io.Discard, near)
		_ = near.Close()
	})
	for _, wait := range []time.Duration{0, time.Millisecond, 100 * time.Millisecond} {
		c := newClient(t, Config{Timeout: 50 * time.Millisecond}, silent)
		for range 2 { // the second time the Client knows that the server is away
			begun := time.Now()
			_, err := c.Lock(t.Context(), "k", Wait(wait))
			is(t, fmt.Sprint("waiting for ", wait), err, ErrUnavailable)
			if errors.Is(err, ErrHeld) {
				t.Error(err)
			}
			t.Logf("waiting for %v, after %v: %v", wait, time.Since(begun), err)
		}
	}
}

// A connection that was closed while it was idle costs no claim that may not wait.
func TestShortWaitAfterARestart(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		r := newRelay(t, networkOf(addr), addr, 0)
		c := newClient(t, Config{}, r.Addr())
		free(t, c, "k")
		r.HangUp()
		l, err := c.Lock(t.Context(), "k", Wait(0))
		is(t, "the lock", err, nil)
		is(t, "unlock", l.Unlock(), nil)
	})
}

// That another goroutine of the Client asks for a lock does not mean that it is held.
func TestOutOfTurn(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		c, other := newClient(t, Config{}, addr), newClient(t, Config{}, addr)
		is(t, "the turn", c.turns.take(t.Context(), "k"), nil)
		defer c.turns.pass("k")
		take := map[string]func() (*Lock, error){
			"trylock":             func() (*Lock, error) { return c.TryLock(t.Context(), "k") },
			"lock, without wait":  func() (*Lock, error) { return c.Lock(t.Context(), "k", Wait(0)) },
			"lock, after a while": func() (*Lock, error) { return c.Lock(t.Context(), "k", Wait(time.Millisecond)) },
		}
		for name, take := range take {
			l, err := take()
			is(t, name, err, nil)
			is(t, "unlock", l.Unlock(), nil)
		}
		held, err := other.TryLock(t.Context(), "k")
		is(t, "the other's lock", err, nil)
		for name, take := range take {
			_, err := take()
			is(t, name, err, ErrHeld)
		}
		is(t, "unlock", held.Unlock(), nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = c.Lock(ctx, "k", Wait(time.Hour))
		is(t, "a claim that is called off", err, context.Canceled)
	})
}
