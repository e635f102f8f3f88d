package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/client/internal/testhost"
	"github.com/lockcached/lockcached/locks"
)

// inCluster runs a test in a bubble with a cluster of three.
func inCluster(t *testing.T, test func(t *testing.T, c *testhost.Cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, testhost.NewCluster(t, "ONE", 3)) })
}

// clientOf returns a Client that knows some nodes of a cluster.
func clientOf(t *testing.T, c *testhost.Cluster, config Config, addrs ...string) *Client {
	t.Helper()
	config.Cluster, config.Dial = addrs, c.Dial
	made, err := New(config)
	is(t, "new", err, nil)
	t.Cleanup(func() { is(t, "close", made.Close(), nil) })
	return made
}

// The owner of a key gets the requests, also if it is another node than those that were listed.
func TestStraightToOwner(t *testing.T) {
	inCluster(t, func(t *testing.T, cluster *testhost.Cluster) {
		a, b, c := cluster.Nodes[0], cluster.Nodes[1], cluster.Nodes[2]
		cluster.Own("k", c)
		client := clientOf(t, cluster, Config{}, a.Addr())
		for range 3 {
			is(t, "unlock", take(t, client, "k").Unlock(), nil)
		}
		claims, _ := c.Count("add")
		releases, _ := c.Count("cas")
		if claims != 3 || releases != 3 {
			t.Errorf("the owner got %d claims and %d releases", claims, releases)
		}
		for _, n := range []*testhost.Node{a, b} {
			if n, _ := n.Count("add"); n > 0 {
				t.Errorf("%d claims at another node", n)
			}
		}
		if asked, _ := a.Count("gets"); asked != 1 {
			t.Errorf("%d questions for the owner of one key", asked)
		}
		info, err := client.Info(t.Context(), "k")
		is(t, "info", err, nil)
		if info.Node != "c" || info.Server != c.Addr() {
			t.Errorf("info of %q at %s", info.Node, info.Server)
		}
	})
}

// outages are what may happen to a node.
var outages = map[string]func(n *testhost.Node){
	"killed":  (*testhost.Node).Kill,
	"gone":    (*testhost.Node).Leave,
	"stopped": (*testhost.Node).Stop,
	"cut off": (*testhost.Node).CutOff,
}

// What a node may need at most to be found out, with the way to another one.
const foundOut = 4 * time.Second

// Whatever becomes of a node, those that lock and unlock go on at the others, and never two at
// a time. When it is back it is used again.
func TestNodeLost(t *testing.T) {
	for name, lose := range outages {
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(t *testing.T, cluster *testhost.Cluster) {
				var holders, holds atomic.Int32
				var all sync.WaitGroup
				ctx, stop := context.WithCancel(t.Context())
				for range 4 {
					c := clientOf(t, cluster, Config{}, cluster.Addrs()...)
					all.Go(func() {
						for ctx.Err() == nil {
							use(t, c, "k", &holders)
							holds.Add(1)
							time.Sleep(time.Second)
						}
					})
				}
				for _, n := range cluster.Nodes {
					cluster.Own("k", n)
					time.Sleep(ownerFor)
					lose(n)
					time.Sleep(foundOut)
					before := holds.Load()
					time.Sleep(10 * time.Second)
					if held := holds.Load() - before; held < 30 {
						t.Errorf("without %s there were %d holds in 10 seconds", n.Name, held)
					}
					n.Start()
				}
				stop()
				all.Wait()
			})
		})
	}
}

// A wait in line goes on at another node, at once.
func TestFrontLost(t *testing.T) {
	for name, lose := range outages {
		if name == "cut off" {
			continue // the fake would have to move the wait
		}
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(t *testing.T, cluster *testhost.Cluster) {
				a, b := cluster.Nodes[0], cluster.Nodes[1]
				l := take(t, clientOf(t, cluster, Config{}, b.Addr()), "k", TTL(time.Hour))
				cluster.Own("k", b)
				waiting := clientOf(t, cluster, Config{}, a.Addr())
				granted := make(chan *Lock)
				go func() { granted <- take(t, waiting, "k") }()
				time.Sleep(time.Minute / 2)
				lose(b)
				time.Sleep(foundOut)
				began := time.Now()
				is(t, "unlock", l.Unlock(), nil)
				is(t, "unlock", (<-granted).Unlock(), nil)
				if took := time.Since(began); took > foundOut {
					t.Errorf("the lock was handed over after %v", took)
				}
			})
		})
	}
}

