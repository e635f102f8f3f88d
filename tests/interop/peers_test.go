package interop_test

import (
	"net"
	"testing"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/testenv"
)

// peers are programs that play the commands of a client. They are told the host, the port
// and the name of the server: of lockcached they want more than memcached can do.
var peers = []struct {
	name    string
	program program
}{
	{"pymemcache", python("client.py", "pymemcache")},
	{"php-memcached, text", php("client.php", "text")},
	{"php-memcached, binary", php("client.php", "binary")},
	{"Dalli", ruby("dalli.rb", "dalli")},
	{"Rails", ruby("rails.rb", "dalli", "active_support")},
	{"python-binary-memcached", python("bmemcached_client.py", "bmemcached")},
	{"pylibmc", python("pylibmc_client.py", "pylibmc")},
	{"memjs", node("memjs/client.js", "memjs")},
	{"spymemcached", java("Spymemcached.java", "spymemcached.jar")},
	{"rainycape", goClient("rainycape")},
	{"gomemcached", goClient("gomemcached")},
}

func TestPeers(t *testing.T) {
	t.Parallel()
	for _, peer := range peers {
		t.Run(peer.name, func(t *testing.T) {
			t.Parallel()
			line := peer.program(t)
			onBoth(t, func(t *testing.T, address, server string) {
				host, port, _ := net.SplitHostPort(address)
				run(t, line, host, port, server)
			}, "--wait", "wait:*=5m")
		})
	}
}

// TestMemccapable runs the tests of libmemcached, which was written to judge servers.
func TestMemccapable(t *testing.T) {
	t.Parallel()
	line := []string{testenv.Program(t, "memccapable"), "-v", "-t", "300"}
	for name, protocol := range map[string]string{"text": "-a", "binary": "-b"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, address, _ string) {
				host, port, _ := net.SplitHostPort(address)
				run(t, line, "-h", host, "-p", port, protocol)
			})
		})
	}
}

// onBoth runs a test against memcached, which proves that what the test expects is right,
// and against lockcached with these flags.
func onBoth(t *testing.T, test func(t *testing.T, address, server string), flags ...string) {
	t.Run("memcached", func(t *testing.T) {
		t.Parallel()
		test(t, harness.RunMemcached(t, nil), "memcached")
	})
	t.Run("lockcached", func(t *testing.T) {
		t.Parallel()
		test(t, runServer(t, flags...), "lockcached")
	})
}
