package daemon_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lockcached/lockcached/cli"
	"github.com/lockcached/lockcached/cli/internal/clitest"
	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/internal/testenv"
)

// A lock is there again after a restart, with its statistics.
func TestServeKeepsLocks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	s := clitest.Start(t, "-p", "-1", "--data", dir, "--fsync", "always", "-v")
	if line := s.Logged("settings"); s.Serving["data"] != dir || line["fsync"] != "always" {
		t.Errorf("logged %v, %v", s.Serving, line)
	}
	if got := clitest.Ask(t, "tcp", s.Addrs[0], "add lock:job 0 60 1\r\na"); got != "STORED\r\n" {
		t.Fatalf("add: %q", got)
	}
	s.Stop(syscall.SIGTERM)
	if info, err := os.Stat(dir); err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("%s: %v, %v", dir, info.Mode(), err)
	}

	s = clitest.Start(t, "-p", "-1", "--data", dir)
	defer s.Stop(syscall.SIGTERM)
	if got := clitest.Ask(t, "tcp", s.Addrs[0], "add lock:job 0 60 1\r\nb"); got != "NOT_STORED\r\n" {
		t.Errorf("add after a restart: %q", got)
	}
	if got := clitest.Ask(t, "tcp", s.Addrs[0], "stats class lock"); got == "END\r\n" {
		t.Error("nothing is known of the class")
	}
	for _, line := range s.Pending {
		if line["message"] == "locks recovered" && line["locks"] == 1. {
			return
		}
	}
	t.Errorf("what was recovered is not logged: %v", s.Pending)
}

// One line says what is wrong with the directory, and the server does not serve.
func TestServeWithoutItsData(t *testing.T) {
	used := filepath.Join(t.TempDir(), "data")
	s := clitest.Start(t, "-p", "-1", "--data", used)
	defer s.Stop(syscall.SIGTERM)
	clitest.Ask(t, "tcp", s.Addrs[0], "add lock:job 0 60 1\r\na")

	corrupt := t.TempDir()
	if err := os.WriteFile(filepath.Join(corrupt, "journal-00000007"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(corrupt, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{used: "in use", corrupt: "journal-00000007", file: "not a directory"} {
		var stderr bytes.Buffer
		if code := cli.Run([]string{"lockcached", "-p", "-1", "--data", dir}, &stderr, &stderr, nil); code != exit.Failed {
			t.Errorf("%s: exit %d", dir, code)
		}
		got := stderr.String()
		if !strings.HasPrefix(got, "lockcached: --data "+dir+": ") || !strings.Contains(got, want) || strings.Count(got, "\n") != 1 {
			t.Errorf("got %s", got)
		}
	}
}

// While the server settles, and after a hold that expired, a lock is refused, and a
// client that asks learns why.
func TestServeClosedLocks(t *testing.T) {
	for _, tt := range []struct{ flags, why string }{
		{"--settle 1h", " settling_ms=3"},
		{"--lock-delay other=1s --lock-delay lock:*=1h", " delay_ms=3"},
	} {
		s := clitest.Start(t, append([]string{"-p", "-1"}, strings.Fields(tt.flags)...)...)
		clitest.Ask(t, "tcp", s.Addrs[0], "add lock:job 0 1 1\r\na")
		// Its second is over at some time, if it was granted.
		told := ""
		for deadline := time.Now().Add(testenv.Patience); !strings.Contains(told, tt.why) && time.Now().Before(deadline); {
			told = item(t, s.Addrs[0], "lockcached:lock:lock:job")
		}
		if !strings.Contains(told, tt.why) || !strings.Contains(told, "held=0 ") {
			t.Errorf("%s: %s", tt.flags, told)
		}
		if got := clitest.Ask(t, "tcp", s.Addrs[0], "add lock:job 0 1 1\r\nb"); got != "NOT_STORED\r\n" {
			t.Errorf("%s: add of the closed lock: %q", tt.flags, got)
		}
		s.Stop(syscall.SIGTERM)
	}
}

// item reads an item of one line.
func item(t *testing.T, addr, key string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "get %s\r\n", key)
	in := bufio.NewReader(conn)
	_, _ = in.ReadString('\n')
	line, err := in.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}
