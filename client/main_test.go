package client

import (
	"cmp"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/lockcached/lockcached/internal/testenv"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what has to happen, on the slowest machine.
const patience = testenv.Patience

// A host is a lockcached.
type host struct {
	t     *testing.T
	locks *locks.Manager
	addr  string
}

func newHost(t *testing.T, c locks.Config) *host {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, locks: locks.NewManager(c), addr: l.Addr().String()}
	s := server.New(server.Config{Locks: h.locks})
	go h.locks.Run(t.Context())
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return h
}

// memcached starts a real one and returns its socket.
func memcached(t *testing.T, flags ...string) string {
	t.Helper()
	binary := testenv.Memcached(t)
	dir, err := os.MkdirTemp("", "client") // of t.TempDir the path may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "socket")
	args := []string{"-s", path, "-t", "2"}
	if os.Geteuid() == 0 {
		args = append(args, "-u", "root") // memcached will not run as root unless told
	}
	process := exec.Command(binary, append(args, flags...)...)
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
		_ = os.RemoveAll(dir)
	})
	eventually(t, "memcached answers", func() bool {
		conn, err := net.Dial("unix", path)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return path
}

// onBoth runs a test against lockcached and against memcached.
func onBoth(t *testing.T, test func(t *testing.T, addr string)) {
	t.Run("lockcached", func(t *testing.T) {
		t.Parallel()
		test(t, newHost(t, locks.Config{}).addr)
	})
	t.Run("memcached", func(t *testing.T) {
		t.Parallel()
		test(t, memcached(t))
	})
}

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
	eventually(h.t, "waiters in line", func() bool { return h.locks.Lookup([]byte(key), nil).Queued == n })
}
