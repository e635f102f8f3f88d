package server

import (
	"net"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bare takes the socket out of a connection, and so away from the runtime's poller: a loop
// will watch it. fd is -1 if the connection is not a bare socket.
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

// tune makes the kernel send small answers at once and notice peers that have vanished
// without closing. Sockets refuse the options that they do not know.
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

// acknowledge tells the client's kernel at once that all has arrived, which costs a packet.
// Otherwise this kernel would wait for an answer to send along, for 40 ms, and the client's
// (Nagle's algorithm) for the acknowledgement, before it sends a request that ends a wait.
func acknowledge(fd int) {
	const once = 2 // an odd number is for later requests, too
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, once)
}

// transfer reads or writes without telling the scheduler. On a socket that does not block
// the scheduler could not use the time, and leaving and entering it costs as much as a
// small request.
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

// maxTransfer bounds, in bytes, what transfer writes in one call. The scheduler should know
// of a larger copy.
const maxTransfer = 64 << 10

// send writes as much of b as there is room for.
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

// pollNow returns the events of the given ones that are present, and errors. Like transfer,
// it does not tell the scheduler.
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

// unconfirmed returns how many bytes the peer's kernel has not acknowledged, and whether it
// may still do so.
func unconfirmed(fd int) (unsent int, open bool) {
	unsent, _ = unix.IoctlGetInt(fd, unix.TIOCOUTQ)
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return unsent, err != nil || info.State != unix.BPF_TCP_CLOSE
}

// unreadBytes is how many bytes have arrived but have not been read.
func unreadBytes(fd int) int {
	n, _ := unix.IoctlGetInt(fd, unix.TIOCINQ)
	return n
}
