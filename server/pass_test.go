package server

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/internal/testenv"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/stats"
)

// everything has requests of all kinds that are about keys, in each dialect.
var everything = map[string][]string{
	"text": {
		"set a 1 0 1\r\n1\r\n", "get a\r\n", "gets a\r\n", "get a b a\r\n", "gats 30 none a\r\n", "gat 30 a\r\n", "gat 0 none\r\n",
		"add a 0 0 1\r\nx\r\n", "add b 0 30 1\r\n5\r\n", "replace b 0 30 1\r\n6\r\n", "append b 0 30 1\r\n7\r\n",
		"prepend none 0 30 1\r\n7\r\n", "prepend b 0 30 1\r\n4\r\n", "cas b 0 30 1 1\r\n7\r\n", "cas none 0 30 1 1\r\n7\r\n",
		"incr b 1\r\n", "decr b 10\r\n", "incr none 1\r\n", "incr a 5 noreply\r\n", "touch b 60\r\n", "touch none 60\r\n",
		"delete none\r\n", "delete a noreply\r\n", "delete a\r\n", "add c 0 30 1 noreply\r\nx\r\n", "append c 0 0 1\r\nx\r\n", "incr c 1\r\n",
		"get lockcached:lock:b\r\n", "get lockcached:retry:b\r\n", "gets lockcached:lock:none c lockcached:lock:c\r\n",
		"stats lock b\r\n", "stats lock none\r\n", "add lockcached:wait=1ms:b 0 30 1\r\nx\r\n", "add lockcached:wait=1s:d 0 30 1\r\nx\r\n",
		"set lockcached:wait=1s:b 0 30 1\r\nx\r\n", "set lockcached:x 0 0 1\r\nx\r\n", "delete lockcached:lock:b\r\n", "touch lockcached:x 0\r\n",
		"add lockcached:wait=x:b 0 30 1\r\nx\r\n", "get lockcached:x\r\n", "set a 0 0 2000000\r\n" + strings.Repeat("x", 2_000_002),
		"get a\r\n", "set e 0 0 100000\r\n" + strings.Repeat("e", 100_000) + "\r\n", "get e b e\r\n", "set e 0 0 1048576\r\n" + strings.Repeat("x", 1<<20) + "\r\n",
		"get e\r\n", "get\r\n", "delete\r\n", "set a 0 0\r\n", "foo a\r\n", "set a 0 0 1\r\nxxx\r\n", "get " + strings.Repeat("b c none ", 3000) + "\r\n",
		"get " + strings.Repeat("k", 251) + " b\r\n",
	},
	"meta": {
		"ms a 1 c k O1 F5\r\n1\r\n", "ms a 2 ME T30\r\nxx\r\n", "ms b 1 ME T30 c w p d s q\r\nx\r\n", "ms b 1 ME w p\r\nx\r\n", "ms b 1 MR T30 q\r\ny\r\n",
		"ms none 1 MA\r\nx\r\n", "ms b 1 MP\r\nz\r\n", "ms b 1 C1 k\r\nx\r\n", "mg a v c f t s k O2 h l\r\n", "mg none v\r\n", "mg none v q\r\n", "mg a q\r\n",
		"mg n N30 v\r\n", "mg n v\r\n", "mg a T60 v\r\n", "ma a\r\n", "ma a D5 v t c\r\n", "ma none\r\n", "ma m N30 J7 v\r\n", "ma a q\r\n", "md none q\r\n",
		"md none\r\n", "md a C1\r\n", "md a I T30\r\n", "mg a v t\r\n", "mg a v\r\n", "md a x\r\n", "me a\r\n", "me none\r\n", "md a k O3\r\n", "mn\r\n",
		"ms Zm9v 1 b T30 k\r\nx\r\n", "mg Zm9v b k v\r\n", "md Zm9v b\r\n", "ms b 1 ME W1 T30\r\nx\r\n", "ms d 1 ME W1000 T30 c q\r\nx\r\n",
		"mg lockcached:lock:b v s k\r\n", "mg lockcached:retry:b v\r\n", "mg lockcached:lock:b N30\r\n", "ms b 2000000 T0\r\n" + strings.Repeat("x", 2_000_002),
		"ms lockcached:wait=1s:f 1 ME\r\nx\r\n", "ms a 1 Z\r\nx\r\n", "ma lockcached:x N0\r\n", "mg a\r\n",
	},
	"binary": {
		packet("\x01", 1, 0, "\x00\x00\x00\x05\x00\x00\x00\x1e", "a b", "1"), packet(opGet, 2, 0, "", "a b", ""), packet("\x09", 3, 0, "", "none", ""),
		packet("\x0c", 4, 0, "", "none", ""), packet("\x0c", 4, 0, "", "a b", ""), packet("\x0d", 5, 0, "", "a b", ""), packet(opAdd, 6, 0, thirty, "l", "x"),
		packet(opAdd, 7, 0, thirty, "l", "x"), packet(opAddQ, 8, 0, thirty, "l", "x"), packet(opAddQ, 9, 0, thirty, "m", "x"), packet("\x03", 10, 0, thirty, "m", "y"),
		packet("\x03", 11, 0, thirty, "none", "y"), packet("\x13", 12, 0, thirty, "m", "5"), packet("\x0e", 13, 0, "", "m", "5"), packet("\x1a", 14, 0, "", "none", "5"),
		packet("\x05", 15, 0, "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x1e", "n", ""),
		packet("\x16", 16, 0, "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x07\xff\xff\xff\xff", "n", ""),
		packet("\x06", 17, 0, "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x07\xff\xff\xff\xff", "none", ""),
		packet("\x1c", 18, 0, "\x00\x00\x00\x3c", "m", ""), packet("\x1d", 19, 0, "\x00\x00\x00\x3c", "m", ""), packet("\x24", 20, 0, "\x00\x00\x00\x3c", "none", ""),
		packet("\x01", 21, 1, thirty, "m", "y"), packet(opDelete, 22, 1, "", "m", ""), packet(opDelete, 23, 0, "", "m", ""), packet("\x14", 24, 0, "", "m", ""),
		packet("\x10", 25, 0, "", "lock l", ""), packet(opAdd, 26, 0, thirty, "lockcached:wait=1ms:l", "x"), packet(opGet, 27, 0, "", "lockcached:lock:l", ""),
		packet("\x01", 28, 0, thirty, "a b", strings.Repeat("x", 2_000_000)), packet(opGet, 29, 0, "", "a b", ""), packet(opNoop, 30, 0, "", "", ""),
		packet("\x0b", 31, 0, "", "", ""), packet("\x99", 32, 0, "", "x", ""),
	},
}

