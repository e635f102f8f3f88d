package server

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/stats"
)

// twoNodes are two Servers in one process, joined to a cluster. near serves the keys that begin
// with "near", far all others. Clients are connected to near, if the test does not say otherwise.
type twoNodes struct {
	near, far *node

	mu    sync.Mutex // guards what follows
	moved map[string]*node
	told  map[*Call]told
	fail  error            // of FlushAll
	lose  func(*Call) bool // whether the answer to a call gets lost, with its owner
}

// node is a fake of a Cluster's node.
type node struct {
	*twoNodes
	name  string
	srv   *Server
	locks *locks.Manager
	delay time.Duration // of each message to another node
	stale bool          // takes all keys for its own

	out      chan message
	sessions map[session]*Remote // guarded by twoNodes.mu
}

// session is a client's, by its front.
type session struct {
	front *node
	id    uint64
}

type message struct {
	at   time.Time
	read func()
}

// fakePatience is how long the fake looks for the owner of a key.
const fakePatience = 2 * time.Second

var errOwnerLost = errors.New("owner lost, outcome unknown")

// onTwoNodes starts two nodes, in the bubble that it is called in or out of one.
func onTwoNodes(t *testing.T, l locks.Config, c Config, delay time.Duration) *twoNodes {
	both := &twoNodes{moved: map[string]*node{}, told: map[*Call]told{}}
	ctx, stop := context.WithCancel(context.Background())
	both.near = both.start(t, "near", l, c, delay)
	both.far = both.start(t, "far", l, c, delay)
	go both.near.locks.Run(ctx)
	go both.far.locks.Run(ctx)
	t.Cleanup(func() {
		must(t, both.near.srv.Shutdown(context.Background()))
		must(t, both.far.srv.Shutdown(context.Background()))
		close(both.near.out)
		close(both.far.out)
		stop()
	})
	return both
}

func (both *twoNodes) start(t *testing.T, name string, l locks.Config, c Config, delay time.Duration) *node {
	n := &node{twoNodes: both, name: name, delay: delay, out: make(chan message, 1<<10), sessions: map[session]*Remote{}}
	l.Owned = n.serves
	n.locks = locks.NewManager(l)
	c.Locks, c.Cluster = n.locks, n
	n.srv = New(c)
	go n.carry()
	return n
}

// carry delivers what the node sends, in order and each with its delay.
func (n *node) carry() {
	for m := range n.out {
		time.Sleep(time.Until(m.at))
		m.read()
	}
}

func (n *node) send(read func()) { n.out <- message{time.Now().Add(n.delay), read} }

func (both *twoNodes) owner(key []byte) *node {
	both.mu.Lock()
	defer both.mu.Unlock()
	if n, ok := both.moved[string(key)]; ok {
		return n
	}
	if bytes.HasPrefix(key, []byte("near")) {
		return both.near
	}
	return both.far
}

// move lets another node serve a key, with its hold; nobody serves it if n is nil.
func (both *twoNodes) move(key string, n *node) {
	before := both.owner([]byte(key))
	both.assign(key, nil)
	if before != nil {
		is := func(k []byte) bool { return string(k) == key }
		before.locks.Barrier()
		before.locks.EachHold(func(e *journal.Entry) {
			if n != nil && is(e.Key) {
				n.locks.RaiseToken(e.Token)
				n.locks.Adopt(e, time.Minute)
			}
		})
		before.locks.Disown(is)
	}
	both.assign(key, n)
}

func (both *twoNodes) assign(key string, n *node) {
	both.mu.Lock()
	defer both.mu.Unlock()
	both.moved[key] = n
}

func (n *node) Local(key []byte) bool { return n.stale || n.serves(key) }

func (n *node) serves(key []byte) bool { return n.twoNodes.owner(key) == n }

func (n *node) Call(c *Call) { n.route(c, time.Now()) }

// route has the owner of a call's key carry it out, whoever that is.
func (n *node) route(c *Call, since time.Time) {
	again := func() {
		time.Sleep(10 * time.Millisecond)
		n.route(c, since)
	}
	owner := n.twoNodes.owner(c.Key)
	n.mu.Lock()
	known := n.told[c]
	n.mu.Unlock()
	switch {
	case known.gone:
		c.Done(Reply{Err: errors.New("cancelled")})
		return
	case owner == nil && time.Since(since) > fakePatience:
		c.Done(Reply{Err: errors.New("no quorum")})
		return
	case owner == nil:
		go again()
		return
	}
	n.send(func() {
		lost := n.lose != nil && n.lose(c)
		owner.open(n, c).Do(c.Text, c.Claim, time.Since(c.Since), func(r Reply) {
			owner.send(func() {
				switch {
				case r.Err == locks.ErrMoved, lost && c.Kind != Change:
					go again()
				case lost:
					c.Done(Reply{Err: errOwnerLost})
				default:
					c.Done(r)
				}
			})
		})
		if known.more {
			owner.open(n, c).Hurry()
		}
	})
}

// open returns the session of another node's client.
func (n *node) open(front *node, c *Call) *Remote {
	n.mu.Lock()
	defer n.mu.Unlock()
	id := session{front, c.Session}
	if n.sessions[id] == nil {
		n.sessions[id] = n.srv.OpenRemote(c.Client)
	}
	return n.sessions[id]
}

