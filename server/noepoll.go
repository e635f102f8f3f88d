//go:build !linux

package server

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// Without epoll every connection is a stream, with a goroutine of its own.

// loop is never started.
type loop struct{}

func (*loop) stop() {}

// aios are never lent to anybody: see loop.
type aios struct{}

func (*aios) refuse(error)   {}
func (*aios) refusal() error { return errors.New("this system has none") }
func (*aios) close()         {}

func (*Server) welcomeSocket(net.Conn, *acceptor) (served bool, err error) { return false, nil }

// tune makes the kernel send small answers at once and notice peers that have vanished
// without closing. It sets only the options that all systems share.
func (s *Server) tune(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
}

// unconfirmed does not know, and returns 0. So a grant counts as arrived unless the
// connection is reset, and a shutdown does not wait until clients have their answers.
func unconfirmed(int) (unsent int, open bool) { return 0, false }

// fionread is the ioctl that returns how many bytes can be read, on all systems derived
// from BSD.
const fionread = 0x4004667f

// unreadBytes is how many bytes have arrived but have not been read.
func unreadBytes(fd int) int {
	n, _ := unix.IoctlGetInt(fd, fionread)
	return n
}
