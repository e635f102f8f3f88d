package client

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// A server that shuts down turns away who waits in its line, and who comes back at once,
// and hangs up. The claim goes on in the line of the server that comes after, whose
// advice would be for those who poll.
func TestFarewell(t *testing.T) {
	t.Parallel()
	h := newHost(t, locks.Config{})
	held := take(t, newClient(t, Config{}, h.addr), "k")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	is(t, "listen", err, nil)
	defer l.Close()
	u := usher{addr: h.addr}
	go u.serve(l)

	c := newClient(t, Config{}, l.Addr().String())
	var waiter sync.WaitGroup
	waiter.Go(func() {
		l, err := c.Lock(t.Context(), "k", Wait(patience))
		if err != nil {
			t.Error(err)
			return
		}
		if err := l.Unlock(); err != nil {
			t.Error(err)
		}
	})
	h.queued("k", 1)
	is(t, "unlock", held.Unlock(), nil)
	waiter.Wait()
	if n := u.waits.Load(); n <= farewells || u.advised.Load() {
		t.Errorf("asked to wait %d times, asked for advice: %v", n, u.advised.Load())
	}
}

// An usher leads to a server, and turns the first away who want to wait there.
type usher struct {
	addr    string
	waits   atomic.Int32 // that were asked for
	advised atomic.Bool
}

const farewells = 2

func (u *usher) serve(l net.Listener) {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", u.addr)
		if err != nil {
			_ = near.Close()
			return
		}
		go func() { _, _ = io.Copy(near, far) }()
		go u.lead(near, far)
	}
}

func (u *usher) lead(near, far net.Conn) {
	defer near.Close()
	defer far.Close()
	for in := bufio.NewReader(near); ; {
		line, err := in.ReadString('\n')
		switch {
		case err != nil:
			return
		case strings.Contains(line, protocol.RetryKey("")) && strings.Contains(line, protocol.LockKey("")):
			u.advised.Store(true)
		case strings.Contains(line, "lockcached:wait=") && u.waits.Add(1) <= farewells:
			_, _ = in.ReadString('\n')
			_, _ = io.WriteString(near, "NOT_STORED\r\n")
			if u.waits.Load() == farewells {
				return
			}
			continue
		}
		if _, err := io.WriteString(far, line); err != nil {
			return
		}
	}
}
