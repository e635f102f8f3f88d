package cluster_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/testenv"
)

// A lock is one lock, whatever node is asked for it, and is handed from a client of one node to
// a client of another.
func TestAnyNode(t *testing.T) {
	t.Parallel()
	n := startNodes(t, patient...)
	a, b, c := n.dial("a"), n.dial("b"), n.dial("c")
	for _, key := range []string{"lock:1", "lock:2", "lock:3", "lock:4", "lock:5"} {
		a.send("add "+key+" 0 600 5", "alice")
		a.gets("STORED")
		b.send("add "+key+" 0 600 3", "bob")
		b.gets("NOT_STORED")
		token := a.token(key, "alice")
		for _, other := range []*conn{b, c} {
			if got := other.token(key, "alice"); got != token {
				t.Errorf("token %s, and elsewhere %s", token, got)
			}
		}
		b.send("add lockcached:wait=1m:"+key+" 0 600 3", "bob")
		waiting := n.dial("c")
		testenv.Eventually(t, "bob waits", func() bool {
			waiting.send("get lockcached:lock:" + key)
			waiting.line()
			queued := strings.Contains(waiting.line(), " queued=1 ")
			waiting.gets("END")
			return queued
		})
		c.send("delete " + key)
		c.gets("DELETED")
		b.gets("STORED")
	}
	for _, front := range []*conn{a, b, c} { // the owner is one of them
		front.send("add lock:large 0 600 1044471", strings.Repeat("x", 1_044_471))
		front.gets("SERVER_ERROR object too large for cache")
	}
	a.send("add lock:large 0 600 1044470", strings.Repeat("x", 1_044_470))
	a.gets("STORED")
	a.send("get lock:1 none lock:2 lock:3", "gets lock:4", "version")
	a.gets("VALUE lock:1 0 3", "bob", "VALUE lock:2 0 3", "bob", "VALUE lock:3 0 3", "bob", "END")
	a.line()
	a.gets("bob", "END")
	a.line()
	a.send("flush_all", "get lock:1 lock:2 lock:3 lock:4 lock:5")
	a.gets("OK", "END")
}

// The owner of a lock is killed: the lock is still held, with its token, and who waits for it
// keeps waiting and is served. Then the node comes back.
func TestOwnerKilled(t *testing.T) {
	t.Parallel()
	n := startNodes(t, patient...)
	const key = "lock:job"
	owner := n.owner(key)
	others := n.others(owner)
	holder, waiter := n.dial(others[0]), n.dial(others[1])
	holder.send("add "+key+" 0 600 6", "holder")
	holder.gets("STORED")
	token := holder.token(key, "holder")
	waiter.send("add lockcached:wait=1m:"+key+" 0 600 6", "waiter")
	testenv.Eventually(t, "the waiter waits", func() bool {
		holder.send("get lockcached:lock:" + key)
		holder.line()
		queued := strings.Contains(holder.line(), " queued=1 ")
		holder.gets("END")
		return queued
	})
	n.kill(owner)
	n.awaitSlots()
	if got := n.dial(others[1]).token(key, "holder"); got != token {
		t.Errorf("the token was %s, and is %s", token, got)
	}
	holder.send("delete " + key)
	holder.gets("DELETED")
	waiter.gets("STORED")
	if got := holder.token(key, "waiter"); got <= token {
		t.Errorf("after token %s came %s", token, got)
	}
	n.start(owner)
	n.awaitSlots()
	n.dial(owner).token(key, "waiter")
}

// A node that is stopped is replaced. When it goes on it answers nothing that others contradict.
func TestOwnerStopped(t *testing.T) {
	t.Parallel()
	n := startNodes(t, patient...)
	const key = "lock:job"
	owner := n.owner(key)
	other := n.dial(n.others(owner)[0])
	before := n.dial(owner)
	other.send("add "+key+" 0 600 5", "alice")
	other.gets("STORED")
	n.signal(owner, syscall.SIGSTOP)
	before.send("gets " + key) // lies in the socket of the stopped node
	for line := "SERVER_ERROR"; strings.HasPrefix(line, "SERVER_ERROR"); {
		other.send("delete " + key)
		line = other.line()
	}
	other.send("add "+key+" 0 600 3", "bob")
	other.gets("STORED")
	token := other.token(key, "bob")
	n.signal(owner, syscall.SIGCONT)
	switch line := before.line(); {
	case strings.HasPrefix(line, "SERVER_ERROR"):
	case strings.HasPrefix(line, "VALUE"):
		if !strings.HasSuffix(line, token) {
			t.Errorf("the stopped node answers %q, the token is %s", line, token)
		}
	default:
		t.Errorf("the stopped node answers %q", line)
	}
	n.awaitReturn(owner)
	if got := n.dial(owner).token(key, "bob"); got != token {
		t.Errorf("token %s, and at the node that was stopped %s", token, got)
	}
}

