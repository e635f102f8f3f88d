package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/stats"
)

// claims returns n claims in one string; each is ready to wait.
func claims(n int) string {
	var all strings.Builder
	for i := range n {
		fmt.Fprintf(&all, "add lockcached:wait=30s:lock:%d 0 600 4\r\ngone\r\n", i)
	}
	return strings.TrimSuffix(all.String(), "\r\n")
}

// goodbyes are the ways to leave a connection with answers unread.
var goodbyes = map[string]func(*socketClient){
	"close":       func(c *socketClient) { _ = c.Close() },
	"fall-silent": func(c *socketClient) { _ = c.raw.Close() },
	"reset":       (*socketClient).reset,
}

// A client that goes without reading the answers keeps none of its locks, however many claims
// it has sent at once.
func TestGrantsNotTaken(t *testing.T) {
	for name, leave := range goodbyes {
		for _, n := range []int{1, 2, 3, 100, 3000} {
			onNetworks(t, fmt.Sprint(name, " ", n), func(t *testing.T, network string) {
				s, dial := listening(t, network, Config{})
				gone := dial()
				gone.send(claims(n))
				s.waitForHolds(t, n)
				eventually(t, "answers in the socket", func() bool { return gone.unread() > 0 })
				leave(gone)
				s.waitForHolds(t, 0)
				if withdrawn := s.locks.Totals().Counters[stats.Withdrawn]; withdrawn != uint64(n) {
					t.Errorf("%d of %d grants were withdrawn", withdrawn, n)
				}
			})
		}
	}
}

// Some locks are granted at once, one after a wait, and for one the client is still in line.
func TestGrantsOfAllKindsNotTaken(t *testing.T) {
	for name, leave := range goodbyes {
		for _, served := range []bool{false, true} {
			onNetworks(t, fmt.Sprint(name, " served=", served), func(t *testing.T, network string) {
				s, dial := listening(t, network, Config{})
				holder, gone := dial(), dial()
				holder.send("add lock:1 0 600 1", "x", "add lock:3 0 600 1", "x")
				holder.gets("STORED", "STORED")
				gone.send("add plain 0 600 1", "x", "ms meta 1 ME T600 W1000", "x", claims(4))
				s.waitForLine(t, 1)
				if served {
					holder.send("delete lock:1")
					holder.gets("DELETED")
					s.waitForHolds(t, 2+4) // plain, meta, and lock:0 to lock:3
					s.waitForLine(t, 1)
				}
				eventually(t, "answers in the socket", func() bool { return gone.unread() > 0 })
				leave(gone)
				s.waitForLine(t, 0)
				if !served {
					holder.send("delete lock:1")
					holder.gets("DELETED")
				}
				s.waitForHolds(t, 1)
				holder.send("get lock:3")
				holder.gets("VALUE lock:3 0 1", "x", "END")
			})
		}
	}
}

// A lock that was granted before the client asked to wait for another, for which it is still
// in line.
func TestGrantBeforeAWaitNotTaken(t *testing.T) {
	for name, leave := range goodbyes {
		onNetworks(t, name, func(t *testing.T, network string) {
			s, dial := listening(t, network, Config{})
			holder, gone := dial(), dial()
			holder.send("add held 0 600 1", "x")
			holder.gets("STORED")
			gone.send("add plain 0 600 1", "x", "add lockcached:wait=30s:held 0 600 1", "x")
			s.waitForLine(t, 1)
			eventually(t, "an answer in the socket", func() bool { return gone.unread() > 0 })
			leave(gone)
			s.waitForHolds(t, 1)
		})
	}
}

// A client that never asks to wait is treated as by memcached: what it has added stays.
func TestAddsWithoutWaitStay(t *testing.T) {
	onNetworks(t, "reset", func(t *testing.T, network string) {
		s, dial := listening(t, network, Config{})
		gone := dial()
		gone.send("add lock:1 0 600 1", "x", "add lock:2 0 600 1", "x")
		eventually(t, "answers in the socket", func() bool { return gone.unread() > 0 })
		gone.reset()
		s.waitForConns(t, 0)
		if total := s.locks.Totals(); total.Held != 2 || total.Counters[stats.Withdrawn] != 0 {
			t.Errorf("%d are held, %d withdrawn", total.Held, total.Counters[stats.Withdrawn])
		}
	})
}

// A client that has read the answers and then closes keeps all its locks.
func TestGrantsTaken(t *testing.T) {
	const n = 1000
	for name, leave := range map[string]func(*socketClient){
		"close": func(c *socketClient) { _ = c.Close() },
		"half-close": func(c *socketClient) {
			c.closeWrite()
			c.endsWith()
		},
		"close after a half-close": func(c *socketClient) {
			c.closeWrite()
			_ = c.Close()
		},
	} {
		onNetworks(t, name, func(t *testing.T, network string) {
			s, dial := listening(t, network, Config{})
			c := dial()
			c.send(claims(n))
			for range n {
				c.gets("STORED")
			}
			leave(c)
			s.waitForConns(t, 0)
			if total := s.locks.Totals(); total.Held != n || total.Counters[stats.Withdrawn] != 0 {
				t.Errorf("%d are held, %d withdrawn", total.Held, total.Counters[stats.Withdrawn])
			}
		})
	}
}

