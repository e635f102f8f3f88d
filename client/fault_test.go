package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/lockcached/lockcached/locks"
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
					if err := c.do(t.Context(), "k", o.request); err != nil {
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
				err := c.do(t.Context(), "k", func() error {
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
				if err := c.do(t.Context(), "k", o.request); err != nil {
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
		err := c.do(t.Context(), "k", o.request)
		var fault *FaultError
		if !errors.As(err, &fault) || !errors.Is(err, ErrUnavailable) || !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if fault.Tries != DefaultTries || len(o.requests) != DefaultTries || fault.Spent < time.Second || fault.Spent > 3*time.Second {
			t.Errorf("%v; %d requests", fault, len(o.requests))
		}
		for range 100_000 {
			begun := time.Now()
			is(t, "the next", c.do(t.Context(), "k", o.request), ErrUnavailable)
			if took := time.Since(begun); took > 3*time.Millisecond { // which only a probe takes
				t.Fatalf("it took %v", took)
			}
			time.Sleep(time.Millisecond)
		}
		if n := len(o.requests) - DefaultTries; n < 8 || n > 20 {
			t.Errorf("%d probes in 100 s", n)
		}
		o.until = time.Now()
		for c.do(t.Context(), "k", o.request) != nil {
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(o.until); took > 13*time.Second {
			t.Errorf("noticed after %v that it is back", took)
		}
	})
}

// What is told of retries: log, span, metrics and error.
func TestRetriesAreTold(t *testing.T) {
	var log bytes.Buffer
	spans := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(spans))
	c := newClient(t, Config{Logger: zerolog.New(&log), Tracing: provider}, "127.0.0.1:1") // where nobody listens
	_, err := c.Lock(t.Context(), "lock:x")
	is(t, "lock", err, ErrUnavailable)
	if text := err.Error(); !strings.Contains(text, "127.0.0.1:1, 5 tries in ") {
		t.Error(text)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != DefaultTries-1 {
		t.Errorf("%d lines:\n%s", len(lines), &log)
	}
	for i, line := range lines {
		for _, part := range []string{`"level":"warn"`, `"key":"lock:x"`, `"server":"127.0.0.1:1"`, fmt.Sprintf(`"attempt":%d`, i+1), `"pause_ms":`, `"error":"`} {
			if !strings.Contains(line, part) {
				t.Errorf("line %d has no %s: %s", i, part, line)
			}
		}
	}
	got := spans.GetSpans()
	if len(got) != 1 || got[0].Name != "lock.acquire" || len(got[0].Events) != DefaultTries-1 {
		t.Errorf("%+v", got)
	}
	if n := metricOf(t, c, "lockcached_client_retries_total"); n != DefaultTries-1 {
		t.Errorf("%v retries are counted", n)
	}
}

// Clients that lock and unlock in loops do not notice that the server goes away and is
// back within a second, and while it is away they leave it in peace. (Its locks outlive
// that, as those of a durable server do.)
func TestOutages(t *testing.T) {
	t.Parallel()
	const (
		clients = 20
		away    = 300 * time.Millisecond
	)
	h := newHost(t, locks.Config{})
	var relays [clients]*relay
	var holds [clients]atomic.Int32
	var holders atomic.Int32
	var all sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	defer all.Wait()
	defer stop()
	for i := range clients {
		relays[i] = newRelay(t, "tcp", h.addr, 0)
		// On a busy machine the outage may take longer than it should.
		c := newClient(t, Config{Tries: maxTries}, relays[i].addr())
		all.Go(func() {
			for ctx.Err() == nil {
				use(t, c, "k", &holders)
				holds[i].Add(1)
			}
		})
	}
	for range repeated(3) {
		for i := range holds {
			before := holds[i].Load()
			eventually(t, "the client is at it", func() bool { return holds[i].Load() > before })
		}
		begun := time.Now()
		for _, r := range relays {
			r.away.Store(true)
			r.hangUp()
		}
		time.Sleep(away)
		for _, r := range relays {
			r.away.Store(false)
			limit := 10 * (1 + time.Since(begun)/time.Second)
			if n := r.asked.Swap(0); n > int32(limit) {
				t.Errorf("a client asked %d times while the server was away", n)
			}
		}
	}
}

// use takes a lock and gives it back. Nobody may hold it meanwhile.
func use(t *testing.T, c *Client, key string, holders *atomic.Int32) {
	l, err := c.Lock(t.Context(), key)
	if err != nil {
		t.Error(err)
		return
	}
	if holders.Add(1) > 1 {
		t.Error("two hold it")
	}
	time.Sleep(time.Millisecond)
	holders.Add(-1)
	if err := l.Unlock(); err != nil {
		t.Error(err)
	}
}

// repeated is how often something is done that can be done often: $LOCKCACHED_ROUNDS, or
// as often as takes a second or two.
func repeated(n int) int {
	if rounds, err := strconv.Atoi(os.Getenv("LOCKCACHED_ROUNDS")); err == nil {
		return rounds
	}
	return n
}

// When the answer of every nth request is lost, after the server has acted, locks are
// neither doubled nor lost to their owner.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		network := "tcp"
		if strings.HasPrefix(addr, "/") {
			network = "unix"
		}
		for _, every := range []int32{2, 3, 5} {
			t.Run(fmt.Sprint("every ", every), func(t *testing.T) {
				t.Parallel()
				key := fmt.Sprint("lock:", every)
				var holders atomic.Int32
				var all sync.WaitGroup
				for range 3 {
					r := newRelay(t, network, addr, every)
					c := newClient(t, Config{Tries: maxTries}, r.addr())
					all.Go(func() {
						for range repeated(2) {
							use(t, c, key, &holders)
						}
						if r.lost.Load() == 0 {
							t.Error("no answer was lost")
						}
					})
				}
				all.Wait()
				direct := newClient(t, Config{}, addr)
				l, err := direct.TryLock(t.Context(), key)
				is(t, "the lock in the end", err, nil)
				is(t, "unlock", l.Unlock(), nil)
			})
		}
	})
}

// A claim that is given up while its answer is outstanding leaves no lock behind.
func TestAbandonedClaim(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		c, other := newClient(t, Config{}, addr), newClient(t, Config{}, addr)
		server, err := c.serverOf("k")
		is(t, "the server", err, nil)
		cl := &claim{client: c, server: server, hold: hold{key: "k"}, by: "me", ttl: time.Hour}
		cl.name()
		is(t, "begin", c.begin(), nil)
		err = cl.try(func() error {
			if err := c.mc.Add(cl.item()); err != nil {
				t.Error(err)
			}
			return io.EOF
		})
		is(t, "the try", err, io.EOF)
		cl.abandon()
		c.pending.Done()
		l := take(t, other, "k")
		is(t, "unlock", l.Unlock(), nil)
	})
}