// toBoth sends to whoever has a session with that id, perhaps this node itself.
func (n *node) toBoth(id uint64, read func(*Remote)) {
	n.send(func() {
		for _, each := range []*node{n.near, n.far} {
			n.mu.Lock()
			r := each.sessions[session{n, id}]
			n.mu.Unlock()
			if r != nil {
				read(r)
			}
		}
	})
}

// told is what must be told again if a call is sent again.
type told struct{ more, gone bool }

func (n *node) Hurry(c *Call) {
	n.remember(c, told{more: true})
	n.toBoth(c.Session, (*Remote).Hurry)
}

func (n *node) Cancel(c *Call) {
	n.remember(c, told{gone: true})
	n.toBoth(c.Session, (*Remote).Cancel)
}

func (n *node) remember(c *Call, what told) {
	n.mu.Lock()
	n.told[c] = what
	n.mu.Unlock()
}

func (n *node) CloseSession(id uint64) { n.toBoth(id, (*Remote).Close) }

func (n *node) Withdraw(key []byte, token uint64) {
	owner, key := n.twoNodes.owner(key), bytes.Clone(key)
	n.send(func() { _ = owner.locks.Withdraw(key, token) })
}

func (n *node) FlushAll(delay time.Duration) error {
	time.Sleep(n.delay)
	for _, each := range []*node{n.near, n.far} {
		each.locks.FlushAfter(delay)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.fail
}

func (n *node) Owner(key []byte) string {
	if owner := n.twoNodes.owner(key); owner != nil {
		return owner.name
	}
	return ""
}

func (n *node) Fields() []stats.Field { return []stats.Field{{Name: "node", Text: n.name}} }

// inCluster runs a test in virtual time on two nodes.
func inCluster(t *testing.T, l locks.Config, test func(t *testing.T, both *twoNodes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(time.Minute) }) // let periodic goroutines see that the test is over
		test(t, onTwoNodes(t, l, Config{}, time.Millisecond))
	})
}

// settle lets all messages arrive.
func settle() { pass(time.Second / 10) }

func TestHandOffBetweenNodes(t *testing.T) {
	inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
		for _, key := range []string{"near", "far"} {
			a, b, c := connect(t, both.near.srv), connect(t, both.far.srv), connect(t, both.near.srv)
			a.send("add "+key+" 0 60 1", "a")
			settle()
			a.gets("STORED")
			b.send("add lockcached:wait=9s:"+key+" 0 60 1", "b")
			settle()
			c.send("ms "+key+" 1 ME T60 W9000 k w", "c")
			settle()
			b.gets()
			c.gets()
			a.send("delete " + key)
			settle()
			a.gets("DELETED")
			b.gets("STORED")
			c.gets()
			b.send("touch "+key+" -1", "get "+key)
			settle()
			b.gets("TOUCHED", "VALUE "+key+" 0 1", "c", "END")
			c.gets("HD k" + key + " w0")
			c.send("md " + key)
			settle()
			c.gets("HD")
		}
	})
}

func TestWaitAtAnotherNodeIsOver(t *testing.T) {
	inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
		hold(t, both.far.srv, "lock")
		waiter := connect(t, both.near.srv)
		waiter.send("add lockcached:wait=2s:lock 0 60 1", "x", "version")
		pass(2 * time.Second)
		waiter.gets()
		settle()
		waiter.gets("NOT_STORED", "VERSION "+Version)
	})
}

func TestHangUpAtTheFront(t *testing.T) {
	inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
		holder, next := hold(t, both.far.srv, "lock"), connect(t, both.far.srv)
		gone := connect(t, both.near.srv)
		gone.send("add lockcached:wait=30s:lock 0 60 1", "x")
		settle()
		next.send("add lockcached:wait=30s:lock 0 60 1", "y")
		gone.hangUp()
		settle()
		if n := both.far.locks.Totals().Queued; n != 1 {
			t.Errorf("%d are in line", n)
		}
		holder.send("delete lock")
		next.gets("STORED")
		if n := both.far.locks.Totals().Counters[stats.Withdrawn]; n != 0 {
			t.Errorf("%d withdrawn", n)
		}
		both.far.srv.mu.Lock()
		defer both.far.srv.mu.Unlock()
		if n := len(both.far.srv.remotes); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

// More input ends a wait that the owner's policy has begun, and no other one.
func TestPolicyAtAnotherNode(t *testing.T) {
	inCluster(t, waiting(policy("policy", time.Minute)), func(t *testing.T, both *twoNodes) {
		c := connect(t, both.near.srv)
		c.send("add policy 0 60 1", "x")
		settle()
		c.gets("STORED")
		c.send("add policy 0 60 1", "y")
		settle()
		c.gets()
		c.send("delete policy")
		settle()
		c.gets("NOT_STORED", "DELETED")
		c.send("add policy 0 60 1", "x", "add policy 0 60 1", "y", "delete policy", "version") // in one packet
		settle()
		c.gets("STORED", "NOT_STORED", "DELETED", "VERSION "+Version)

		c.send("add named 0 60 1", "x", "add lockcached:wait=2s:named 0 60 1", "y", "delete named")
		settle()
		c.gets("STORED")
		pass(2 * time.Second)
		c.gets("NOT_STORED", "DELETED")
	})
}
