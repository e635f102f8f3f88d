package server

import (
	"io"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A connection that waits for its next request holds no buffer: through
// RawConn it learns that the socket is readable before it takes one. Connections
// that are no sockets (a pipe in a test, TLS) read into a buffer they keep.

// tune makes the kernel notice peers that have vanished without a word.
func (s *Server) tune(nc net.Conn) {
	tc, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	_ = tc.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable:   true,
		Idle:     s.config.KeepAlive,
		Interval: max(s.config.KeepAlive/3, time.Second),
		Count:    3,
	})
	if raw, err := tc.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT,
				int(s.config.UserTimeout.Milliseconds()))
		})
	}
}

// readable is called by RawConn.Read when there may be something to read. It
// reports whether the wait is over.
func (c *conn) readable(fd uintptr) bool {
	if c.parked != nil && !c.parked.over.Load() {
		return c.parkedReadable(int(fd))
	}
	for {
		n, err := syscall.Read(int(fd), c.in.Space())
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			c.in.Release()
			return false
		case err != nil:
			c.readErr = err
		case n == 0:
			c.readErr = io.EOF
		default:
			c.in.Advance(n)
			c.bytesRead.Add(uint64(n))
		}
		return true
	}
}

// parkedReadable looks after a socket whose client waits in line. Nothing is
// read: what is pipelined stays where it bounds itself.
func (c *conn) parkedReadable(fd int) bool {
	p := c.parked
	events := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}}
	if _, err := unix.Poll(events, 0); err != nil {
		return false // interrupted: whatever it was comes again
	}
	got := events[0].Revents
	switch {
	case got&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0:
		c.readErr = io.EOF
		return true
	case got&unix.POLLIN == 0:
		return false
	case p.byPolicy:
		return true // more input ends the wait
	}
	// Whoever ends the wait has to wake us now, unless it is over already.
	p.behind.Store(true)
	return p.over.Load()
}

// answerTaken reports whether a client that has gone had received all that was
// sent to it before. The segment with its FIN also acknowledges what had arrived;
// the rest it will never take. A reset says the same: a kernel sends one when
// the receiver closes with answers unread, or is not there.
func (c *conn) answerTaken() bool {
	if c.raw == nil {
		return true
	}
	c.readErr = nil
	taken := false
	_ = c.raw.Control(func(fd uintptr) {
		unsent, err := unix.IoctlGetInt(int(fd), unix.TIOCOUTQ)
		taken = err == nil && unsent == 0 && c.readable(fd) && c.readErr != syscall.ECONNRESET
	})
	return taken
}
