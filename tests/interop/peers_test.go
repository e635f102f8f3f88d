package interop_test

import (
	"net"
	"os/exec"
	"testing"

	"github.com/lockcached/lockcached/internal/testenv"
)

// TestPeers lets programs that were written for memcached talk to lockcached.
func TestPeers(t *testing.T) {
	peers := []struct {
		name    string
		command func(t *testing.T, host, port string) *exec.Cmd
	}{
		{"memccapable", func(t *testing.T, host, port string) *exec.Cmd {
			return exec.Command("memccapable", "-h", host, "-p", port, "-a", "-v")
		}},
		{"pymemcache", func(t *testing.T, host, port string) *exec.Cmd {
			return exec.Command(testenv.PythonWith(t, "pymemcache"), "testdata/interop/client.py", host, port)
		}},
		{"php-memcached", func(t *testing.T, host, port string) *exec.Cmd {
			testenv.PHPWithMemcached(t)
			return exec.Command("php", "testdata/interop/client.php", host, port)
		}},
	}
	for _, peer := range peers {
		t.Run(peer.name, func(t *testing.T) {
			t.Parallel()
			host, port, _ := net.SplitHostPort(runServer(t))
			cmd := peer.command(t, host, port)
			if cmd.Err != nil {
				testenv.Missing(t, cmd.Err)
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
