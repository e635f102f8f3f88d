package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/client/internal/testhost"
	"github.com/lockcached/lockcached/locks"
)

// What is told of retries: log, observers and error.
func TestRetriesAreTold(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var seen record
	c := newClient(t, Config{
		Logger: slog.New(zerolog.NewSlogHandler(zerolog.New(&log))), Observers: []Observer{&seen},
	}, "127.0.0.1:1") // where nobody listens
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
	if len(seen.retries) != DefaultTries-1 || len(seen.failed) != 1 || seen.failed[0] != "127.0.0.1:1" {
		t.Errorf("observed %+v", &seen)
	}
	for i, retry := range seen.retries {
		if retry.Key != "lock:x" || retry.Server != "127.0.0.1:1" || retry.Attempt != i+1 || retry.Pause <= 0 || retry.Err == nil {
			t.Errorf("retry %d: %+v", i, retry)
		}
	}
}

// Which errors are worth another try, and which tell that the server is away.
func TestFaults(t *testing.T) {
	t.Parallel()
	answer := func(line string) error {
		return fmt.Errorf("memcache: unexpected response line from %q: %q", "add", line+"\r\n")
	}
	for _, tt := range []struct {
		err         error
		fault, away bool
	}{
		{nil, false, false},
		{memcache.ErrNotStored, false, false},
		{memcache.ErrCacheMiss, false, false},
		{memcache.ErrMalformedKey, false, false},
		{answer("SERVER_ERROR out of memory storing object"), true, false},
		{answer("SERVER_ERROR object too large for cache"), false, false},
		{answer("ERROR Too many open connections"), true, false},
		{answer("CLIENT_ERROR unauthenticated"), false, false},
		{errors.New(`memcache: unexpected line in get response: "HTTP/1.1 400 Bad Request\r\n"`), false, false},
		{errors.New("memcache: client error: cannot increment"), false, false},
		{errors.New("memcache: corrupt get result read"), true, true},
		{io.EOF, true, true},
		{&memcache.ConnectTimeoutError{Addr: new(net.TCPAddr)}, true, true},
		{os.ErrDeadlineExceeded, true, true},
		{ErrLost, false, false},
		{fmt.Errorf("%w: %w", errInterrupted, context.DeadlineExceeded), false, false},
	} {
		if got := isFault(tt.err); got != tt.fault {
			t.Errorf("a fault: %v, want %v: %v", got, tt.fault, tt.err)
		}
		if got := isAway(tt.err); got != tt.away {
			t.Errorf("away: %v, want %v: %v", got, tt.away, tt.err)
		}
	}
}

// A lock that is kept alive is lost in time when the server does not come back.
func TestKeepAliveInVain(t *testing.T) {
	t.Parallel()
	h := newHost(t, locks.Config{})
	r := newRelay(t, "tcp", h.addr, 0)
	c := newClient(t, Config{}, r.Addr())
	l := take(t, c, "k", TTL(time.Second), KeepAlive())
	r.Away.Store(true)
	r.HangUp()
	<-l.Context().Done()
	is(t, "the cause", context.Cause(l.Context()), ErrLost)
	is(t, "unlock", l.Unlock(), ErrUnavailable)
	r.Away.Store(false)
	eventually(t, "the server is found again", func() bool { return !errors.Is(l.Unlock(), ErrUnavailable) })
	is(t, "unlock", l.Unlock(), ErrLost)
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
	var relays [clients]*testhost.Relay
	var holds [clients]atomic.Int32
	var holders atomic.Int32
	var all sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	defer all.Wait()
	defer stop()
	for i := range clients {
		relays[i] = newRelay(t, "tcp", h.addr, 0)
		// On a busy machine the outage may take longer than it should.
		c := newClient(t, Config{Tries: maxTries}, relays[i].Addr())
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
			r.Away.Store(true)
			r.HangUp()
		}
		time.Sleep(away)
		for _, r := range relays {
			r.Away.Store(false)
			limit := 10 * (1 + time.Since(begun)/time.Second)
			if n := r.Asked.Swap(0); n > int32(limit) {
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
		for _, every := range []int32{2, 3, 5} {
			t.Run(fmt.Sprint("every ", every), func(t *testing.T) {
				t.Parallel()
				key := fmt.Sprint("lock:", every)
				var holders atomic.Int32
				var all sync.WaitGroup
				for range 3 {
					r := newRelay(t, networkOf(addr), addr, every)
					c := newClient(t, Config{Tries: maxTries}, r.Addr())
					all.Go(func() {
						for range repeated(2) {
							use(t, c, key, &holders)
						}
						if r.Lost.Load() == 0 {
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
		cl := unansweredClaim(t, c, "k")
		cl.abandon()
		c.pending.Done()
		l := take(t, other, "k")
		is(t, "unlock", l.Unlock(), nil)
	})
}

// Nor does it if the server is away for longer than anybody tries.
func TestClaimAbandonedWithItsServer(t *testing.T) {
	t.Parallel()
	h := newHost(t, locks.Config{})
	r := newRelay(t, "tcp", h.addr, 0)
	c, other := newClient(t, Config{}, r.Addr()), newClient(t, Config{}, h.addr)
	cl := unansweredClaim(t, c, "k")
	r.Away.Store(true)
	r.HangUp()
	cl.abandon()
	c.pending.Done()
	eventually(t, "all tries are used up", func() bool {
		_, err := c.Read(t.Context(), "other")
		is(t, "a server that is away", err, ErrUnavailable)
		return cl.server.hopeless()
	})
	r.Away.Store(false)
	l := take(t, other, "k")
	is(t, "unlock", l.Unlock(), nil)
}

// unansweredClaim makes a claim that is granted, and does not know it. The Client is
// not closed before somebody tells that it is done with.
func unansweredClaim(t *testing.T, c *Client, key string) *claim {
	t.Helper()
	server, err := c.serverOf(key)
	is(t, "the server", err, nil)
	cl := &claim{client: c, server: server, hold: hold{key: key}, by: "me", ttl: time.Hour}
	cl.name()
	is(t, "begin", c.begin(), nil)
	item, err := cl.item()
	is(t, "the item", err, nil)
	err = cl.try(server, func() error {
		if err := server.mc.Add(item); err != nil {
			t.Error(err)
		}
		return io.EOF
	})
	is(t, "the try", err, io.EOF)
	return cl
}
