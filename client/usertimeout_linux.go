package client

import (
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT, which package syscall does not have; see tcp(7).
const tcpUserTimeout = 0x12

// setUserTimeout bounds for how long what was sent may go without an acknowledgement.
func setUserTimeout(conn syscall.RawConn, d time.Duration) (err error) {
	failed := conn.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(d.Milliseconds()))
	})
	if failed != nil {
		return failed
	}
	return err
}
