package transcripts_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/testenv"
)

// longestIdle is the longest pause that a test waits for in real time.
const longestIdle = 2200 * time.Millisecond

// TestTranscriptsAgainstMemcached plays the transcripts of memcached's own behaviour
// against a real one: $LOCKCACHED_MEMCACHED, or the memcached in $PATH. With -update it
// rewrites those that memcached answers differently.
func TestTranscriptsAgainstMemcached(t *testing.T) {
	binary := findMemcached(t)
	running := memcachedVersion(t, binary)
	for _, script := range readTranscripts(t) {
		if script.only {
			continue
		}
		t.Run(script.name(), func(t *testing.T) {
			t.Parallel()
			switch {
			case !script.toldBy(running):
				t.Skip("this memcached answers otherwise")
			case script.longestPause() > longestIdle && !*update:
				t.Skipf("takes %v of real time", script.longestPause())
			}
			p := newPlayer(startMemcached(t, binary, script.flags))
			defer p.hangUpAll()
			if *update {
				p.rewrite(t, script)
				return
			}
			p.play(t, script)
			p.expectNothingMore(t)
		})
	}
}

// findMemcached names the memcached to play against.
func findMemcached(t *testing.T) string {
	t.Helper()
	binary := testenv.Memcached(t)
	return binary
}

func memcachedVersion(t *testing.T, binary string) version {
	t.Helper()
	out, err := exec.Command(binary, "-V").Output()
	if err != nil {
		t.Fatal(err)
	}
	v, err := parseVersion(strings.TrimPrefix(strings.TrimSpace(string(out)), "memcached "))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// startMemcached starts a memcached on a free loopback port, to be killed when
// the test ends.
func startMemcached(t *testing.T, binary string, flags []string) peer {
	t.Helper()
	portFile := filepath.Join(t.TempDir(), "port")
	args := []string{"-l", "127.0.0.1", "-p", "-1", "-U", "0", "-t", "1"}
	if os.Getuid() == 0 {
		args = append(args, "-u", "root")
	}
	memcached := exec.Command(binary, slices.Concat(args, flags)...)
	memcached.Env = append(os.Environ(), "MEMCACHED_PORT_FILENAME="+portFile)
	memcached.Stderr = os.Stderr
	if err := memcached.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = memcached.Process.Kill() // shutdown may have ended it
		_ = memcached.Wait()
	})
	address := fmt.Sprintf("127.0.0.1:%d", harness.ReadPorts(t, portFile)[0])
	return peer{
		dial:     func() (net.Conn, error) { return net.Dial("tcp", address) },
		settle:   func() {},
		patience: 5 * time.Second,
		hush:     50 * time.Millisecond,
	}
}