// A lock that is kept alive outlives the loss of any node, and of the next one.
func TestKeepAliveThroughLosses(t *testing.T) {
	for name, lose := range outages {
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(t *testing.T, cluster *testhost.Cluster) {
				l := take(t, clientOf(t, cluster, Config{}, cluster.Addrs()...), "k", TTL(LeastClusterTTL), KeepAlive())
				for range 3 {
					for _, n := range cluster.Nodes {
						cluster.Own("k", n)
						time.Sleep(ownerFor + 7*time.Second)
						lose(n)
						time.Sleep(time.Minute)
						n.Start()
					}
				}
				is(t, "the lock", context.Cause(l.Context()), nil)
				is(t, "unlock", l.Unlock(), nil)
			})
		})
	}
}

// Without any node a call fails after its tries, and later ones at once, until one is back. The
// nodes are not asked often meanwhile.
func TestClusterAway(t *testing.T) {
	inCluster(t, func(t *testing.T, cluster *testhost.Cluster) {
		var log bytes.Buffer
		c := clientOf(t, cluster, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, cluster.Addrs()...)
		is(t, "unlock", take(t, c, "k").Unlock(), nil)
		before := dials(cluster)
		for _, n := range cluster.Nodes {
			n.Kill()
		}
		_, err := c.Lock(t.Context(), "k")
		var fault *FaultError
		if !errors.As(err, &fault) || fault.Server != strings.Join(cluster.Addrs(), ",") || !fault.Gone {
			t.Fatal(err)
		}
		if fault.Tries > DefaultTries || fault.Spent < time.Second || fault.Spent > 5*time.Second {
			t.Error(err)
		}
		if got := strings.Count(log.String(), "msg=retry"); got != fault.Tries && got != fault.Tries-1 {
			t.Errorf("%d retries are logged:\n%s", got, &log)
		}
		time.Sleep(time.Minute)
		began := time.Now()
		_, err = c.Lock(t.Context(), "k")
		is(t, "lock", err, ErrUnavailable)
		if took := time.Since(began); took > time.Millisecond {
			t.Errorf("it took %v to fail", took)
		}
		if n := dials(cluster) - before; n > 3*20 {
			t.Errorf("%d connections in a minute", n)
		}
		cluster.Nodes[1].Start()
		time.Sleep(15 * time.Second)
		is(t, "unlock", take(t, c, "k").Unlock(), nil)
	})
}

func dials(c *testhost.Cluster) (all int) {
	for _, n := range c.Nodes {
		_, dials := n.Count("")
		all += dials
	}
	return all
}

// Servers that are no nodes of the cluster get no request.
func TestNoNode(t *testing.T) {
	inCluster(t, func(t *testing.T, cluster *testhost.Cluster) {
		a := cluster.Nodes[0]
		a.Kill() // so that the others are tried
		other := testhost.NewCluster(t, "TWO", 1)
		other.Nodes[0].Name = "z"
		c := clientOf(t, cluster, Config{}, a.Addr(), cluster.Nodes[1].Addr(), "z:11211")
		c.dialer.Dial = either(cluster, other)
		is(t, "unlock", take(t, c, "k").Unlock(), nil)
		first := c.fleet.cluster
		for range 100 {
			is(t, "unlock", take(t, c, "k").Unlock(), nil)
		}
		for _, n := range []*testhost.Node{cluster.Nodes[1], other.Nodes[0]} {
			claims, _ := n.Count("add")
			if isFirst := (n == other.Nodes[0]) == (first == "TWO"); (claims > 0) != isFirst {
				t.Errorf("%d claims at node %s, and the cluster is %s", claims, n.Name, first)
			}
		}
	})
}

// either dials nodes of two clusters.
func either(one, two *testhost.Cluster) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := two.Dial(ctx, network, addr)
		if err != nil {
			return one.Dial(ctx, network, addr)
		}
		return conn, nil
	}
}

