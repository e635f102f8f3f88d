package server

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/locks"
)

// A client has RequestTimeout to send more of a request; after that it must send a kilobyte a
// second.
func TestRequestTimeout(t *testing.T) {
	const timeout = 10 * time.Second
	for _, tt := range []struct {
		name         string
		start, piece string // piece is sent again and again
		every        time.Duration
		lasts        time.Duration // until it is cut off; 0 is longer than 5 minutes
	}{
		{"nothing", "", "", time.Minute, 0},
		{"half a line", "add loc", "", time.Minute, timeout},
		{"half a line, once more", "add loc", "k", 9 * time.Second, timeout},
		{"half a value", "add lock 0 0 100000\r\nxxx", "", time.Minute, timeout},
		{"a value drop by drop", "add lock 0 0 100000\r\n", "xxx", time.Second, timeout},
		{"a value slowly", "add lock 0 0 500000\r\n", strings.Repeat("x", 9000), 8 * time.Second, 0},
		{"a value that is refused, drop by drop", "add lock 0 0 10000000\r\n", "x", time.Second, timeout},
		{"a long get, drop by drop", "get " + strings.Repeat("key ", 4100), "k", time.Second, timeout},
		{"whole requests", "version\r\n", "version\r\n", 9 * time.Second, 0},
		{"a request and a half", "version\r\nver", "sion\r\nver", 9 * time.Second, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, Config{RequestTimeout: timeout}, func(t *testing.T, s *Server) {
				c := connect(t, s)
				began := time.Now()
				c.write(tt.start)
				for !c.isClosed() && time.Since(began) < 5*time.Minute {
					pass(min(tt.every, time.Second))
					if time.Since(began)%tt.every == 0 {
						c.write(tt.piece)
					}
				}
				lasted := time.Since(began)
				if c.isClosed() != (tt.lasts > 0) || c.isClosed() && (lasted < tt.lasts || lasted > tt.lasts+3*time.Second) {
					t.Errorf("closed: %v, after %v", c.isClosed(), lasted)
				}
				if n := s.counts.unfinishedKicks.Load(); n > 0 != (tt.lasts > 0) {
					t.Errorf("%d are counted", n)
				}
			})
		})
	}
}

// A client in line does not keep the server waiting, whatever follows its claim.
func TestNoRequestTimeoutForWaiters(t *testing.T) {
	bubble(t, Config{RequestTimeout: time.Second}, func(t *testing.T, s *Server) {
		holder, waiter := hold(t, s, "lock"), connect(t, s)
		waiter.write("add lockcached:wait=50s:lock 0 60 1\r\n")
		pass(500 * time.Millisecond)
		waiter.write("x\r\nget lo")
		pass(20 * time.Second)
		holder.send("delete lock")
		waiter.write("ck\r\n")
		waiter.gets("STORED", "VALUE lock 0 1", "x", "END")
	})
}

// unread connects a client that reads nothing and asks for a lot.
func unread(t *testing.T, s *Server) (c *pipeClient) {
	c = connectUnread(t, s)
	c.write("set a 0 0 200000 noreply\r\n" + strings.Repeat("x", 200_000) + "\r\nget a\r\n")
	return c
}

func TestSendTimeout(t *testing.T) {
	var log bytes.Buffer
	bubble(t, Config{SendTimeout: 10 * time.Second, Logger: zerolog.New(&log)}, func(t *testing.T, s *Server) {
		never, slow := unread(t, s), unread(t, s)
		for range 8 {
			pass(5 * time.Second)
			_, err := io.ReadFull(slow.conn, make([]byte, 20_000))
			must(t, err)
		}
		s.mu.Lock()
		left := len(s.conns)
		s.mu.Unlock()
		if _, err := never.conn.Read(make([]byte, 1)); err != io.EOF || left != 1 || s.counts.unreadKicks.Load() != 1 {
			t.Errorf("%v; %d connections are left, %d were cut off", err, left, s.counts.unreadKicks.Load())
		}
		pass(12 * time.Second) // now the slow one has stopped reading, too
		if n := s.counts.unreadKicks.Load(); n != 2 {
			t.Errorf("%d were cut off", n)
		}
	})
	const line = `{"level":"warn","unread_answers":1,"unfinished_requests":0,"message":"connections cut off"}` + "\n"
	if log.String() != line+line {
		t.Errorf("logged %s", &log)
	}
}

