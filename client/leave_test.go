package client

import (
	"errors"
	"testing"
	"time"

	"github.com/lockcached/lockcached/locks"
)

// A lock that is left keeps others out for a while, without anybody's renewing it, and
// ends by itself.
func TestLeave(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		c, other := newClient(t, Config{}, addr), newClient(t, Config{}, addr)
		l := take(t, c, "k", KeepAlive(), TTL(time.Hour))
		is(t, "for no time", l.Leave(t.Context(), 0), ErrTTL)
		is(t, "for too long", l.Leave(t.Context(), 200000*time.Hour), ErrTTL)
		if l.Context().Err() != nil {
			t.Fatal("it was left all the same")
		}
		began := time.Now()
		is(t, "leave", l.Leave(t.Context(), 1500*time.Millisecond), nil)
		is(t, "twice", l.Leave(t.Context(), time.Second), ErrUnlocked)
		is(t, "unlock", l.Unlock(), nil)
		is(t, "renewal", l.Renew(t.Context(), 0), ErrUnlocked)
		if l.Context().Err() == nil {
			t.Error("its context goes on")
		}
		next := take(t, other, "k")
		if took := time.Since(began); took < 1500*time.Millisecond {
			t.Errorf("the next one has it after %v", took)
		}
		is(t, "the next one's unlock", next.Unlock(), nil)

		left := take(t, c, "left", TTL(time.Minute))
		is(t, "leave for a long time", left.Leave(t.Context(), 40*day), nil)
		_, err := other.TryLock(t.Context(), "left")
		is(t, "what is left for a long time", err, ErrHeld)

		lost := take(t, c, "k2")
		is(t, "somebody deletes it", c.mc.Delete("k2"), nil)
		is(t, "leave what is lost", lost.Leave(t.Context(), time.Second), ErrLost)
		is(t, "and unlock it", lost.Unlock(), ErrLost)
	})
}

// A server that has gone away is told from one that was never there.
func TestGone(t *testing.T) {
	t.Parallel()
	server := func(addr string) (c *Client, gone func() bool) {
		c = newClient(t, Config{Tries: 1}, addr)
		return c, func() bool {
			_, err := c.TryLock(t.Context(), "k")
			fault, ok := errors.AsType[*FaultError](err)
			if !ok {
				t.Fatalf("%v", err)
			}
			return fault.Gone
		}
	}
	if _, gone := server("127.0.0.1:1"); gone() {
		t.Error("nobody was ever there")
	}
	r := newRelay(t, "tcp", newHost(t, locks.Config{}).addr, 0)
	c, gone := server(r.Addr())
	is(t, "unlock", take(t, c, "k").Unlock(), nil)
	r.Away.Store(true)
	r.HangUp()
	for range 2 {
		if !gone() {
			t.Error("it was there")
		}
	}
}