// Without a majority there is no answer about a lock, and everything else is answered.
func TestNoQuorum(t *testing.T) {
	t.Parallel()
	n := startNodes(t)
	c := n.dial("a")
	c.send("add lock:1 0 600 1", "x")
	c.gets("STORED")
	n.kill("b")
	n.kill("c")
	for _, request := range []string{"add lock:2 0 600 1\r\nx", "gets lock:1", "delete lock:1", "touch lock:1 10", "flush_all"} {
		began := time.Now()
		c.send(request)
		if line := c.line(); !strings.HasPrefix(line, "SERVER_ERROR") {
			t.Errorf("%q: %q", request, line)
		}
		if took := time.Since(began); took > testenv.Patience {
			t.Errorf("%q took %v", request, took)
		}
	}
	c.send("version", "mn", "stats cluster")
	c.line()
	c.gets("MN")
	for line := c.line(); line != "END"; line = c.line() {
		if line == "STAT quorum 1" {
			t.Error(line)
		}
	}
	n.start("b")
	n.awaitSlots()
	d := n.dial("b")
	d.token("lock:1", "x")
}

// All nodes are killed at once: what was held is held when they are back.
func TestAllKilled(t *testing.T) {
	t.Parallel()
	n := startNodes(t, patient...)
	c := n.dial("a")
	tokens := make(map[string]string)
	for _, key := range []string{"lock:1", "lock:2", "lock:3", "lock:4", "lock:5", "lock:6"} {
		c.send("add "+key+" 0 600 6", "holder")
		c.gets("STORED")
		tokens[key] = c.token(key, "holder")
	}
	for _, name := range names {
		n.kill(name)
	}
	n.startAll()
	n.awaitSlots()
	d := n.dial("c")
	for key, token := range tokens {
		if got := d.token(key, "holder"); got != token {
			t.Errorf("%s had token %s, and has %s", key, token, got)
		}
	}
}

// A node that is told to stop hands over first: clients of the others notice nothing.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	n := startNodes(t, patient...)
	for _, name := range names {
		done, stopped := make(chan struct{}), make(chan struct{})
		c := n.dial(n.others(name)[0])
		go func() {
			defer close(stopped)
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				c.send("add lock:roll 0 600 1", "x")
				if line := c.line(); line != "STORED" {
					t.Errorf("add: %q", line)
				}
				c.send("delete lock:roll")
				if line := c.line(); line != "DELETED" {
					t.Errorf("delete: %q", line)
				}
			}
		}()
		n.all[name].Stop()
		delete(n.all, name)
		n.start(name)
		n.awaitSlots()
		close(done)
		<-stopped
	}
}

// A release that lay in the socket of a stopped node, and names no token, does not end the hold of
// whoever was granted the lock meanwhile.
func TestBareDeleteAtStoppedNode(t *testing.T) {
	t.Parallel()
	n := startNodes(t, patient...)
	const key = "lock:job"
	owner := n.owner(key)
	front := n.others(owner)[0]
	at, before := n.dial(owner), n.dial(front)
	before.send("add "+key+" 0 600 5", "alice")
	before.gets("STORED")
	token := at.token(key, "alice")
	n.signal(front, syscall.SIGSTOP)
	before.send("delete " + key)
	n.awaitLoss(owner, front)
	at.send("md "+key+" C"+token, "add "+key+" 0 600 3", "bob")
	at.gets("HD", "STORED")
	token = at.token(key, "bob")
	n.signal(front, syscall.SIGCONT)
	if line := before.line(); !strings.HasPrefix(line, "SERVER_ERROR") {
		t.Errorf("the stopped node answers %q", line)
	}
	if got := at.token(key, "bob"); got != token {
		t.Errorf("token %s, then %s", token, got)
	}
	n.awaitReturn(front)
	before.send("add "+key+" 0 600 5", "alice")
	before.gets("NOT_STORED")
}

// What is under way when its owner is lost: reads and claims are repeated at the next owner, and of a
// release nobody knows.
func TestRequestsUnderWay(t *testing.T) {
	t.Parallel()
	n := startNodes(t, patient...)
	const key = "lock:job"
	owner := n.owner(key)
	front := n.others(owner)[0]
	c := n.dial(front)
	c.send("add "+key+" 0 600 5", "alice")
	c.gets("STORED")
	token := c.token(key, "alice")
	n.signal(owner, syscall.SIGSTOP)
	requests := []string{"gets " + key, "delete " + key, "touch " + key + " 600", "md " + key + " C" + token, "add " + key + " 0 600 3\r\nbob"}
	conns := make([]*conn, len(requests))
	for i, request := range requests {
		conns[i] = n.dial(front)
		conns[i].send(request)
	}
	testenv.Eventually(t, "the requests are on their way", func() bool { return n.parked(front) == len(requests) })
	n.kill(owner)
	conns[0].gets("VALUE "+key+" 0 5 "+token, "alice", "END")
	for _, c := range conns[1:4] {
		c.gets("SERVER_ERROR owner lost, outcome unknown")
	}
	conns[4].gets("NOT_STORED")
	if got := c.token(key, "alice"); got != token {
		t.Errorf("the token was %s, and is %s", token, got)
	}
}
