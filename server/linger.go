package server

import (
	"errors"
	"net"
	"os"
	"time"
)

// linger waits, when the server ends, until the client's kernel has confirmed what
// was sent. To close while the client goes on to send resets a TCP connection, and
// answers that are still on their way would be lost. (What a Unix socket was given,
// its other end can read.)
func (c *conn) linger() {
	gone := c.writeErr != nil || c.readErr != nil && !errors.Is(c.readErr, os.ErrDeadlineExceeded)
	if _, isTCP := c.remote().(*net.TCPAddr); gone || !isTCP || !c.finishing.Load() {
		return
	}
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		unsent, open := c.inFlight()
		switch {
		case unsent == 0 || !open:
			return
		case c.sock != nil && c.sock.cut.Load():
			return
		case c.sock != nil:
			c.sock.detach()
		}
		time.Sleep(pause)
	}
}
