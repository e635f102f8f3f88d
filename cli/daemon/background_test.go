package daemon_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockcached/lockcached/cli/internal/clitest"
	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/internal/testenv"
)

// TestDaemon starts servers in the background.
func TestDaemon(t *testing.T) {
	dir := t.TempDir()
	pidFile := filepath.Join(dir, "pid")
	background := func(args ...string) clitest.Result {
		return clitest.Finish(t, clitest.Program(append([]string{"-d"}, args...)...)) // a server that kept the pipes would keep them open
	}
	socket := filepath.Join(dir, "socket")
	if got := background("-s", socket, "-P", pidFile); got != (clitest.Result{}) {
		t.Fatalf("%+v", got)
	}
	if got := clitest.Ask(t, "unix", socket, "version"); !strings.HasPrefix(got, "VERSION ") {
		t.Errorf("%q", got)
	}
	if got := background("-s", socket); got.Code != exit.Failed || !strings.HasPrefix(got.Stderr, "lockcached: cannot listen on -s") {
		t.Errorf("a second one: %+v", got)
	}
	if got := background("-p", "80000"); got.Code != exit.Refused || !strings.HasPrefix(got.Stderr, "lockcached: -p 80000: ") {
		t.Errorf("a wrong flag: %+v", got)
	}
	if got := background("-l", "192.0.2.1"); got.Code != exit.Refused || !strings.HasPrefix(got.Stderr, "lockcached: -l 192.0.2.1: ") {
		t.Errorf("an address of another machine: %+v", got)
	}
	stopDaemon(t, pidFile, socket)
}

// stopDaemon ends a server, and waits for that.
func stopDaemon(t *testing.T, pidFile, socket string) {
	t.Helper()
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("kill", strings.TrimSpace(string(text))).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	testenv.Eventually(t, "the socket is removed", func() bool {
		_, err := os.Stat(socket)
		return os.IsNotExist(err)
	})
}
