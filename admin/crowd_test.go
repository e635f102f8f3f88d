package admin

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/testenv"
)

// Clients that connect and send nothing take a bounded number of descriptors, and do not keep
// out clients with requests.
func TestCrowd(t *testing.T) {
	i := start(t, Config{}, 1)
	address := strings.TrimPrefix(i.url, "http://")
	for name, says := range map[string]string{"silent": "", "idle": "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			var all []net.Conn
			for range 4 * MaxConns {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_, _ = fmt.Fprint(conn, says) // it may be closed by now
				all = append(all, conn)
			}
			for range 3 { // each over a new connection
				http.DefaultClient.CloseIdleConnections()
				if code, body := i.get(t, "/healthz"); code != 200 || body != "ok\n" {
					t.Errorf("%d %q", code, body)
				}
			}
			i.admin.crowd.mu.Lock()
			if n := len(i.admin.crowd.conns); n > MaxConns {
				t.Errorf("%d are there", n)
			}
			i.admin.crowd.mu.Unlock()
			for _, conn := range all[:3*MaxConns] {
				_ = conn.SetReadDeadline(time.Now().Add(testenv.Patience))
				if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatal("one that was let go is still open")
				}
			}
		})
	}
}

// A connection whose request is being answered is never closed to make room.
func TestCrowdOfTheBusy(t *testing.T) {
	c := crowd{conns: make(map[net.Conn]time.Time)}
	closed := make(map[net.Conn]bool)
	conn := func() net.Conn {
		a, b := net.Pipe()
		t.Cleanup(func() { _, _ = a.Close(), b.Close() })
		return &watchedConn{a, closed}
	}
	var busy []net.Conn
	for range MaxConns {
		busy = append(busy, conn())
		c.note(busy[len(busy)-1], http.StateNew)
		c.note(busy[len(busy)-1], http.StateActive)
	}
	late := conn()
	c.note(late, http.StateNew)
	c.note(late, http.StateActive)
	if len(closed) != 1 || !closed[late] {
		t.Errorf("closed %d, the latest: %v", len(closed), closed[late])
	}
	c.note(busy[1], http.StateIdle)
	c.note(busy[0], http.StateIdle)
	c.note(conn(), http.StateNew)
	if len(closed) != 2 || !closed[busy[1]] || len(c.conns) != MaxConns {
		t.Errorf("closed %d, the one that is idle for longest: %v; %d are there", len(closed), closed[busy[1]], len(c.conns))
	}
	c.note(busy[1], http.StateClosed)
	c.note(busy[2], http.StateClosed)
	if len(c.conns) != MaxConns-1 {
		t.Errorf("%d are there", len(c.conns))
	}
}

// watchedConn records that it was closed.
type watchedConn struct {
	net.Conn
	closed map[net.Conn]bool
}

func (c *watchedConn) Close() error {
	c.closed[c] = true
	return c.Conn.Close()
}