// TestSameBytes: a client gets the same bytes from whichever node it is connected to.
func TestSameBytes(t *testing.T) {
	for dialect, requests := range everything {
		for _, at := range []string{"one by one", "at once"} {
			t.Run(dialect+" "+at, func(t *testing.T) {
				var replies [2][]string
				for i := range replies {
					inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
						both.near.delay, both.far.delay = 0, 0 // ages are shown
						c := connect(t, []*node{both.near, both.far}[i].srv)
						if at == "at once" {
							requests = []string{strings.Join(requests, "")}
						}
						for _, request := range requests {
							c.write(request)
							pass(2 * time.Millisecond)
							replies[i] = append(replies[i], c.take())
						}
						if c.isClosed() {
							t.Error("closed")
						}
					})
				}
				for i, want := range replies[1] {
					if got := replies[0][i]; got != want {
						t.Errorf("%.80q: got %.300q, want %.300q", requests[i], got, want)
					}
				}
			})
		}
	}
}

// Replies stay in the order of the requests, whoever answers them.
func TestPipelineOverNodes(t *testing.T) {
	inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
		c := connect(t, both.near.srv)
		c.send("set far 0 0 1", "1", "set near 0 0 1", "2", "get far", "get near", "version", "incr far 1 noreply", "incr near 1 noreply",
			"get near far near none", "delete far noreply", "delete far", "foo", "mg near v q", "mg far v q", "mn", "set far 0 0 5", "toolong",
			"me far", "touch near -1 noreply", "delete near", "get near far")
		settle()
		c.gets("STORED", "STORED", "VALUE far 0 1", "1", "END", "VALUE near 0 1", "2", "END", "VERSION "+Version,
			"VALUE near 0 1", "3", "VALUE far 0 1", "2", "VALUE near 0 1", "3", "END", "NOT_FOUND", "ERROR", "VA 1", "3", "MN",
			"CLIENT_ERROR bad data chunk", "CLIENT_ERROR bad command line format", "EN", "NOT_FOUND", "END")
	})
}