// On a socket, too, a client that reads nothing is cut off, even if it keeps sending; one that
// reads a little now and then is not.
func TestSendTimeoutOnSockets(t *testing.T) {
	onSockets(t, func(t *testing.T, network string) {
		t.Parallel()
		const timeout = 2 * time.Second
		s, dial := listening(t, network, Config{SendTimeout: timeout})
		deaf, slow := dial(), dial()
		value := strings.Repeat("x", 500_000)
		for _, c := range []*socketClient{deaf, slow} {
			_, err := io.WriteString(c, "set a 0 0 500000 noreply\r\n"+value+"\r\n"+strings.Repeat("get a\r\n", 60))
			must(t, err)
		}
		last, longest := time.Now(), time.Duration(0)
		eventually(t, "the deaf client is cut off", func() bool {
			if pause := time.Since(last); pause > 50*time.Millisecond {
				last, longest = time.Now(), max(longest, pause)
				_, _ = io.WriteString(deaf, "get a\r\n")
				_, err := io.CopyN(io.Discard, slow, 40_000)
				must(t, err)
			}
			return s.counts.unreadKicks.Load() > 0
		})
		if n := s.counts.unreadKicks.Load(); n != 1 && longest < timeout/4 { // otherwise the slow client may have been cut off, too
			t.Errorf("%d were cut off", n)
		}
	})
}

// What is pipelined behind a wait is not read: it stays in the kernel, whose buffer is bounded.
func TestInputBehindAWaitIsNotRead(t *testing.T) {
	onSockets(t, func(t *testing.T, network string) {
		s, dial := listening(t, network, Config{})
		holder, waiter := dial(), dial()
		holder.send("add lock 0 60 1", "x")
		holder.gets("STORED")
		waiter.send("add lockcached:wait=30s:lock 0 60 1", "y")
		s.waitForLine(t, 1)
		const n = 200_000
		sent := make(chan error, 1)
		go func() {
			_, err := io.WriteString(waiter, strings.Repeat("get a\r\n", n))
			sent <- err
		}()
		holder.send(strings.Repeat("get a\r\n", 999) + "get a")
		for range 1000 {
			holder.gets("END")
		}
		s.eachConn(func(c *conn) {
			if read := c.bytesRead.Load(); read > 100_000 {
				t.Errorf("%d bytes are read behind a wait", read)
			}
		})
		holder.send("delete lock")
		holder.gets("DELETED")
		waiter.gets("STORED")
		for range n {
			waiter.gets("END")
		}
		must(t, <-sent)
	})
}

// A sweep checks every connection, once a second.
func BenchmarkSweep(b *testing.B) {
	s := New(Config{Locks: locks.NewManager(locks.Config{}), IdleTimeout: time.Hour, MaxConns: 15_000})
	for range 15_000 {
		s.register(newConn(s))
	}
	for b.Loop() {
		s.sweepOnce()
	}
}

// connectUnread is connect for a client that does not read by itself.
func connectUnread(t *testing.T, s *Server) *pipeClient {
	near, far := net.Pipe()
	c := &pipeClient{t: t, conn: near}
	go s.ServeConn(far)
	t.Cleanup(c.hangUp)
	synctest.Wait()
	return c
}

