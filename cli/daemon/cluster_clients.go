package daemon

import (
	"net"
	"strconv"
)

// clientAddress is where clients reach this node, for "stats cluster": what --cluster-clients says,
// or else an address that it listens on. It is "" if there is only a Unix socket.
func (k *clusterConfig) clientAddress(listeners []listener) (address string) {
	if k.clients != "" {
		return k.clients
	}
	for _, l := range listeners {
		at, isTCP := l.Addr().(*net.TCPAddr)
		if !isTCP {
			continue
		}
		if !at.IP.IsLoopback() {
			return k.reachable(at)
		}
		if address == "" {
			address = at.String()
		}
	}
	return address
}

// reachable is an address as other machines know it: one that listens everywhere has the host that
// --cluster names.
func (k *clusterConfig) reachable(at *net.TCPAddr) string {
	host := at.IP.String()
	if at.IP.IsUnspecified() {
		host, _, _ = net.SplitHostPort(k.link())
	}
	return net.JoinHostPort(host, strconv.Itoa(at.Port))
}
