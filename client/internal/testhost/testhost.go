// Package testhost starts the servers that the tests of client and of what is built on it
// talk to: lockcached within the process, real memcacheds beside it, and proxies between.
// It has no client.
package testhost

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockcached/lockcached/internal/testenv"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// A Host is a lockcached.
type Host struct {
	Locks *locks.Manager
	Addr  string
}

// New starts a lockcached that ends with the test.
func New(t *testing.T, c locks.Config) *Host {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &Host{Locks: locks.NewManager(c), Addr: l.Addr().String()}
	s := server.New(server.Config{Locks: h.Locks})
	go h.Locks.Run(t.Context())
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return h
}

// Queued waits until so many wait in line for a lock.
func (h *Host) Queued(t *testing.T, key string, n int) {
	t.Helper()
	testenv.Eventually(t, "waiters in line", func() bool {
		l, _ := h.Locks.Lookup([]byte(key), nil)
		return l.Queued == n
	})
}

// Memcached starts a real one and returns its socket.
func Memcached(t *testing.T, flags ...string) string {
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
	testenv.Eventually(t, "memcached answers", func() bool {
		conn, err := net.Dial("unix", path)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return path
}

// OnBoth runs a test against lockcached and against memcached.
func OnBoth(t *testing.T, test func(t *testing.T, addr string)) {
	t.Run("lockcached", func(t *testing.T) {
		t.Parallel()
		test(t, New(t, locks.Config{}).Addr)
	})
	t.Run("memcached", func(t *testing.T) {
		t.Parallel()
		test(t, Memcached(t))
	})
}

// Proxy starts a proxy. handle gets each connection with one to the target, and closes
// them.
func Proxy(t *testing.T, target string, handle func(near, far net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial(NetworkOf(target), target)
			if err != nil {
				_ = near.Close()
				continue
			}
			go handle(near, far)
		}
	}()
	return l.Addr().String()
}

// NetworkOf is that of the address of a server, which may be a path.
func NetworkOf(addr string) string {
	if strings.HasPrefix(addr, "/") {
		return "unix"
	}
	return "tcp"
}