// Nor does a single server.
func TestSingleServerIsNoCluster(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		c := newClient(t, Config{Cluster: []string{addr}})
		_, err := c.Lock(t.Context(), "k")
		is(t, "lock", err, ErrUnavailable)
		is(t, "lock", err, ErrNoNode)
	})
}

// A claim that was granted, but not answered, is held only once it has been renewed: the
// withdrawal of the grant may be under way.
func TestUnansweredGrantIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := testhost.NewCluster(t, "ONE", 3)
		c := clientOf(t, cluster, Config{}, cluster.Addrs()...)
		cl := unansweredClaim(t, c, "k")
		defer c.pending.Done()
		cl.kind = lockcached
		granted, _ := cluster.Locks.Lookup([]byte("k"), nil)
		s, _ := c.serverOf("k")
		ours, err := cl.settle(s)
		is(t, "settle", err, nil)
		renewed, _ := cluster.Locks.Lookup([]byte("k"), nil)
		if !ours || renewed.Token <= granted.Token {
			t.Errorf("ours: %v; the token was %d, and is %d", ours, granted.Token, renewed.Token)
		}
		_ = cluster.Locks.Withdraw([]byte("k"), granted.Token)
		if l, _ := cluster.Locks.Lookup([]byte("k"), nil); !l.Held {
			t.Error("withdrawn after the renewal")
		}

		is(t, "withdraw", cluster.Locks.Withdraw([]byte("k"), renewed.Token), nil)
		cl.unsettled = true
		if ours, err = cl.settle(s); ours || err != nil {
			t.Errorf("a claim that was withdrawn: %v, %v", ours, err)
		}
	})
}

// A release that was answered SERVER_ERROR, and finds the lock gone, has succeeded.
func TestReleaseOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	h := newHost(t, locks.Config{})
	proxy := newProxy(t, h.addr, func(near, far net.Conn) {
		defer near.Close()
		defer far.Close()
		go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
		buf := make([]byte, 4<<10)
		for {
			n, err := far.Read(buf)
			if err != nil {
				return
			}
			answer := buf[:n]
			if string(answer) == "STORED\r\n" && !h.held("k") {
				answer = []byte("SERVER_ERROR owner lost, outcome unknown\r\n")
			}
			if _, err := near.Write(answer); err != nil {
				return
			}
		}
	})
	c := newClient(t, Config{}, proxy)
	is(t, "unlock", take(t, c, "k").Unlock(), nil)
	token := take(t, c, "k").Token()
	is(t, "release", c.Release(t.Context(), "k", token), nil)
}

func (h *host) held(key string) bool {
	l, _ := h.locks.Lookup([]byte(key), nil)
	return l.Held
}

// The list is that of all nodes, and says which one a lock lives on.
func TestListOfCluster(t *testing.T) {
	inCluster(t, func(t *testing.T, cluster *testhost.Cluster) {
		c := clientOf(t, cluster, Config{}, cluster.Nodes[2].Addr())
		take(t, c, "k")
		cluster.Nodes[1].Kill()
		list, err := c.List(t.Context(), 10)
		is(t, "list", err, ErrUnavailable)
		if !strings.Contains(err.Error(), "b:11211") {
			t.Error(err)
		}
		if len(list) != 2 || list[0].Key != "k" || list[0].Node != "a" || list[1].Node != "c" { // the fakes share their locks
			t.Errorf("%+v", list)
		}
	})
}

// With a short TTL renewals come sooner, so that an outage fits before the end.
func TestUntilRenewal(t *testing.T) {
	cluster := newClient(t, Config{Cluster: []string{"127.0.0.1:1"}, Timeout: time.Second})
	single := newBareClient(t)
	for ttl, want := range map[time.Duration]time.Duration{
		time.Minute:      20 * time.Second,
		30 * time.Second: 10 * time.Second,
		12 * time.Second: 3 * time.Second,
		LeastClusterTTL:  LeastClusterTTL*2/3 - 5*time.Second,
		6 * time.Second:  600 * time.Millisecond,
	} {
		if got := cluster.untilRenewal(ttl); got != want {
			t.Errorf("TTL %v: after %v, want %v", ttl, got, want)
		}
		if got := single.untilRenewal(ttl); got != ttl/3 {
			t.Errorf("TTL %v at a single server: after %v", ttl, got)
		}
	}
}
