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

// A client of which nothing was heard since a grant has it withdrawn when the
// connection is reset within justGranted. A reset that comes later may be some
// middlebox tired of an idle connection, while the client works under its lock.
const justGranted = 5 * time.Second

// arrived reports, when the connection has ended, whether the client had received
// what was sent to it up to a grant. A kernel sends a reset when the receiver
// closes with answers unread, or is not there. After a FIN it answers what
// comes too late in the same way, but a client that has only stopped sending
// acknowledges it: that is waited for.
func (c *conn) arrived(granted time.Time) bool {
	if c.raw == nil || c.readErr == nil && c.writeErr == nil {
		return true
	}
	if reset(c.readErr) || reset(c.writeErr) {
		return time.Since(granted) > justGranted
	}
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		unsent, open := c.unacknowledged()
		if unsent == 0 || !open || time.Since(granted) > c.srv.config.UserTimeout {
			return unsent == 0
		}
		time.Sleep(pause)
	}
}

// unacknowledged is how many bytes the client's kernel has not confirmed, and
// whether it may still do so. When the socket is closed on our side it is 0.
func (c *conn) unacknowledged() (unsent int, open bool) {
	_ = c.raw.Control(func(fd uintptr) {
		unsent, _ = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ)
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		open = err != nil || info.State != unix.BPF_TCP_CLOSE
	})
	return unsent, open
}

// broken tells an error of the socket from its proper end and from what is done
// on our side.
func broken(err error) bool {
	_, fromKernel := err.(syscall.Errno)
	return fromKernel
}

func reset(err error) bool { return err == syscall.ECONNRESET || err == syscall.EPIPE }
