package client

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/locks"
)

// A dawdler is a proxy that holds claims back, and passes them on whatever has become of
// the client that made them.
type dawdler struct {
	addr   string
	came   chan struct{} // tells of each claim that is held back
	stored atomic.Int32  // answers that say so

	mu    sync.Mutex    // guards what follows
	hold  int           // so many claims
	gate  chan struct{} // closed when they are let go
	conns []net.Conn    // to the server
}

func newDawdler(t *testing.T, target string) *dawdler {
	t.Helper()
	d := &dawdler{came: make(chan struct{}, 100), gate: make(chan struct{})}
	d.addr = newProxy(t, target, func(near, far net.Conn) {
		d.far(far)
		go d.answers(near, far)
		d.requests(near, far)
	})
	t.Cleanup(func() {
		d.letGo()
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, conn := range d.conns {
			_ = conn.Close()
		}
	})
	return d
}

// far keeps a connection to the server until the test ends: it is not told either who
// has gone.
func (d *dawdler) far(conn net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns = append(d.conns, conn)
}

func (d *dawdler) requests(near, far net.Conn) {
	defer near.Close()
	for in := bufio.NewReader(near); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if strings.HasPrefix(line, "add ") {
			data, _ := in.ReadString('\n')
			line += data
			d.wait()
		}
		if _, err := io.WriteString(far, line); err != nil {
			return
		}
	}
}

func (d *dawdler) answers(near, far net.Conn) {
	for in := bufio.NewReader(far); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if line == "STORED\r\n" {
			d.stored.Add(1)
		}
		_, _ = io.WriteString(near, line) // it may have gone
	}
}

// wait blocks while claims are held back.
func (d *dawdler) wait() {
	d.mu.Lock()
	holds, gate := d.hold > 0, d.gate
	d.hold--
	d.mu.Unlock()
	if holds {
		d.came <- struct{}{}
		<-gate
	}
}

// holdBack holds the next claim back until letGo.
func (d *dawdler) holdBack() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hold = 1
}

func (d *dawdler) letGo() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.gate)
	d.gate = make(chan struct{})
}

// arrives lets the claim go that is held back, and waits until it was granted and then,
// long before its TTL is over, released.
func (d *dawdler) arrives(t *testing.T, direct *Client, key string) {
	t.Helper()
	free(t, direct, key) // it has not arrived yet
	before := d.stored.Load()
	d.letGo()
	eventually(t, "the claim is granted", func() bool { return d.stored.Load() > before })
	eventually(t, "it is released", func() bool {
		l, err := direct.TryLock(t.Context(), key)
		return err == nil && l.Unlock() == nil
	})
}

// free fails the test unless the lock can be had.
func free(t *testing.T, c *Client, key string) {
	t.Helper()
	l, err := c.TryLock(t.Context(), key)
	is(t, "a lock that is free", err, nil)
	is(t, "unlock", l.Unlock(), nil)
}

// dawdlersTimeout is long enough for what is not held back.
const dawdlersTimeout = time.Second

// dawdling returns a client of a dawdler, and one that goes directly to its server.
func dawdling(t *testing.T, addr string) (d *dawdler, c, direct *Client) {
	t.Helper()
	d = newDawdler(t, addr)
	c = newClient(t, Config{Timeout: dawdlersTimeout, Tries: maxTries, TTL: time.Hour}, d.addr)
	eventually(t, "it knows the server", func() bool {
		p, err := c.serverOf("k")
		is(t, "the server", err, nil)
		_, err = c.kindOf(t.Context(), p, "k", c.do)
		return err == nil
	})
	return d, c, newClient(t, Config{TTL: time.Hour}, addr)
}

// A claim that arrives after it was given up is released.
func TestLateClaim(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		for _, strategy := range []Strategy{Auto, Fixed, never} {
			t.Run(strategy.String(), func(t *testing.T) {
				t.Parallel()
				key := "lock:" + strategy.String()
				d, c, direct := dawdling(t, addr)
				d.holdBack()
				ctx, cancel := context.WithCancel(t.Context())
				failed := make(chan error)
				go func() {
					_, err := c.obtain(ctx, key, optionsOf([]Option{Using(strategy)}))
					failed <- err
				}()
				<-d.came
				cancel()
				is(t, "the claim", <-failed, context.Canceled)
				d.arrives(t, direct, key)
			})
		}
	})
}

