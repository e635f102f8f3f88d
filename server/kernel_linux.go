package server

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bare takes the socket out of a connection, past the runtime's poller: a loop
// watches over it. fd is -1 if the connection is no bare socket.
func bare(nc net.Conn) (fd int, remote netip.AddrPort, err error) {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return -1, remote, nil
	}
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, remote, err
	}
	err = raw.Control(func(original uintptr) {
		fd, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	})
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		remote = a.AddrPort()
	}
	return fd, remote, err
}

// onDescriptor calls do with the descriptor of what has one that is open.
func onDescriptor(x any, do func(fd int)) {
	if sc, ok := x.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { do(int(fd)) })
		}
	}
}

// tune makes the kernel send small answers at once and notice peers that have
// vanished without a word. What a socket does not know it refuses.
func (s *Server) tune(fd int) {
	set := func(level, option, value int) { _ = unix.SetsockoptInt(fd, level, option, value) }
	seconds := func(d time.Duration) int { return max(1, int(d.Seconds())) }
	set(unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	set(unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	set(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds(s.config.KeepAlive))
	set(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, seconds(s.config.KeepAlive/3))
	set(unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3)
	set(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(s.config.UserTimeout.Milliseconds()))
}

// transfer reads or writes without telling the scheduler: on a socket that does
// not block there is nothing it could use the time for, and to leave and enter
// it costs as much as a small request does.
func transfer(call uintptr, fd int, b []byte) (n int, err error) {
	for {
		n, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

// maxTransfer bounds what is written by transfer at a time: copying more than
// that is worth the scheduler's attention.
const maxTransfer = 64 << 10

// send writes what there is room for.
func send(fd int, b []byte) (n int, err error) {
	if len(b) <= maxTransfer {
		return transfer(syscall.SYS_WRITE, fd, b)
	}
	n, err = unix.Write(fd, b)
	if err == unix.EINTR {
		err = nil
	}
	return max(n, 0), err
}

// pollNow returns which of the events there are. Like transfer it does not tell
// the scheduler.
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

// inFlight is how many bytes the client's kernel has not confirmed, and whether it
// may still do so. What has no socket is there at once.
func (c *conn) inFlight() (unsent int, open bool) {
	ask := func(fd int) {
		unsent, _ = unix.IoctlGetInt(fd, unix.TIOCOUTQ)
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		open = err != nil || info.State != unix.BPF_TCP_CLOSE
	}
	if c.sock != nil {
		ask(c.sock.fd)
	} else {
		onDescriptor(c.wire(), ask)
	}
	return unsent, open
}

// broken tells an error of the socket from its proper end and from what is done
// on our side.
func broken(err error) bool {
	_, fromKernel := errors.AsType[syscall.Errno](err)
	return fromKernel
}

func reset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// endedHere reports whether it is not for the client's sake that nothing more is
// read.
func endedHere(err error) bool {
	return err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed)
}
