//go:build linux

package processes_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/lan"
	"github.com/lockcached/lockcached/internal/testenv"
)

// Addresses of the two hosts of a TestCutLink. They exist in its network
// namespaces only.
const (
	serverHost = "10.0.0.1"
	clientHost = "10.0.0.2"
)

// TestCutLink lets a waiter's host vanish from the network without a word: it no longer
// answers any packet. The server has been told to notice within a second; without that the
// lock would stay with the waiter for its whole lease.
func TestCutLink(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		released string // the state of the lock that the holder waits for, once the link is cut
		counts   string
	}{
		// Nobody acknowledges the answer: --user-timeout.
		{"granted after the cut", "queued=2", "handed_off=2 withdrawn=1"},
		// Nobody answers a probe: --keepalive.
		{"noticed before the grant", "queued=1", "handed_off=1 withdrawn=0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLink(t)
			address := l.runServer(t, "--keepalive", "1s", "--user-timeout", "1s")
			holder, watcher := l.near.client(t, address), l.near.client(t, address)
			watcher.Timeout = testenv.Patience
			is(t, "holder's add", holder.Add(item("job", "holder", 600)), nil)
			waiter := l.far.dial(t, address)
			waiter.send(claimOfWaiter)
			waitForField(t, holder, "lockcached:lock:job", "queued=1")
			next := goAdd(watcher, "job", "watcher")
			waitForField(t, holder, "lockcached:lock:job", "queued=2")
			l.cut(t)
			waitForField(t, holder, "lockcached:lock:job", tt.released)
			released := time.Now()
			is(t, "delete", holder.Delete("job"), nil)
			end := <-next
			is(t, "watcher's add", end.err, nil)
			wantFields(t, holder, "lockcached:lock:job", "owner=watcher "+tt.counts)
			t.Logf("the lock stayed with the client behind the cut for %v", end.at.Sub(released))
		})
	}
}

// TestCutLinkOfHolder: a client that took its answer may be at work behind the cut.
func TestCutLinkOfHolder(t *testing.T) {
	t.Parallel()
	l := newLink(t)
	address := l.runServer(t, "--keepalive", "1s", "--user-timeout", "1s")
	observer := l.near.client(t, address)
	is(t, "holder's add", observer.Add(item("job", "holder", 600)), nil)
	waiter := l.far.dial(t, address)
	waiter.send(claimOfWaiter)
	waitForField(t, observer, "lockcached:lock:job", "queued=1")
	is(t, "delete", observer.Delete("job"), nil)
	waiter.gets("STORED")
	l.cut(t)
	connections := func() (n string) {
		err := l.near.enter(func() { n = harness.StatsOf(t, address)["curr_connections"] })
		is(t, "enter "+string(l.near), err, nil)
		return n
	}
	// The connections left are those of the observer and of StatsOf.
	testenv.Eventually(t, "the server has noticed", func() bool { return connections() == "2" })
	wantFields(t, observer, "lockcached:lock:job", "owner=waiter withdrawn=0")
}

// link is two hosts, each a network namespace, and a cable between them.
type link struct{ near, far namespace }

// links counts the links, for their names.
var links atomic.Int64

func newLink(t *testing.T) *link {
	t.Helper()
	testenv.Program(t, "ip")
	testenv.Root(t, "only root makes network namespaces")
	id := fmt.Sprintf("lockcached-%d-%d", os.Getpid(), links.Add(1))
	l := &link{namespace(id + "-near"), namespace(id + "-far")}
	for _, ns := range []namespace{l.near, l.far} {
		ip(t, "netns", "add", string(ns))
		t.Cleanup(func() { ip(t, "netns", "del", string(ns)) })
	}
	l.near.ip(t, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", string(l.far))
	l.near.ip(t, "address", "add", serverHost+"/24", "dev", "cable")
	l.far.ip(t, "address", "add", clientHost+"/24", "dev", "cable")
	for _, ns := range []namespace{l.near, l.far} {
		ns.ip(t, "link", "set", "lo", "up")
		ns.ip(t, "link", "set", "cable", "up")
	}
	return l
}

// cut takes away the far host's address: packets sent to it are dropped there, and the near
// host sees a link in good order.
func (l *link) cut(t *testing.T) {
	t.Helper()
	l.far.ip(t, "address", "del", clientHost+"/24", "dev", "cable")
}

// runServer starts lockcached on the near host and returns its address.
func (l *link) runServer(t *testing.T, flags ...string) (address string) {
	t.Helper()
	is(t, "enter "+string(l.near), l.near.enter(func() { address = runServer(t, append(flags, "-l", serverHost)...) }), nil)
	_, port, _ := net.SplitHostPort(address)
	return net.JoinHostPort(serverHost, port)
}

// namespace is a network namespace by its name.
type namespace string

func (ns namespace) ip(t *testing.T, args ...string) {
	t.Helper()
	ip(t, append([]string{"-n", string(ns)}, args...)...)
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v, %s", strings.Join(args, " "), err, out)
	}
}

// enter calls do in the namespace: processes that it starts and sockets that it
// opens belong there for good.
func (ns namespace) enter(do func()) error { return lan.EnterNamespace(string(ns), do) }

// client returns a gomemcache client on that host.
func (ns namespace) client(t *testing.T, address string) *memcache.Client {
	t.Helper()
	c := clientOf(t, address)
	c.DialContext = func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		entry := ns.enter(func() { conn, err = new(net.Dialer).DialContext(ctx, network, address) })
		return conn, errors.Join(entry, err)
	}
	return c
}

// dial connects from that host.
func (ns namespace) dial(t *testing.T, address string) (w *socket) {
	t.Helper()
	is(t, "enter "+string(ns), ns.enter(func() { w = dial(t, address) }), nil)
	return w
}
