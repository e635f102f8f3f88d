package server

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
	"github.com/lockcached/lockcached/stats"
)

// hold connects a client that takes a lock.
func hold(t *testing.T, s *Server, key string) *pipeClient {
	t.Helper()
	c := connect(t, s)
	c.send("add "+key+" 0 60 6", "holder")
	c.gets("STORED")
	return c
}

func TestWaitByName(t *testing.T) {
	for _, wait := range []string{"2s", "2000", "2000ms", "0.5m"} {
		bubble(t, Config{}, func(t *testing.T, s *Server) {
			holder, waiter := hold(t, s, "lock"), connect(t, s)
			waiter.send("add lockcached:wait="+wait+":lock 0 60 1", "x")
			pass(time.Second)
			waiter.gets()
			holder.send("delete lock")
			holder.gets("DELETED")
			waiter.gets("STORED")
			waiter.send("get lock")
			waiter.gets("VALUE lock 0 1", "x", "END")
		})
	}
}

func TestWaitIsOver(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		hold(t, s, "lock")
		waiter := connect(t, s)
		waiter.send("add lockcached:wait=2s:lock 0 60 1", "x")
		pass(2*time.Second - 1)
		waiter.gets()
		pass(1)
		waiter.gets("NOT_STORED")
		waiter.send("add lockcached:wait=2s:lock 0 60 1", "x") // once more, with the same memory
		pass(2 * time.Second)
		waiter.gets("NOT_STORED")
	})
}

func TestNoWait(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		want       []string
	}{
		{"zero", "add lockcached:wait=0:lock 0 60 1", []string{"NOT_STORED"}},
		{"zero-duration", "add lockcached:wait=0s:lock 0 60 1", []string{"NOT_STORED"}},
		{"noreply", "add lockcached:wait=2s:lock 0 60 1 noreply", nil},
		{"by-policy-noreply", "add lock 0 60 1 noreply", nil},
		{"negative", "add lockcached:wait=-1s:lock 0 60 1", []string{protocol.ErrBadWait.Line}},
		{"negative-number", "add lockcached:wait=-1:lock 0 60 1", []string{protocol.ErrBadWait.Line}},
		{"no-duration", "add lockcached:wait=:lock 0 60 1", []string{protocol.ErrBadWait.Line}},
		{"word", "add lockcached:wait=soon:lock 0 60 1", []string{protocol.ErrBadWait.Line}},
		{"no-key", "add lockcached:wait=2s: 0 60 1", []string{protocol.ErrBadWait.Line}},
		{"no-colon", "add lockcached:wait=2s 0 60 1", []string{protocol.ErrBadWait.Line}},
		{"twice", "add lockcached:wait=2s:lockcached:wait=2s:lock 0 60 1", []string{protocol.ErrBadWait.Line}},
		{"set", "set lockcached:wait=2s:lock 0 60 1", []string{protocol.ErrOnlyClaim.Line}},
		{"reserved", "set lockcached:other 0 60 1", []string{protocol.ErrReserved.Line}},
		{"reserved-noreply", "add lockcached:other 0 60 1 noreply", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubbleOf(t, waiting(policy("lock", time.Minute)), Config{}, func(t *testing.T, s *Server) {
				hold(t, s, "lock")
				c := connect(t, s)
				c.send(tt.line, "x", "version")
				c.gets(append(tt.want, "VERSION "+Version)...)
			})
		})
	}
}

func TestPolicies(t *testing.T) {
	policies := waiting(policy("lock:short", time.Second), policy("lock:*", 5*time.Second), policy("*", 0))
	bubbleOf(t, policies, Config{}, func(t *testing.T, s *Server) {
		for key, wait := range map[string]time.Duration{"lock:short": time.Second, "lock:x": 5 * time.Second, "item": 0} {
			hold(t, s, key)
			c := connect(t, s)
			c.send("add "+key+" 0 60 1", "x")
			if wait > 0 {
				pass(wait - 1)
				c.gets()
				pass(1)
			}
			c.gets("NOT_STORED")
		}
	})
}

// Requests pipelined behind a wait that the client asked for are held back.
func TestPipelinedBehindAWaitByName(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		holder, waiter := hold(t, s, "lock"), connect(t, s)
		waiter.send("version", "add lockcached:wait=9s:lock 0 60 1", "x", "get lock", "delete lock", "version")
		waiter.send("get lock")
		pass(time.Second)
		waiter.gets("VERSION " + Version)
		holder.send("delete lock")
		waiter.gets("STORED", "VALUE lock 0 1", "x", "END", "DELETED", "VERSION "+Version, "END")
	})
}