// A client that sends more after an answer has read it: a reset then withdraws only later
// grants.
func TestGrantsTakenBeforeOthers(t *testing.T) {
	onNetworks(t, "reset", func(t *testing.T, network string) {
		s, dial := listening(t, network, Config{})
		holder, gone := dial(), dial()
		holder.send("add lock:held 0 600 1", "x")
		holder.gets("STORED")
		gone.send("add lockcached:wait=30s:mine 0 600 1", "x")
		gone.gets("STORED")
		for range 2 { // the client might have sent the first before it read the answer
			gone.send("version")
			gone.gets("VERSION " + Version)
		}
		gone.send("add lockcached:wait=30s:new 0 600 1", "x", "add lockcached:wait=30s:lock:held 0 600 1", "x")
		s.waitForLine(t, 1)
		gone.reset()
		s.waitForConns(t, 1)
		holder.send("get mine new lock:held")
		holder.gets("VALUE mine 0 1", "x", "VALUE lock:held 0 1", "x", "END")
	})
}

// Claims without a wait stay, too, when they follow a claim that was ready to wait.
func TestAddsBehindAWaitStay(t *testing.T) {
	onNetworks(t, "reset", func(t *testing.T, network string) {
		s, dial := listening(t, network, Config{})
		gone := dial()
		gone.send("add lockcached:wait=30s:gone 0 600 1", "x")
		gone.gets("STORED")
		gone.send("add lock:1 0 600 1", "x", "add lock:2 0 600 1", "x", "version")
		gone.gets("STORED", "STORED", "VERSION "+Version)
		gone.reset()
		s.waitForConns(t, 0)
		if total := s.locks.Totals(); total.Held != 2 || total.Counters[stats.Withdrawn] != 1 {
			t.Errorf("%d are held, %d withdrawn", total.Held, total.Counters[stats.Withdrawn])
		}
	})
}

// A client that reads nothing sends two claims in two packets.
func TestGrantsInTwoPacketsNotTaken(t *testing.T) {
	for name, leave := range goodbyes {
		onNetworks(t, name, func(t *testing.T, network string) {
			s, dial := listening(t, network, Config{})
			gone := dial()
			for i := range 2 {
				gone.send(fmt.Sprintf("add lockcached:wait=30s:lock:%d 0 600 1", i), "x")
				s.waitForHolds(t, i+1)
			}
			eventually(t, "answers in the socket", func() bool { return gone.unread() > 0 })
			leave(gone)
			s.waitForHolds(t, 0)
		})
	}
}

// Input after a hand-off may have been sent before the hand-off, but not before an earlier
// answer.
func TestGrantTakenBeforeAWait(t *testing.T) {
	onNetworks(t, "reset", func(t *testing.T, network string) {
		s, dial := listening(t, network, Config{})
		holder, gone := dial(), dial()
		holder.send("add held 0 600 1", "x")
		holder.gets("STORED")
		gone.send("add lockcached:wait=300s:mine 0 600 1", "x")
		gone.gets("STORED")
		gone.send("add lockcached:wait=300s:held 0 600 1", "x")
		s.waitForLine(t, 1)
		holder.send("delete held")
		holder.gets("DELETED")
		gone.gets("STORED")
		for _, key := range []string{"a", "b"} { // claims without a wait, one at a time
			gone.send("add "+key+" 0 600 1", "x")
			gone.gets("STORED")
		}
		gone.reset()
		s.waitForConns(t, 1)
		holder.send("get mine a b")
		holder.gets("VALUE mine 0 1", "x", "VALUE a 0 1", "x", "VALUE b 0 1", "x", "END")
	})
}

// The same holds when the journal is committed before each answer.
func TestGrantsNotTakenFromTheDisk(t *testing.T) {
	for name, mode := range map[string]journal.Mode{"interval": journal.Interval, "always": journal.Always} {
		t.Run(name, func(t *testing.T) {
			const n = 100
			s, dial := durable(t, "tcp", mode, &disk{})
			gone := dial()
			gone.send(claims(n))
			s.waitForHolds(t, n)
			eventually(t, "answers in the socket", func() bool { return gone.unread() > 0 })
			gone.reset()
			s.waitForHolds(t, 0)
		})
	}
}

// The number of held locks bounds what is recorded of grants.
func TestUnsureGrantsAreBounded(t *testing.T) {
	m := locks.NewManager(locks.Config{})
	c := newConn(New(Config{Locks: m}))
	const held = 300
	for i := range 100_000 {
		put := locks.Put{Op: locks.Add, Key: fmt.Append(nil, "lock:", i), Lease: time.Hour, Session: &c.session}
		done, err := m.Put(&put)
		must(t, err)
		c.addUnsure(put.Key, unsureGrant{token: done.CAS})
		if i >= held {
			must(t, m.Delete(fmt.Append(nil, "lock:", i-held)))
		}
	}
	if n := cap(c.unsure.list); n > 4*held {
		t.Errorf("room for %d grants while %d locks are held", n, held)
	}
	n := 0
	c.unsure.each(func(g unsureGrant, key []byte) {
		if m.Holds(key, g.token) {
			n++
		}
	})
	if n != held+1 && n != held {
		t.Errorf("%d of %d holds are known", n, held)
	}
}

// waitForHolds returns when that number of locks is held.
func (s *Server) waitForHolds(t *testing.T, n int) {
	t.Helper()
	eventually(t, fmt.Sprint(n, " holds"), func() bool { return s.locks.Totals().Held == n })
}

// waitForConns returns when that number of connections is left.
func (s *Server) waitForConns(t *testing.T, n int) {
	t.Helper()
	eventually(t, fmt.Sprint(n, " connections"), func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.conns) == n
	})
}
