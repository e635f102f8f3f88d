//go:build !linux

package server

import (
	"net"

	"golang.org/x/sys/unix"
)

// Where there is no epoll every connection is a stream, with a goroutine of its own.

// loop is never started.
type loop struct{}

func (*loop) stop() {}

func (*Server) welcomeSocket(net.Conn, net.Listener) (served bool, err error) { return false, nil }

// tune makes the kernel send small answers at once and notice peers that have vanished
// without a word, as far as all systems can be told in the same way.
func (s *Server) tune(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
}

// unconfirmed does not know: a grant counts as arrived unless the connection is reset,
// and the end of the server waits for nobody's kernel.
func unconfirmed(int) (unsent int, open bool) { return 0, false }

// fionread asks how many bytes can be read, on all systems that descend from BSD.
const fionread = 0x4004667f

// unreadBytes is how many bytes have arrived and are not read yet.
func unreadBytes(fd int) int {
	n, _ := unix.IoctlGetInt(fd, fionread)
	return n
}