// Half a value takes memory only while some is left; requests that need none are still served.
func TestUnfinishedRequestsShareMemory(t *testing.T) {
	bubble(t, Config{RequestTimeout: 10 * time.Second}, func(t *testing.T, s *Server) {
		const left = 2_000_000
		s.unfinished.Take(locks.DefaultMemoryLimit - left)
		value := strings.Repeat("x", 500_000)
		var halves []*pipeClient
		for range 10 {
			c := connect(t, s)
			c.write("set a 0 0 1000000\r\n" + value)
			halves = append(halves, c)
		}
		holder := connect(t, s)
		holder.send("add lock 0 0 1", "x", "set a 0 0 500000", value, "delete lock")
		holder.gets("STORED", "SERVER_ERROR out of memory storing object", "DELETED")
		for _, c := range halves {
			c.write(value + "\r\n")
		}
		var stored int
		for _, c := range halves {
			c.mu.Lock()
			if strings.Contains(c.got.String(), "STORED") {
				stored++
			} else if c.got.String() != "SERVER_ERROR out of memory storing object\r\n" {
				t.Errorf("got %q", c.got.String())
			}
			c.mu.Unlock()
		}
		if stored == 0 || stored > 2 {
			t.Errorf("%d large values are stored", stored)
		}
		halves[0].write("set a 0 0 1000000\r\n" + value)
		pass(12 * time.Second)
		s.eachConn((*conn).finish)
		pass(0)
		if !s.unfinished.Take(left) || s.unfinished.Take(1) {
			t.Error("memory is lost, or too much was given back")
		}
	})
}

// A client that does not read its answers at once is cut off when too many answers are unread.
func TestUnreadAnswersShareMemory(t *testing.T) {
	onSockets(t, func(t *testing.T, network string) {
		s, dial := listening(t, network, Config{})
		const left = 64 << 10 // only short answers fit
		s.unread.Take(unreadShare*locks.DefaultMemoryLimit - left)
		holder := dial()
		holder.send("add lock 0 0 1", "x", "set a 0 0 500000", strings.Repeat("x", 500_000))
		holder.gets("STORED", "STORED")
		for range 20 {
			_, err := io.WriteString(dial(), strings.Repeat("get a\r\n", 100))
			must(t, err)
		}
		eventually(t, "all are cut off", func() bool { return s.counts.unreadKicks.Load() == 20 })
		holder.send("delete lock")
		holder.gets("DELETED")
		eventually(t, "all have gone", func() bool { return s.Snapshot().Connections == 1 })
		eventually(t, "all memory is given back", func() bool { return s.unread.Take(left) })
		if s.unread.Take(1) {
			t.Error("too much memory is given back")
		}
	})
}

// A client that waits in line is not idle. Once its wait has ended it is, even if it has sent
// nothing since.
func TestIdleAfterAWait(t *testing.T) {
	for outcome, wait := range map[string]string{"STORED": "300s", "NOT_STORED": "10ms"} {
		onNetworks(t, outcome, func(t *testing.T, network string) {
			s, dial := listening(t, network, Config{IdleTimeout: time.Hour})
			waiter := dial()
			s.waitForConns(t, 1)
			c, holder := s.onlyConn(), dial()
			holder.send("add lock 0 600 1", "x")
			holder.gets("STORED")
			waiter.send("add lockcached:wait="+wait+":lock 0 600 1", "y")
			if outcome == "STORED" {
				s.waitForLine(t, 1)
				eventually(t, "its connection waits", c.isParked)
				if later := s.now() + int64(24*time.Hour); c.overdue(later) != nil {
					t.Error("a client in line counts as idle")
				}
				holder.send("delete lock")
				holder.gets("DELETED")
			}
			waiter.gets(outcome)
			eventually(t, "it waits no more", func() bool { return !c.isParked() })
			eventually(t, "it is idle after an hour", func() bool {
				now := s.now()
				return c.overdue(now) == nil && c.overdue(now+int64(2*time.Hour)) == &s.counts.idleKicks
			})
			c.transport.cutOff()
			waiter.endsWith()
		})
	}
}

// onlyConn returns the only connection of the server.
func (s *Server) onlyConn() *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		return c
	}
	return nil
}

// The time in line does not count as idle, not even afterwards.
func TestIdleTimeBeginsAfterTheWait(t *testing.T) {
	bubble(t, Config{IdleTimeout: 5 * time.Second}, func(t *testing.T, s *Server) {
		hold(t, s, "lock") // this client is then closed for being idle, but its lock lasts
		waiter := connect(t, s)
		waiter.send("add lockcached:wait=20s:lock 0 60 1", "y")
		pass(20 * time.Second)
		waiter.gets("NOT_STORED")
		pass(4 * time.Second)
		if waiter.isClosed() {
			t.Error("closed at once")
		}
		pass(3 * time.Second)
		if !waiter.isClosed() {
			t.Error("not closed")
		}
	})
}
