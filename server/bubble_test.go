package server

import (
	"bytes"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/locks"
)

// bubble runs a test in virtual time against a server whose connections are
// pipes.
func bubble(t *testing.T, c Config, test func(t *testing.T, s *Server)) {
	t.Helper()
	bubbleOf(t, locks.Config{}, c, test)
}

// bubbleOf is bubble with a configuration for locks.
func bubbleOf(t *testing.T, l locks.Config, c Config, test func(t *testing.T, s *Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c.Locks = locks.NewManager(l)
		go c.Locks.Run(t.Context())
		t.Cleanup(func() { time.Sleep(time.Minute) }) // let periodic goroutines see that the test is over
		test(t, New(c))
	})
}

// policy lets claims on keys that match a pattern wait without asking.
func policy(glob string, wait time.Duration) locks.WaitPolicy {
	return locks.WaitPolicy{Pattern: locks.MustPattern(glob), Wait: wait}
}

func waiting(policies ...locks.WaitPolicy) locks.Config {
	return locks.Config{WaitPolicies: policies}
}

// pass lets time pass, and waits until everything that is then due is done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// pipeClient is the other end of a connection of the server.
type pipeClient struct {
	t    *testing.T
	conn net.Conn

	mu     sync.Mutex // guards what follows
	got    bytes.Buffer
	closed bool // by the server
}

func connect(t *testing.T, s *Server) *pipeClient {
	near, far := net.Pipe()
	c := &pipeClient{t: t, conn: near}
	go s.ServeConn(far)
	go c.read()
	t.Cleanup(c.hangUp)
	return c
}

func (c *pipeClient) read() {
	buf := make([]byte, 4<<10)
	for {
		n, err := c.conn.Read(buf)
		c.mu.Lock()
		c.got.Write(buf[:n])
		c.closed = err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *pipeClient) hangUp() { _ = c.conn.Close() }

// send sends lines.
func (c *pipeClient) send(lines ...string) { c.write(strings.Join(lines, "\r\n") + "\r\n") }

// write does not fail if the server does not read what is sent.
func (c *pipeClient) write(text string) {
	go func() { _, _ = c.conn.Write([]byte(text)) }()
	synctest.Wait()
}

// gets compares what has arrived since the last call with lines; without lines, nothing may
// have arrived.
func (c *pipeClient) gets(lines ...string) {
	c.t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if got := strings.Split(strings.TrimSuffix(c.got.String(), "\r\n"), "\r\n"); strings.Join(got, "\n") != strings.Join(lines, "\n") {
		c.t.Errorf("got %q, want %q", got, lines)
	}
	c.got.Reset()
}

// take returns what has arrived since the last call.
func (c *pipeClient) take() string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.got.Reset()
	return c.got.String()
}

// isClosed reports whether the server has closed the connection.
func (c *pipeClient) isClosed() bool {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}
