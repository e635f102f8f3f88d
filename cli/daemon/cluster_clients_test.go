package daemon

import (
	"net"
	"testing"

	"github.com/lockcached/lockcached/cluster/engine"
)

// addressOnly is a listener of which only the address matters.
type addressOnly struct {
	net.Listener
	addr net.Addr
}

func (l addressOnly) Addr() net.Addr { return l.addr }

func TestClientAddress(t *testing.T) {
	for _, tt := range []struct {
		flag   string
		listen []string
		want   string
	}{
		{"lb:11211", []string{"10.0.0.1:1"}, "lb:11211"},
		{"", []string{"127.0.0.1:1"}, "127.0.0.1:1"},
		{"", []string{"127.0.0.1:1", "[::1]:1"}, "127.0.0.1:1"},
		{"", []string{"127.0.0.1:1", "10.0.0.1:2"}, "10.0.0.1:2"},
		{"", []string{"0.0.0.0:3"}, "node-a:3"},
		{"", []string{"[::]:3"}, "node-a:3"},
		{"", []string{"[fd00::1]:3"}, "[fd00::1]:3"},
		{"", []string{""}, ""},
	} {
		var listeners []listener
		for _, text := range tt.listen {
			var addr net.Addr = &net.UnixAddr{Name: "/run/socket"}
			if text != "" {
				addr, _ = net.ResolveTCPAddr("tcp", text)
			}
			listeners = append(listeners, listener{Listener: addressOnly{addr: addr}})
		}
		k := clusterConfig{clients: tt.flag, node: "a", nodes: []engine.Peer{{Name: "a", Address: "node-a:7001"}}}
		if got := k.clientAddress(listeners); got != tt.want {
			t.Errorf("--cluster-clients %q, listening on %q: %q, want %q", tt.flag, tt.listen, got, tt.want)
		}
	}
}