func TestPipelinedBehindAWaitThatIsOver(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		hold(t, s, "lock")
		waiter := connect(t, s)
		waiter.send("add lockcached:wait=2s:lock 0 60 1", "x", "get lock",
			"add lockcached:wait=3s:lock 0 60 1", "x", "version")
		pass(2 * time.Second)
		waiter.gets("NOT_STORED", "VALUE lock 0 6", "holder", "END")
		pass(3 * time.Second)
		waiter.gets("NOT_STORED", "VERSION "+Version)
	})
}

// More input ends a wait that the client did not ask for: it may be the holder's delete, on a
// connection that holder and waiter share.
func TestPolicyOnASharedConnection(t *testing.T) {
	bubbleOf(t, waiting(policy("*", time.Minute)), Config{}, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.send("add lock 0 60 1", "x")
		c.gets("STORED")
		c.send("add lock 0 60 1", "y")
		pass(time.Second)
		c.gets()
		c.send("delete lock")
		c.gets("NOT_STORED", "DELETED")
		c.send("add lock 0 60 1", "x", "add lock 0 60 1", "y", "delete lock", "version") // in one packet
		c.gets("STORED", "NOT_STORED", "DELETED", "VERSION "+Version)
	})
}

// A client that asks to wait for its own lock has to wait.
func TestWaitForOneself(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		c := hold(t, s, "lock")
		c.send("add lockcached:wait=2s:lock 0 60 1", "y", "delete lock")
		pass(2*time.Second - 1)
		c.gets()
		pass(1)
		c.gets("NOT_STORED", "DELETED")
	})
}

func TestHangUpLeavesTheLine(t *testing.T) {
	for name, policies := range map[string][]locks.WaitPolicy{"by-name": nil, "by-policy": {policy("*", time.Minute)}} {
		t.Run(name, func(t *testing.T) {
			bubbleOf(t, waiting(policies...), Config{}, func(t *testing.T, s *Server) {
				holder, gone, next := hold(t, s, "lock"), connect(t, s), connect(t, s)
				key := "lockcached:wait=30s:lock"
				if policies != nil {
					key = "lock"
				}
				gone.send("add "+key+" 0 60 1", "x")
				next.send("add "+key+" 0 60 1", "y")
				gone.hangUp()
				synctest.Wait()
				if n := s.locks.Totals().Queued; n != 1 {
					t.Errorf("%d are in line", n)
				}
				holder.send("delete lock")
				next.gets("STORED")
				if total := s.locks.Totals(); total.Counters[stats.Withdrawn] != 0 || total.Counters[stats.HandedOff] != 1 {
					t.Errorf("%d hand-offs, %d withdrawn", total.Counters[stats.HandedOff], total.Counters[stats.Withdrawn])
				}
			})
		})
	}
}

// A polling client that closes is no longer counted.
func TestHangUpEndsPolling(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		hold(t, s, "lock")
		c := connect(t, s)
		c.send("add lock 0 60 1", "x")
		c.gets("NOT_STORED")
		if n := s.locks.Totals().Polling; n != 1 {
			t.Errorf("%d poll", n)
		}
		c.hangUp()
		synctest.Wait()
		if n := s.locks.Totals().Polling; n != 0 {
			t.Errorf("%d poll after the hang-up", n)
		}
	})
}

// deafConn is a connection on which the server finds out only when it writes that the client
// has gone.
type deafConn struct {
	net.Conn
	deaf chan struct{}
}

func (c *deafConn) Write(b []byte) (int, error) {
	select {
	case <-c.deaf:
		return 0, net.ErrClosed
	default:
		return c.Conn.Write(b)
	}
}

// A grant that cannot be written is withdrawn, and the next in line is served.
func TestGrantToAClosedConnection(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		holder := hold(t, s, "lock")
		near, far := net.Pipe()
		gone := &pipeClient{t: t, conn: near}
		deaf := make(chan struct{})
		go s.ServeConn(&deafConn{far, deaf})
		defer near.Close()
		gone.send("add lockcached:wait=30s:lock 0 60 4", "gone")
		next := connect(t, s)
		next.send("add lockcached:wait=30s:lock 0 60 4", "next")
		close(deaf)
		holder.send("delete lock")
		holder.gets("DELETED")
		next.gets("STORED")
		next.send("get lock")
		next.gets("VALUE lock 0 4", "next", "END")
		if total := s.locks.Totals(); total.Counters[stats.Withdrawn] != 1 || total.Counters[stats.HandedOff] != 2 {
			t.Errorf("%d hand-offs, %d withdrawn", total.Counters[stats.HandedOff], total.Counters[stats.Withdrawn])
		}
	})
}

// The answer to an ms that waited has the return flags, with their values at the grant.
func TestMetaWait(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		holder, waiter := hold(t, s, "lock"), connect(t, s)
		waiter.send("ms lock 1 ME T60 W5000 k w p O7", "x")
		pass(time.Second)
		waiter.gets()
		holder.send("delete lock")
		waiter.gets("HD klock w0 p0 O7")
	})
}
