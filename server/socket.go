package server

import (
	"io"
	"net"
	"syscall"
	"time"
	"unsafe"

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
	n, err := transfer(syscall.SYS_READ, fd, c.in.Space())
	switch {
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

// transfer reads or writes without telling the scheduler: on a socket that does
// not block there is nothing it could use the time for, and to leave and enter
// it costs as much as a small request does.
func transfer(call, fd uintptr, b []byte) (n int, err error) {
	for {
		n, _, errno := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

// pollNow returns which of the events there are. Like transfer it does not tell
// the scheduler, which would wake its monitor thread at every claim that queues.
func pollNow(fd int, events int16) int16 {
	poll := unix.PollFd{Fd: int32(fd), Events: events}
	for {
		var noTime unix.Timespec
		_, _, errno := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1,
			uintptr(unsafe.Pointer(&noTime)), 0, 0, 0)
		if errno != syscall.EINTR {
			return poll.Revents
		}
	}
}

// maxTransfer bounds what is written by transfer at a time: copying more than
// that is worth the scheduler's attention.
const maxTransfer = 64 << 10

// Write sends b. It is what replies are flushed to.
func (c *conn) Write(b []byte) (int, error) {
	if c.raw == nil || len(b) > maxTransfer {
		return c.nc.Write(b)
	}
	c.unsent, c.writeErr = b, nil
	err := c.raw.Write(c.writable)
	if err == nil {
		err = c.writeErr
	}
	return len(b) - len(c.unsent), err
}

// writeSome is called by RawConn.Write when there may be room in the socket. It
// reports whether all is done.
func (c *conn) writeSome(fd uintptr) bool {
	n, err := transfer(syscall.SYS_WRITE, fd, c.unsent)
	c.unsent = c.unsent[n:]
	if err == syscall.EAGAIN {
		return false
	}
	c.writeErr = err
	return err != nil || len(c.unsent) == 0
}

// parkedReadable looks after a socket whose client waits in line. Nothing is
// read: what is pipelined stays where it bounds itself.
func (c *conn) parkedReadable(fd int) bool {
	p := c.parked
	got := pollNow(fd, unix.POLLIN|unix.POLLRDHUP)
	switch {
	case got&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0:
		c.readErr = io.EOF
		return true
	case got&unix.POLLIN == 0:
		return false
	case p.byPolicy:
		return true // more input ends the wait
	}
	// A client that is quick answers to its grant before the granter's goroutine
	// is back from writing it. That one is waited for; to be woken by it through
	// a deadline, as is needed while the wait goes on, costs far more.
	if !p.telling.Load() {
		p.behind.Store(true)
	}
	return p.telling.Load()
}

// answerTaken reports whether a client that has gone had received all that was
// sent to it before. The segment with its FIN also acknowledges what had arrived;
// the rest it will never take. A reset says the same: a kernel sends one when
// the receiver closes with answers unread, or is not there.
func (c *conn) answerTaken() bool {
	if c.raw == nil {
		return true
	}
	if broken(c.readErr) {
		return false // a socket says so only once
	}
	c.readErr = nil
	taken := false
	_ = c.raw.Control(func(fd uintptr) {
		unsent, err := unix.IoctlGetInt(int(fd), unix.TIOCOUTQ)
		taken = err == nil && unsent == 0 && c.readable(fd) && !broken(c.readErr)
	})
	return taken
}

// broken tells an error of the socket, such as a reset, from its proper end and
// from what is done on our side.
func broken(err error) bool {
	_, fromKernel := err.(syscall.Errno)
	return fromKernel
}
