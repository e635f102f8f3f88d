package server

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/locks"
)

func TestPipelined(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.send("set a 0 0 1", "1", "get a b", "incr a 1", "add a 0 0 1", "x", "delete a noreply", "delete a", "foo",
			"touch a 1", "mn", "set a 0 0 5", "toolong", "version", "flush_all", "get a")
		c.gets("STORED", "VALUE a 0 1", "1", "END", "2", "NOT_STORED", "NOT_FOUND", "ERROR", "NOT_FOUND", "MN",
			"CLIENT_ERROR bad data chunk", "CLIENT_ERROR bad command line format", "VERSION "+Version, "OK", "END")
	})
}

func TestQuitClosesAfterTheAnswers(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.send("get a", "quit", "get b")
		c.gets("END")
		if !c.isClosed() {
			t.Error("still open")
		}
	})
}

// A value of which only half has arrived stores nothing.
func TestHangUpInAValue(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		a, b := connect(t, s), connect(t, s)
		a.write("set a 0 0 10\r\n12345")
		a.hangUp()
		b.send("get a")
		b.gets("END")
	})
}

func TestClosedWithoutAWord(t *testing.T) {
	for name, text := range map[string]string{
		"http":      "GET / HTTP/1.1\r\n",
		"long-line": strings.Repeat("x", 3000),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, s *Server) {
				c := connect(t, s)
				c.write(text)
				c.gets()
				if !c.isClosed() {
					t.Error("still open")
				}
			})
		})
	}
}

func TestIdleTimeout(t *testing.T) {
	bubble(t, Config{IdleTimeout: 10 * time.Second}, func(t *testing.T, s *Server) {
		silent, busy, waiter := connect(t, s), connect(t, s), connect(t, s)
		busy.send("add lock 0 0 1", "x")
		waiter.send("add lockcached:wait=60s:lock 0 0 1", "y")
		for range 6 {
			pass(4 * time.Second)
			busy.send("version")
		}
		if !silent.isClosed() || busy.isClosed() || waiter.isClosed() {
			t.Errorf("closed: silent %v, busy %v, waiter %v", silent.isClosed(), busy.isClosed(), waiter.isClosed())
		}
		if n := s.counts.idleKicks.Load(); n != 1 {
			t.Errorf("%d were kicked", n)
		}
		busy.send("delete lock")
		waiter.gets("STORED")
		pass(9 * time.Second) // its TTL begins with the grant
		if waiter.isClosed() {
			t.Error("the waiter was kicked for waiting")
		}
		pass(3 * time.Second)
		if !waiter.isClosed() {
			t.Error("the waiter is not kicked for doing nothing")
		}
	})
}

func TestShutdown(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		holder, waiter, behind, half := connect(t, s), connect(t, s), connect(t, s), connect(t, s)
		holder.send("add lock 0 0 1", "x")
		waiter.send("add lockcached:wait=60s:lock 0 0 1", "y")
		behind.send("add lockcached:wait=60s:lock 0 0 1", "z", "get lock")
		half.write("get lock\r\nset other 0 0 10\r\n123")
		must(t, s.Shutdown(t.Context()))
		holder.gets("STORED")
		waiter.gets("NOT_STORED")
		behind.gets("NOT_STORED", "VALUE lock 0 1", "x", "END")
		half.gets("VALUE lock 0 1", "x", "END")
		for _, c := range []*pipeClient{holder, waiter, behind, half} {
			if !c.isClosed() {
				t.Error("a connection is still open")
			}
		}
		late := connect(t, s)
		if !late.isClosed() {
			t.Error("a late connection is served")
		}
	})
}

// A client that does not read its answers holds up a shutdown only as long as
// the context lets it.
func TestShutdownInAHurry(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		near, far := net.Pipe()
		defer near.Close()
		go s.ServeConn(far)
		(&pipeClient{t: t, conn: near}).send("version")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// brokenListener fails like a listener without descriptors left, until it is closed.
type brokenListener struct {
	net.Listener // for Addr, which is not called
	failures     int
	closed       chan struct{}
}

func (l *brokenListener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
		l.failures++
		return nil, errors.New("accept: too many open files")
	}
}

func (l *brokenListener) Close() error {
	close(l.closed)
	return nil
}

// Accepting goes on, but does not spin, and failures are not logged each time.
func TestAcceptErrors(t *testing.T) {
	var log strings.Builder
	l := &brokenListener{closed: make(chan struct{})}
	var s *Server
	bubble(t, Config{Logger: zerolog.New(&log)}, func(t *testing.T, srv *Server) {
		s = srv
		served := make(chan error)
		go func() { served <- s.Serve(l) }()
		pass(10 * time.Second)
		must(t, s.Shutdown(t.Context()))
		if err := <-served; err != ErrClosed {
			t.Errorf("served until %v", err)
		}
		if err := s.Serve(l); err != ErrClosed {
			t.Errorf("serves after its end: %v", err)
		}
	})
	if l.failures < 15 || l.failures > 25 {
		t.Errorf("%d attempts in 10 s", l.failures)
	}
	if n := strings.Count(log.String(), "cannot accept connections"); n < 5 || n > 11 {
		t.Errorf("%d lines are logged in 10 s", n)
	}
	if n := s.counts.acceptErrors.Load(); n != uint64(l.failures) {
		t.Errorf("%d errors are counted of %d", n, l.failures)
	}
}

// Requests that arrive in one packet are answered in one, up to a certain size.
func TestOneWriteForManyRequests(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		near, far := net.Pipe()
		counted := &countedConn{Conn: far}
		go s.ServeConn(counted)
		c := &pipeClient{t: t, conn: near}
		go c.read()
		defer c.hangUp()
		c.send(strings.Repeat("get a\r\n", 500) + "version")
		if counted.writes != 1 {
			t.Errorf("%d writes", counted.writes)
		}
	})
}

type countedConn struct {
	net.Conn
	writes int
}

func (c *countedConn) Write(b []byte) (int, error) {
	c.writes++
	return c.Conn.Write(b)
}

// A connection that has nothing to do has no buffers.
func TestIdleConnectionHoldsNoMemory(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	s := New(Config{Locks: locks.NewManager(locks.Config{})})
	c := newStream(s, far).conn
	c.in.Advance(copy(c.in.Space(), "add lock 0 30 1\r\nx\r\ndelete lock\r\n"))
	if !c.handleBuffered() || c.out.Buffered() == 0 {
		t.Fatal("nothing was handled")
	}
	go func() { _, _ = near.Read(make([]byte, 100)) }()
	must(t, c.flush())
	if c.work != nil || c.out.Bytes() != nil {
		t.Error("it keeps the memory of its last request")
	}
}

// Waits that end at a shutdown wake their connections. These must still handle the input that
// is left.
func TestShutdownOfManyWaiters(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 10
	}
	for range rounds {
		bubble(t, Config{}, func(t *testing.T, s *Server) {
			hold(t, s, "lock")
			var waiters []*pipeClient
			for range 50 {
				c := connect(t, s)
				c.send("add lockcached:wait=60s:lock 0 0 1", "x", "version")
				waiters = append(waiters, c)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			must(t, s.Shutdown(ctx))
			for _, c := range waiters {
				c.gets("NOT_STORED", "VERSION "+Version)
			}
		})
	}
}
