package daemon_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/lockcached/lockcached/cli"
	"github.com/lockcached/lockcached/cli/internal/clitest"
	"github.com/lockcached/lockcached/cli/internal/exit"
)

func TestServe(t *testing.T) {
	ports := filepath.Join(t.TempDir(), "ports")
	pid := filepath.Join(t.TempDir(), "pid")
	t.Setenv("MEMCACHED_PORT_FILENAME", ports)
	s := clitest.Start(t, "-p", "-1", "-P", pid)
	if got := clitest.Ask(t, "tcp", s.Addrs[0], "version"); got != "VERSION 1.6.45\r\n" {
		t.Errorf("%q", got)
	}
	_, port, _ := net.SplitHostPort(s.Addrs[0])
	if got, _ := os.ReadFile(ports); string(got) != "TCP INET: "+port+"\n" {
		t.Errorf("ports file %q, address %s", got, s.Addrs[0])
	}
	if got, _ := os.ReadFile(pid); string(got) != fmt.Sprintf("%d\n", os.Getpid()) {
		t.Errorf("pid file %q", got)
	}
	s.Signals <- syscall.SIGHUP
	s.Logged("nothing to reload")
	s.Stop(syscall.SIGTERM)
	if _, err := net.Dial("tcp", s.Addrs[0]); err == nil {
		t.Error("still accepts")
	}
	if _, err := os.Stat(pid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("pid file: %v", err)
	}
}

func TestServeStops(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGUSR1} {
		clitest.Start(t, "-p-1").Stop(sig)
	}
}

// TestServeStopsWithRequestsUnfinished has a client that does not take its
// answers, which only the end of --drain or a second signal can end.
func TestServeStopsWithRequestsUnfinished(t *testing.T) {
	tests := []struct {
		drain   string
		signals []os.Signal
	}{
		{"50ms", []os.Signal{syscall.SIGTERM}},
		{"10m", []os.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT}},
	}
	for _, tt := range tests {
		s := clitest.Start(t, "-p-1", "--drain", tt.drain)
		conn, err := net.Dial("tcp", s.Addrs[0])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		value := strings.Repeat("x", 1_000_000)
		fmt.Fprintf(conn, "set k 0 0 %d noreply\r\n%s\r\n%s", len(value), value, strings.Repeat("get k\r\n", 50))
		if _, err := conn.Read(make([]byte, 1)); err != nil { // the answers have begun
			t.Fatal(err)
		}
		for _, sig := range tt.signals {
			s.Signals <- sig
		}
		s.Logged("stopped with requests unfinished")
		s.Exits(0)
	}
}

func TestServeShutdownCommand(t *testing.T) {
	s := clitest.Start(t, "-p-1")
	if got := clitest.Ask(t, "tcp", s.Addrs[0], "shutdown"); !strings.Contains(got, "shutdown not enabled") {
		t.Errorf("%q", got)
	}
	s.Stop(syscall.SIGTERM)
	for _, line := range []string{"shutdown", "shutdown graceful"} {
		s := clitest.Start(t, "-p-1", "-A")
		conn, err := net.Dial("tcp", s.Addrs[0])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "%s\r\n", line)
		s.Exits(0)
	}
}

func TestServeUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	t.Setenv("MEMCACHED_PORT_FILENAME", filepath.Join(t.TempDir(), "ports"))
	s := clitest.Start(t, "-s", path)
	if got := clitest.Ask(t, "unix", path, "version"); !strings.HasPrefix(got, "VERSION ") {
		t.Errorf("%q", got)
	}
	s.Stop(syscall.SIGTERM)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("socket: %v", err)
	}
}

// TestServeNowhere: memcached's own tests start a server that listens nowhere.
func TestServeNowhere(t *testing.T) {
	ports := filepath.Join(t.TempDir(), "ports")
	t.Setenv("MEMCACHED_PORT_FILENAME", ports)
	s := clitest.Start(t, "-p", "0")
	if got, err := os.ReadFile(ports); err != nil || len(got) > 0 {
		t.Errorf("ports file %q, %v", got, err)
	}
	s.Stop(syscall.SIGTERM)
}

func TestServeSaysWhatItIgnores(t *testing.T) {
	s := clitest.StartAs(t, "/usr/bin/memcached", "-p-1", "-n", "96", "-o", "modern,relaxed_privileges", "logfile", "/var/log/memcached.log")
	s.Stop(syscall.SIGTERM)
	var said []string
	for _, line := range s.Pending {
		if line["level"] != "warn" {
			t.Errorf("%v", line)
		}
		if list, ok := line["ignored"]; ok {
			said = append(said, fmt.Sprint(list))
		}
	}
	want := "[-o modern -o relaxed_privileges -n 96 logfile /var/log/memcached.log]"
	if len(said) != 1 || said[0] != want {
		t.Errorf("got  %q\nwant one line with %s", said, want)
	}
}

func TestServePortInUse(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var stdout, stderr bytes.Buffer
	_, port, _ := net.SplitHostPort(l.Addr().String())
	code := cli.Run([]string{"lockcached", "-p", port}, &stdout, &stderr, nil)
	want := "lockcached: cannot listen on -l 127.0.0.1: 127.0.0.1:" + port + ": address already in use" +
		"; another process listens there: stop it, or choose another port with -p\n"
	if code != exit.Failed || stderr.String() != want {
		t.Errorf("exit %d, %q, want %q", code, &stderr, want)
	}
}

// TestProcess starts the program as a process; if the test runs as root, as another user.
func TestProcess(t *testing.T) {
	dir := t.TempDir()
	args := []string{"-s", filepath.Join(dir, "socket"), "-P", filepath.Join(dir, "pid"), "-c", "100"}
	uid := os.Getuid()
	if nobody, err := user.Lookup("nobody"); uid == 0 && err == nil {
		args = append(args, "-u", "nobody")
		fmt.Sscan(nobody.Uid, &uid)
		for d := dir; d != os.TempDir() && len(d) > 1; d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o777); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := clitest.Program(args...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.Contains(lines.Text(), `"message":"serving"`) {
	}
	info, err := os.Stat(filepath.Join(dir, "socket"))
	if err != nil || int(info.Sys().(*syscall.Stat_t).Uid) != uid {
		t.Errorf("the socket of user %d: %v, %v", uid, info, err)
	}
	if pid, _ := os.ReadFile(filepath.Join(dir, "pid")); string(pid) != fmt.Sprintf("%d\n", cmd.Process.Pid) {
		t.Errorf("pid file %q, process %d", pid, cmd.Process.Pid)
	}
	stderr.Close() // from now on its log is a broken pipe
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGTERM} {
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

// On a terminal the line that says that the server serves is for people to read.
func TestServingOnATerminal(t *testing.T) {
	for _, tt := range []struct{ listen, want string }{
		{"127.0.0.1:0", `INF serving listen=127\.0\.0\.1:\d+ pid=\d+ version=\S+\n`},
		{"127.0.0.1:0,127.0.0.2:0", `INF serving listen=127\.0\.0\.1:\d+,127\.0\.0\.2:\d+ pid=\d+ version=\S+\n`},
	} {
		var stderr bytes.Buffer
		signals := make(chan os.Signal, 1)
		signals <- syscall.SIGTERM
		code := cli.Run([]string{"lockcached", "-l", tt.listen, "--log-format", "console"}, io.Discard, &stderr, signals)
		if code != 0 || !regexp.MustCompile(tt.want).MatchString(stderr.String()) {
			t.Errorf("exit %d, %s", code, &stderr)
		}
	}
}
