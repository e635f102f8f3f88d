package server

import (
	"context"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lockcached/lockcached/internal/testenv"
	"github.com/lockcached/lockcached/locks"
)

// The server shuts down between accepting a connection and serving it.
func TestShutdownWhileWelcoming(t *testing.T) {
	s := New(Config{Locks: locks.NewManager(locks.Config{})})
	loop, err := s.startLoop()
	must(t, err)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	must(t, err)
	defer unix.Close(pair[1])
	c := newConn(s)
	sock := newSocket(c, pair[0], loop, netip.AddrPort{})
	if !s.register(c) {
		t.Fatal("not registered")
	}
	c.finish()
	eventually(t, "the loop takes its mail", func() bool {
		loop.mu.Lock()
		defer loop.mu.Unlock()
		return len(loop.mail) == 0
	})
	must(t, loop.add(sock))
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Patience)
	defer cancel()
	must(t, s.Shutdown(ctx))
}
