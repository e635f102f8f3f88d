package client

import (
	"net"
	"strings"
	"testing"
)

// newProxy starts a proxy. handle gets each connection with one to the target, and
// closes them.
func newProxy(t *testing.T, target string, handle func(near, far net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	is(t, "listen", err, nil)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial(networkOf(target), target)
			if err != nil {
				_ = near.Close()
				continue
			}
			go handle(near, far)
		}
	}()
	return l.Addr().String()
}

// networkOf is that of the address of a server, which may be a path.
func networkOf(addr string) string {
	if strings.HasPrefix(addr, "/") {
		return "unix"
	}
	return "tcp"
}