// The keys of a get may be served by different nodes, move while they are asked for, and be many.
func TestGetOverNodes(t *testing.T) {
	inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
		c := connect(t, both.near.srv)
		var keys, want []string
		for i := range 500 {
			key := fmt.Sprintf("%s:%d:%s", []string{"near", "far"}[i*7%3%2], i, strings.Repeat("k", i%100))
			value := strings.Repeat("v", i*i%900)
			keys = append(keys, key)
			if i%5 == 0 {
				continue // a miss
			}
			c.send(fmt.Sprintf("set %s 0 0 %d", key, len(value)), value)
			settle()
			c.gets("STORED")
			want = append(want, fmt.Sprintf("VALUE %s 0 %d", key, len(value)), value)
		}
		c.send("get " + strings.Join(keys, " "))
		settle()
		c.gets(append(want, "END")...)
		c.send("gat 60 " + strings.Join(keys, "  ") + "  ")
		settle()
		c.gets(append(want, "END")...)
		for i := range keys {
			keys[i] = "lockcached:owner:" + keys[i]
		}
		c.send("get lockcached:owner:near lockcached:owner:far lockcached:lock: lockcached:version:far")
		c.gets("VALUE lockcached:owner:near 0 4", "near", "VALUE lockcached:owner:far 0 3", "far",
			"VALUE lockcached:version:far 0 "+fmt.Sprint(len(Release)), Release, "END")
	})
}

// A get is answered with an error if one of its keys is.
func TestGetOfALostKey(t *testing.T) {
	inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
		c := connect(t, both.near.srv)
		c.send("set near 0 0 1", "1", "set far 0 0 1", "2")
		settle()
		c.gets("STORED", "STORED")
		both.move("lost", nil)
		c.send("get near far lost near", "version")
		settle()
		c.gets()
		pass(fakePatience)
		c.gets("VALUE near 0 1", "1", "VALUE far 0 1", "2", noQuorum, "VERSION "+Version)
		c.send("get lost", "mg lost v", "md lost q", "touch lost 0", "delete lost noreply", "stats lock lost")
		pass(10 * fakePatience)
		c.gets(noQuorum, noQuorum, noQuorum, noQuorum, noQuorum)
		c.send("get " + strings.Repeat("near ", 5000) + " lost " + strings.Repeat("near ", 5000))
		pass(2 * fakePatience)
		if !c.isClosed() {
			t.Error("the rest of the get would be answered as another one")
		}
	})
}

// A claim in line follows its lock to another node, with its place and its age.
func TestWaitsMove(t *testing.T) {
	for _, from := range []string{"near", "far"} {
		inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
			fromNode, toNode := both.near, both.far
			if from == "far" {
				fromNode, toNode = toNode, fromNode
			}
			holder := hold(t, fromNode.srv, from)
			first, second, third := connect(t, both.near.srv), connect(t, both.far.srv), connect(t, both.near.srv)
			for i, c := range []*pipeClient{first, second} {
				c.send("add lockcached:wait=5s:"+from+" 0 60 1", fmt.Sprint(i))
				pass(time.Second)
			}
			both.move(from, toNode)
			settle()
			holder.send("delete " + from)
			settle()
			first.gets("STORED")
			second.gets()
			third.send("add lockcached:wait=5s:"+from+" 0 60 1", "x")
			settle()
			pass(4 * time.Second) // 5 s after it has asked
			second.gets("NOT_STORED")
			third.gets()
			first.send("delete " + from)
			settle()
			first.gets("DELETED")
			third.gets("STORED")
		})
	}
}