// A claim that was sent again is granted, and the lock unlocked; then the first one
// arrives.
func TestLateTwin(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		d, c, direct := dawdling(t, addr)
		d.holdBack()
		l, err := c.TryLock(t.Context(), "k")
		is(t, "the lock", err, nil)
		if l.late == 0 {
			t.Error("no answer was missed")
		}
		is(t, "renewal", l.Renew(t.Context(), 0), nil)
		is(t, "unlock", l.Unlock(), nil)
		d.arrives(t, direct, "k")
	})
}

// A lock that is left to its lease is not taken for a claim that came late.
func TestLateTwinOfALockThatIsLeft(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		d, c, direct := dawdling(t, addr)
		d.holdBack()
		l, err := c.TryLock(t.Context(), "k")
		is(t, "the lock", err, nil)
		is(t, "leave", l.Leave(t.Context(), time.Hour), nil)
		l.server.mu.Lock()
		if n := len(l.server.strays); n != 1 || time.Until(l.server.strays[0].next) < 59*time.Minute {
			t.Errorf("%d claims are looked for, or too soon", n)
		}
		l.server.mu.Unlock()
		_, err = direct.TryLock(t.Context(), "k")
		is(t, "what is left", err, ErrHeld)
	})
}

// The lock of a claim that was sent again is taken away; then the first one arrives,
// and must not pass for the lock.
func TestLateTwinOfALostLock(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		d, c, direct := dawdling(t, addr)
		d.holdBack()
		l, err := c.TryLock(t.Context(), "k")
		is(t, "the lock", err, nil)
		is(t, "deleting it", direct.mc.Delete("k"), nil)
		is(t, "renewal", l.Renew(t.Context(), 0), ErrLost)
		d.arrives(t, direct, "k")
		is(t, "renewal", l.Renew(t.Context(), 0), ErrLost)
		is(t, "unlock", l.Unlock(), ErrLost)
	})
}

// A lock that is refused to the second try of a claim may be granted to its first, when
// its holder has gone.
func TestLateAfterRefusal(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		d, c, direct := dawdling(t, addr)
		held := take(t, direct, "k")
		d.holdBack()
		_, err := c.TryLock(t.Context(), "k")
		is(t, "the lock", err, ErrHeld)
		is(t, "unlock", held.Unlock(), nil)
		d.arrives(t, direct, "k")
	})
}

// A newer lock of our own is not released for an older claim that is looked for.
func TestStraysSpareNewerLocks(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		c := newClient(t, Config{}, addr)
		cl := unansweredClaim(t, c, "k")
		is(t, "deleting it", c.mc.Delete("k"), nil)
		l := take(t, c, "k")
		old := newStray("k", cl.hold.owner, 1, time.Hour)
		gone := c.glance(t.Context(), []*stray{old})
		c.pending.Done()
		if gone[old] || old.tries != 1 {
			t.Error("something was released")
		}
		is(t, "renewal", l.Renew(t.Context(), 0), nil)
		is(t, "unlock", l.Unlock(), nil)
	})
}

// The watch ends with the Client, and the log tells what may be left.
func TestLateClaimIsForsaken(t *testing.T) {
	t.Parallel()
	h := newHost(t, locks.Config{})
	d := newDawdler(t, h.addr)
	var log syncBuffer
	c := newClient(t, Config{Logger: slog.New(zerolog.NewSlogHandler(zerolog.New(&log)))}, d.addr)
	d.holdBack()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-d.came
		cancel()
	}()
	_, err := c.Lock(ctx, "k")
	is(t, "the lock", err, context.Canceled)
	is(t, "close", c.Close(), nil)
	if !strings.Contains(log.String(), "may hold its lock until its TTL is over") {
		t.Errorf("logged %s", &log)
	}
}

// Strays are looked at some fifty times, more and more rarely, until it is too late for
// them; and there are not too many of them.
func TestStraysAreBounded(t *testing.T) {
	t.Parallel()
	s := newStray("k", "me", 1, time.Hour)
	looks := 0
	for now := s.since; now.Before(s.until); now = s.next {
		s.rest(now)
		looks++
	}
	if looks < 30 || looks > 70 {
		t.Errorf("%d looks", looks)
	}
	p := new(peer)
	for i := range mostStrays + 10 {
		dropped, alone := p.addStray(newStray("k", "me", 1, time.Hour))
		if (dropped != nil) != (i >= mostStrays) || alone != (i == 0) {
			t.Fatalf("the %dth: dropped %v, alone %v", i, dropped, alone)
		}
	}
	if len(p.strays) != mostStrays {
		t.Errorf("%d strays", len(p.strays))
	}
}

// syncBuffer is a log that is written by several goroutines.
type syncBuffer struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
