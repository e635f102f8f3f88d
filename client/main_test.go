package client

import (
	"cmp"
	"errors"
	"net"
	"testing"

	"go.uber.org/goleak"

	"github.com/lockcached/lockcached/client/internal/testhost"
	"github.com/lockcached/lockcached/internal/testenv"
	"github.com/lockcached/lockcached/locks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what has to happen, on the slowest machine.
const patience = testenv.Patience

// A host is a lockcached.
type host struct {
	*testhost.Host
	t     *testing.T
	locks *locks.Manager
	addr  string
}

func newHost(t *testing.T, c locks.Config) *host {
	t.Helper()
	h := testhost.New(t, c)
	return &host{Host: h, t: t, locks: h.Locks, addr: h.Addr}
}

var (
	memcached = testhost.Memcached
	onBoth    = testhost.OnBoth
	newProxy  = testhost.Proxy
	networkOf = testhost.NetworkOf
	newRelay  = testhost.NewRelay
)

// newClient returns a Client that is closed when the test ends. Its Timeout is long: a
// busy machine is no fault.
func newClient(t *testing.T, c Config, servers ...string) *Client {
	t.Helper()
	if c.Memcache == nil {
		c.Servers = append(c.Servers, servers...)
	}
	c.Timeout = cmp.Or(c.Timeout, patience)
	client, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return client
}

// take locks, or fails the test.
func take(t *testing.T, c *Client, key string, opts ...Option) *Lock {
	t.Helper()
	l, err := c.Lock(t.Context(), key, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// is fails the test unless err is the one wanted.
func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: %v, want %v", what, err, want)
	}
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, isSo func() bool) {
	t.Helper()
	testenv.Eventually(t, what, isSo)
}

// queued waits until so many wait in line for a lock.
func (h *host) queued(key string, n int) {
	h.t.Helper()
	h.Queued(h.t, key, n)
}
