package client

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// An outage is a server in virtual time that is away until some moment.
type outage struct {
	until time.Time

	mu       sync.Mutex // guards requests
	requests []time.Time
}

// request takes a moment, and is answered if the server was back when it came.
func (o *outage) request() error {
	now := time.Now()
	defer time.Sleep(3 * time.Millisecond)
	if !now.Before(o.until) {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests = append(o.requests, now)
	return io.EOF
}

// most is the largest number of requests within some window of that length.
func (o *outage) most(window time.Duration) (most int) {
	for i, from := range o.requests {
		n := 0
		for _, at := range o.requests[i:] {
			if at.Sub(from) < window {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// at is a request that does not care where it is made.
func at(do func() error) request { return func(*peer) error { return do() } }

// newBareClient is for tests that make no real request.
func newBareClient(t *testing.T) *Client { return newClient(t, Config{}, "127.0.0.1:1") }

// A server that is away for a second is missed by nobody, and not asked more than ten
// times, however many want something from it.
func TestAwayForASecond(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			c := newBareClient(t)
			o := &outage{until: time.Now().Add(time.Second)}
			const goroutines = 50
			var all sync.WaitGroup
			for i := range goroutines {
				all.Go(func() {
					time.Sleep(time.Duration(i) * 20 * time.Millisecond) // all through the outage
					if err := c.do(t.Context(), "k", at(o.request)); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if n := len(o.requests); n > 10 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// Requests that were under way when the server went are lost together, and then it is
// one at a time that tries.
func TestAllFailTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newBareClient(t)
		o := &outage{until: time.Now().Add(time.Second)}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				first := true
				err := c.do(t.Context(), "k", func(*peer) error {
					if first {
						first = false
						time.Sleep(time.Millisecond) // so that all are on their way
						return io.EOF
					}
					return o.request()
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := len(o.requests); n == 0 || n > 5 {
			t.Errorf("%d requests while the server was away", n)
		}
	})
}

// A thousand clients that lose their server in the same moment come back spread out.
func TestThousandClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients = 1000
		o := &outage{until: time.Now().Add(700 * time.Millisecond)}
		begun := time.Now()
		var all sync.WaitGroup
		var back [20]atomic.Int32 // by tenths of a second
		for range clients {
			c := newBareClient(t)
			all.Go(func() {
				if err := c.do(t.Context(), "k", at(o.request)); err != nil {
					t.Error(err)
				}
				back[min(time.Since(begun)/(100*time.Millisecond), 19)].Add(1)
			})
		}
		all.Wait()
		first := len(o.requests)
		for i := range o.requests {
			if o.requests[i].After(begun) {
				first = i
				break
			}
		}
		retries := &outage{requests: o.requests[first:]}
		if most := retries.most(10 * time.Millisecond); most > clients/10 {
			t.Errorf("%d tries within 10 ms", most)
		}
		var shown []int32
		for i := range back {
			n := back[i].Load()
			shown = append(shown, n)
			if n > clients/2 {
				t.Errorf("%d came back in the %dth tenth of a second", n, i)
			}
		}
		t.Logf("%d tries in vain; came back, by tenths of a second: %v", len(o.requests), shown)
	})
}

// With a server that is gone for good the tries are used up in a few seconds; then
// everybody fails at once, but for a probe now and then, until it is back.
func TestGoneForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newBareClient(t)
		o := &outage{until: time.Now().Add(time.Hour)}
		err := c.do(t.Context(), "k", at(o.request))
		var fault *FaultError
		if !errors.As(err, &fault) || !errors.Is(err, ErrUnavailable) || !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if fault.Tries != DefaultTries || len(o.requests) != DefaultTries || fault.Spent < time.Second || fault.Spent > 3*time.Second {
			t.Errorf("%v; %d requests", fault, len(o.requests))
		}
		for range 100_000 {
			begun := time.Now()
			is(t, "the next", c.do(t.Context(), "k", at(o.request)), ErrUnavailable)
			if took := time.Since(begun); took > 3*time.Millisecond { // which only a probe takes
				t.Fatalf("it took %v", took)
			}
			time.Sleep(time.Millisecond)
		}
		if n := len(o.requests) - DefaultTries; n < 8 || n > 20 {
			t.Errorf("%d probes in 100 s", n)
		}
		o.until = time.Now()
		for c.do(t.Context(), "k", at(o.request)) != nil {
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(o.until); took > 13*time.Second {
			t.Errorf("noticed after %v that it is back", took)
		}
	})
}