// A client that hangs up, and a server that shuts down, while a claim moves.
func TestHangUpWhileAClaimMoves(t *testing.T) {
	inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
		hold(t, both.near.srv, "near")
		c := connect(t, both.near.srv)
		c.send("add lockcached:wait=30s:near 0 60 1", "x")
		both.move("near", nil)
		synctest.Wait()
		c.hangUp()
		pass(fakePatience + time.Second)
		both.near.srv.mu.Lock()
		defer both.near.srv.mu.Unlock()
		if n := len(both.near.srv.conns); n != 1 { // the holder's
			t.Errorf("%d connections", n)
		}
	})
}

// A key may move between the question whose it is and the request.
func TestMovedInBetween(t *testing.T) {
	inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
		c := connect(t, both.near.srv)
		c.send("set near 0 0 1", "1", "set far 0 0 1", "2")
		settle()
		c.gets("STORED", "STORED")
		both.near.stale = true // takes all keys for its own
		c.send("get far", "get near far near", "incr far 1", "mg far v", "me none", "add lockcached:wait=1s:lock 0 60 1", "x", "ms lock 1 ME",
			"y", "get lockcached:retry:other", "md lock q", "touch far 0", "gat 0 near far", "stats lock none noreply", "delete far noreply", "delete far")
		settle()
		got := c.take()
		want := "VALUE far 0 1\r\n2\r\nEND\r\nVALUE near 0 1\r\n1\r\nVALUE far 0 1\r\n2\r\nVALUE near 0 1\r\n1\r\nEND\r\n3\r\nVA 1\r\n3\r\nEN\r\n" +
			"STORED\r\nNS\r\nVALUE lockcached:retry:other 0 1\r\n0\r\nEND\r\nTOUCHED\r\nVALUE near 0 1\r\n1\r\nVALUE far 0 1\r\n3\r\nEND\r\nSTAT held 0\r\n"
		if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "END\r\nNOT_FOUND\r\n") {
			t.Errorf("got %q, want %q...", got, want)
		}
	})
}

// If an owner is lost, reads and claims are repeated; nobody knows what became of a change.
func TestOwnerLost(t *testing.T) {
	inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
		c := connect(t, both.near.srv)
		var calls []Call
		both.lose = func(c *Call) bool {
			calls = append(calls, *c)
			return len(calls) == 1
		}
		for request, kind := range map[string]CallKind{
			"get k": Read, "gets k": Read, "mg k v": Read, "me k": Read, "stats lock k": Read, "get lockcached:retry:k": Read,
			"add k 0 60 1\r\nx": Claim, "ms l 1 ME T60\r\nx": Claim, "add m 0 60 1 noreply\r\nx": Claim, "add lockcached:wait=1s:n 0 60 1\r\nx": Claim,
			"set k 0 0 1\r\nx": Change, "gat 1 k": Change, "touch k 1": Change, "delete k": Change, "md k": Change, "ma k N0": Change,
			"mg k T30": Change, "mg k N30": Change, "mg k R30": Change, "ms k 1\r\nx": Change, "incr k 1": Change,
		} {
			calls = nil
			c.send(request)
			settle()
			got := c.take()
			if kind == Change {
				if got != "SERVER_ERROR owner lost, outcome unknown\r\n" || len(calls) != 1 {
					t.Errorf("%s: got %q after %d calls", request, got, len(calls))
				}
				continue
			}
			if strings.Contains(got, "ERROR") || len(calls) != 2 {
				t.Fatalf("%s: got %q after %d calls", request, got, len(calls))
			}
			if id := calls[0].Claim; id != calls[1].Claim || (id != locks.ClaimID{}) != (kind == Claim) {
				t.Errorf("%s: claim ids %v, %v", request, id, calls[1].Claim)
			}
		}
		calls = nil
		packets := connect(t, both.near.srv)
		packets.write(packet(opAdd, 1, 7, thirty, "p", "x")) // names a version: no claim
		settle()
		if len(calls) != 1 || calls[0].Kind != Change {
			t.Errorf("an add of a version: %+v", calls)
		}
	})
}

