package server

import (
	"time"

	"golang.org/x/sys/unix"
)

// linger waits, when the server ends, until the client's kernel has confirmed what
// was sent. To close while the client goes on to send resets a TCP connection, and
// answers that are still on their way would be lost. (What a Unix socket was given,
// its other end can read.)
func (c *conn) linger() {
	s := c.sock
	if !c.finishing.Load() || !s.remote.IsValid() || c.readErr != nil || c.writeErr != nil {
		return
	}
	_ = unix.Shutdown(s.fd, unix.SHUT_WR)
	for pause := time.Millisecond; !s.cut.Load(); pause = min(2*pause, 100*time.Millisecond) {
		if unsent, open := c.unacknowledged(); unsent == 0 || !open {
			return
		}
		s.detach()
		time.Sleep(pause)
	}
}
