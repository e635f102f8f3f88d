package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lockcached/lockcached/internal/testenv"
)

// RunMemcached starts a memcached on a free loopback port, kills it when the test ends,
// and returns its address. The environment is added to that of the test.
func RunMemcached(t *testing.T, environment []string, flags ...string) string {
	t.Helper()
	portFile := filepath.Join(t.TempDir(), "port")
	args := []string{"-l", "127.0.0.1", "-p", "-1", "-U", "0", "-t", "1"}
	if os.Geteuid() == 0 {
		args = append(args, "-u", "root") // it will not run as root unless told
	}
	memcached := exec.Command(testenv.Memcached(t), slices.Concat(args, flags)...)
	memcached.Env = slices.Concat(os.Environ(), environment, []string{portFilename + "=" + portFile})
	memcached.Stderr = os.Stderr
	if err := memcached.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = memcached.Process.Kill() // a test may have shut it down
		_ = memcached.Wait()
	})
	return fmt.Sprintf("127.0.0.1:%d", ReadPorts(t, portFile)[0])
}