// Each claim has an id of its own, each connection another session.
func TestNamesOfCalls(t *testing.T) {
	inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
		claims, sessions := map[locks.ClaimID]bool{}, map[uint64]bool{}
		both.lose = func(c *Call) bool {
			claims[c.Claim], sessions[c.Session] = true, true
			return false
		}
		for range 3 {
			c := connect(t, both.near.srv)
			c.send("add a 0 1 1", "x", "add a 0 1 1", "x")
			settle()
			c.gets("STORED", "NOT_STORED")
			c.send("delete a")
			settle()
		}
		if len(claims) != 6+1 || len(sessions) != 3 {
			t.Errorf("%d claims, %d sessions", len(claims), len(sessions))
		}
	})
}

func TestFlushAllOverNodes(t *testing.T) {
	inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
		both.near.delay = time.Second
		c, other := connect(t, both.near.srv), connect(t, both.near.srv)
		other.send("set near 0 0 1", "1")
		other.gets("STORED")
		hold(t, both.far.srv, "lock")
		c.send("version", "flush_all", "version")
		c.gets("VERSION " + Version)
		other.send("get near")
		other.gets("VALUE near 0 1", "1", "END")
		pass(time.Second)
		c.gets("OK", "VERSION "+Version)
		if n := both.far.locks.Totals().Held; n != 0 {
			t.Errorf("%d locks are held", n)
		}
		both.fail = errors.New("no quorum")
		c.send("flush_all", "flush_all noreply", "flush_all x", "flush_all 10")
		pass(10 * time.Second)
		c.gets(noQuorum, "CLIENT_ERROR invalid exptime argument", noQuorum)
	})
}

func TestStatsCluster(t *testing.T) {
	inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
		c := connect(t, both.near.srv)
		both.move("lost", nil)
		c.send("stats cluster", "mg lockcached:owner:x v", "mg lockcached:owner:lost v", "get lockcached:owner:", "get lockcached:cluster")
		c.gets("STAT node near", "END", "VA 3", "far", "EN", "END", "VALUE lockcached:cluster 0 9", "node near", "END")
	})
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.send("stats cluster", "get lockcached:owner:x", "get lockcached:cluster")
		c.gets("ERROR", "END", "END")
	})
}

// A front that shuts down ends the waits of its clients at other nodes; an owner that shuts down
// ends all waits there.
func TestShutdownOfANode(t *testing.T) {
	for _, name := range []string{"near", "far"} {
		inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
			hold(t, both.far.srv, "lock")
			c := connect(t, both.near.srv)
			c.send("add lockcached:wait=50s:lock 0 60 1", "x", "version")
			settle()
			s := both.near.srv
			if name == "far" {
				s = both.far.srv
			}
			must(t, s.Shutdown(t.Context()))
			settle()
			c.gets("NOT_STORED", "VERSION "+Version)
			if c.isClosed() != (name == "near") {
				t.Errorf("%s: closed: %v", name, c.isClosed())
			}
			if n := both.far.locks.Totals().Queued; n != 0 {
				t.Errorf("%d are in line", n)
			}
		})
	}
}

