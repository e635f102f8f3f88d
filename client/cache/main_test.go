package cache

import (
	"errors"
	"net"
	"testing"

	"github.com/bradfitz/gomemcache/memcache"
	"go.uber.org/goleak"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/client/internal/testhost"
	"github.com/lockcached/lockcached/internal/testenv"
	"github.com/lockcached/lockcached/locks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	onBoth     = testhost.OnBoth
	memcached  = testhost.Memcached
	eventually = testenv.Eventually
)

// newHost starts a lockcached and returns its address.
func newHost(t *testing.T, c locks.Config) string {
	t.Helper()
	return testhost.New(t, c).Addr
}

// newClient returns a Client that is closed when the test ends. Its Timeout is long: a
// busy machine is no fault.
func newClient(t *testing.T, addr string) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Servers: []string{addr}, Timeout: testenv.Patience})
	is(t, "new client", err, nil)
	t.Cleanup(func() {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return c
}

// newMemcache returns what a test writes with, and looks into the server.
func newMemcache(t *testing.T, addr string) *memcache.Client {
	t.Helper()
	mc := memcache.New(addr)
	mc.Timeout = testenv.Patience
	t.Cleanup(func() { _ = mc.Close() })
	return mc
}

// is fails the test unless err is the one wanted.
func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: %v, want %v", what, err, want)
	}
}