// A claim that is read while its front shuts down does not wait either.
func TestClaimDuringShutdown(t *testing.T) {
	inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
		hold(t, both.far.srv, "lock")
		c := connect(t, both.near.srv)
		c.send("get far", "add lockcached:wait=50s:lock 0 60 1", "x", "add lockcached:wait=50s:other 0 60 1", "x")
		must(t, both.near.srv.Shutdown(t.Context()))
		c.gets("END", "NOT_STORED", "STORED")
	})
}

// The memory for requests that are passed on is bounded, and given back.
func TestMemoryOfCalls(t *testing.T) {
	inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
		s := both.near.srv
		const size = 100_000
		value := strings.Repeat("x", size)
		holders := map[string]*pipeClient{"near": hold(t, s, "near"), "far": hold(t, both.far.srv, "far")}
		c, d := connect(t, s), connect(t, s)
		full := int(s.locks.Config().MemoryLimit) - size
		s.unfinished.Take(full)
		for _, key := range []string{"near", "far"} {
			c.send(fmt.Sprintf("set item:%s 0 0 %d", key, size-10_000), value[10_000:])
			settle()
			if got := c.take(); got != "STORED\r\n" && got != "SERVER_ERROR out of memory storing object\r\n" {
				t.Errorf("got %q", got)
			}
		}
		s.unfinished.Give(full)
		for _, key := range []string{"near", "far"} {
			c.send(fmt.Sprintf("add lockcached:wait=1s:%s 0 60 %d", key, size), value)
			d.send(fmt.Sprintf("add lockcached:wait=50s:%s 0 60 %d", key, size), value)
			pass(2 * time.Second)
			c.gets("NOT_STORED")
			both.move(key, map[string]*node{"near": both.far, "far": both.near}[key])
			settle()
			holders[key].send("delete " + key)
			settle()
			d.gets("STORED")
			d.send("set "+key+fmt.Sprintf(" 0 60 %d", size), value)
			settle()
			d.gets("STORED")
		}
		all := int(s.locks.Config().MemoryLimit)
		if !s.unfinished.Take(all) {
			t.Error("memory is missing")
		}
		s.unfinished.Give(all)
	})
}

// A client that goes without reading the answers keeps none of its locks, also at other nodes.
func TestGrantsOfOtherNodesNotTaken(t *testing.T) {
	const n = 100
	for name, leave := range goodbyes {
		onNetworks(t, name, func(t *testing.T, network string) {
			both := onTwoNodes(t, locks.Config{MaxWait: testenv.Patience}, Config{justGranted: time.Hour}, 0)
			dial := listenWith(t, network, both.near.srv)
			holder, gone := dial(), dial()
			holder.send("add held 0 600 1", "x")
			holder.gets("STORED")
			gone.send(strings.ReplaceAll(claims(n), ":1", ":near:1"), "add lockcached:wait=300s:held 0 600 1", "x")
			both.far.srv.waitForLine(t, 1)
			eventually(t, "answers in the socket", func() bool { return gone.unread() > 0 })
			leave(gone)
			both.far.srv.waitForLine(t, 0)
			both.far.srv.waitForHolds(t, 1)
			both.near.srv.waitForHolds(t, 0)
		})
	}
}

// Locks of other nodes stay if the client has read the answer, or has never been ready to wait.
func TestGrantsOfOtherNodesTaken(t *testing.T) {
	onNetworks(t, "reset", func(t *testing.T, network string) {
		both := onTwoNodes(t, locks.Config{}, Config{justGranted: time.Hour}, 0)
		dial := listenWith(t, network, both.near.srv)
		gone := dial()
		gone.send("add a 0 600 1", "x", "ms b 1 ME T600", "x")
		both.far.srv.waitForHolds(t, 2)
		eventually(t, "answers in the socket", func() bool { return gone.unread() > 0 })
		gone.reset()
		both.near.srv.waitForConns(t, 0)
		taken := dial()
		taken.send(claims(10))
		for range 10 {
			taken.gets("STORED")
		}
		_ = taken.Close()
		both.near.srv.waitForConns(t, 0)
		if total := both.far.locks.Totals(); total.Held != 12 || total.Counters[stats.Withdrawn] != 0 {
			t.Errorf("%d are held, %d withdrawn", total.Held, total.Counters[stats.Withdrawn])
		}
	})
}

// A client that closes its sending side gets the answers of other nodes all the same.
func TestHalfCloseAtTheFront(t *testing.T) {
	onSockets(t, func(t *testing.T, network string) {
		both := onTwoNodes(t, locks.Config{MaxWait: testenv.Patience}, Config{}, time.Millisecond)
		dial := listenWith(t, network, both.near.srv)
		holder := dial()
		holder.send("add lock 0 600 1", "x")
		holder.gets("STORED")
		c := dial()
		c.send("set a 0 0 1", "x", "get a near", "version", "add lockcached:wait=300s:lock 0 60 1", "x", "get lock")
		c.closeWrite()
		c.endsWith("STORED", "VALUE a 0 1", "x", "END", "VERSION "+Version, "NOT_STORED", "VALUE lock 0 1", "x", "END")
	})
}

// The grants of other nodes that may have to be withdrawn are bounded: whether they still hold
// is not known here.
func TestUnsureGrantsOfOtherNodesAreBounded(t *testing.T) {
	inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
		c := newConn(both.near.srv)
		const n = 100_000
		for i := range n {
			c.addUnsure(fmt.Append(nil, "lock:", i), unsureGrant{token: uint64(i)})
		}
		if got := cap(c.unsure.list); got > 2*maxUnsure {
			t.Errorf("room for %d grants", got)
		}
		latest := uint64(n - 1)
		for _, g := range slices.Backward(c.unsure.list[len(c.unsure.list)-maxUnsure/2+1:]) {
			if g.token != latest {
				t.Fatalf("grant %d is missing", latest)
			}
			latest--
		}
	})
}

// Clients of both nodes send requests of all kinds while keys move: each gets one reply to each.
func TestMixedLoadOverNodes(t *testing.T) {
	for _, network := range []string{"tcp", "stream"} {
		t.Run(network, func(t *testing.T) {
			both := onTwoNodes(t, waiting(policy("*", time.Second)), Config{}, 0)
			dials := []func() *socketClient{listenWith(t, network, both.near.srv), listenWith(t, network, both.far.srv)}
			var clients, moves sync.WaitGroup
			for i := range 20 {
				clients.Go(func() {
					c := dials[i%2]()
					for n := range 50 {
						c.mix(fmt.Sprintf("%s:%d", []string{"near", "far"}[n%2], i/4))
					}
				})
			}
			stop := make(chan struct{})
			moves.Go(func() {
				for n := 0; ; n++ {
					both.move(fmt.Sprintf("near:%d", n%5), []*node{both.far, both.near}[n/5%2])
					select {
					case <-stop:
						return
					case <-time.After(time.Millisecond):
					}
				}
			})
			clients.Wait()
			close(stop)
			moves.Wait()
		})
	}
}

// mix sends some requests about a key at once, and reads a reply to each.
func (c *socketClient) mix(key string) {
	c.send("ms "+key+" 1 ME T600 O1", "1", "mg "+key+" O2", "get "+key+" near:x far:x", "mn", "incr "+key+" 1 noreply", "ma "+key+" O3 N0",
		"add lockcached:wait=1ms:"+key+" 0 600 1", "1", "stats lock "+key, "md "+key+" O4", "gat 1 "+key, "version")
	for _, want := range []string{"O1$", "O2$|^EN$", "^END$", "^MN$", "O3$", "STORED$", "^STAT held", "^END$", "O4$", "^END$", "^VERSION"} {
		wanted := regexp.MustCompile(want)
		for line := ""; !wanted.MatchString(line); {
			var err error
			if line, err = c.in.ReadString('\n'); err != nil || strings.Contains(line, "ERROR") {
				c.t.Errorf("got %q, %v before %s", line, err, want)
				return
			}
			line = strings.TrimSuffix(line, "\r\n")
		}
	}
}
