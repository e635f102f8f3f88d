package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/internal/testenv"
)

// An instance is a server that runs in the test.
type instance struct {
	t       *testing.T
	signals chan os.Signal
	log     chan map[string]any // what it logs, line by line
	exit    chan int
	addrs   []string
	serving map[string]any   // the line that says so
	pending []map[string]any // lines before the one that says it serves
}

// start runs the command line until it serves.
func start(t *testing.T, args ...string) *instance {
	t.Helper()
	return startAs(t, "lockcached", args...)
}

// startAs is start for a program that was started under another name.
func startAs(t *testing.T, name string, args ...string) *instance {
	t.Helper()
	r, w := io.Pipe()
	s := &instance{t: t, signals: make(chan os.Signal, 3), log: make(chan map[string]any, 100), exit: make(chan int, 1)}
	go s.readLog(r)
	go func() {
		s.exit <- run(append([]string{name}, args...), io.Discard, w, s.signals)
		w.Close()
	}()
	s.serving = s.logged("serving")
	for _, addr := range s.serving["listen"].([]any) {
		s.addrs = append(s.addrs, addr.(string))
	}
	return s
}

func (s *instance) readLog(r io.Reader) {
	defer close(s.log)
	for lines := bufio.NewScanner(r); lines.Scan(); {
		line := make(map[string]any)
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			line["message"] = lines.Text()
		}
		s.log <- line
	}
}

// logged waits for the line with that message.
func (s *instance) logged(want string) map[string]any {
	s.t.Helper()
	for line := range s.log {
		if line["message"] == want {
			return line
		}
		s.pending = append(s.pending, line)
	}
	s.t.Fatalf("%q was never logged, but %v", want, s.pending)
	return nil
}

// stop sends a signal and wants a clean exit.
func (s *instance) stop(sig os.Signal) {
	s.t.Helper()
	s.signals <- sig
	s.exits(0)
}

func (s *instance) exits(want int) {
	s.t.Helper()
	select {
	case code := <-s.exit:
		if code != want {
			s.t.Errorf("exit %d, want %d", code, want)
		}
	case <-time.After(testenv.Patience):
		s.t.Fatal("does not stop")
	}
}

// ask sends a line and returns the first line of the answer.
func ask(t *testing.T, network, addr, line string) string {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s\r\n", line)
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Errorf("%s: %v", line, err)
	}
	return answer
}

func TestServe(t *testing.T) {
	ports := filepath.Join(t.TempDir(), "ports")
	pid := filepath.Join(t.TempDir(), "pid")
	t.Setenv("MEMCACHED_PORT_FILENAME", ports)
	s := start(t, "-p", "-1", "-P", pid)
	if got := ask(t, "tcp", s.addrs[0], "version"); got != "VERSION 1.6.45\r\n" {
		t.Errorf("%q", got)
	}
	_, port, _ := net.SplitHostPort(s.addrs[0])
	if got, _ := os.ReadFile(ports); string(got) != "TCP INET: "+port+"\n" {
		t.Errorf("ports file %q, address %s", got, s.addrs[0])
	}
	if got, _ := os.ReadFile(pid); string(got) != fmt.Sprintf("%d\n", os.Getpid()) {
		t.Errorf("pid file %q", got)
	}
	s.signals <- syscall.SIGHUP
	s.logged("nothing to reload")
	s.stop(syscall.SIGTERM)
	if _, err := net.Dial("tcp", s.addrs[0]); err == nil {
		t.Error("still accepts")
	}
	if _, err := os.Stat(pid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("pid file: %v", err)
	}
}

func TestServeStops(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGUSR1} {
		start(t, "-p-1").stop(sig)
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
		s := start(t, "-p-1", "--drain", tt.drain)
		conn, err := net.Dial("tcp", s.addrs[0])
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
			s.signals <- sig
		}
		s.logged("stopped with requests unfinished")
		s.exits(0)
	}
}

func TestServeShutdownCommand(t *testing.T) {
	s := start(t, "-p-1")
	if got := ask(t, "tcp", s.addrs[0], "shutdown"); !strings.Contains(got, "shutdown not enabled") {
		t.Errorf("%q", got)
	}
	s.stop(syscall.SIGTERM)
	for _, line := range []string{"shutdown", "shutdown graceful"} {
		s := start(t, "-p-1", "-A")
		conn, err := net.Dial("tcp", s.addrs[0])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "%s\r\n", line)
		s.exits(0)
	}
}

func TestServeUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	t.Setenv("MEMCACHED_PORT_FILENAME", filepath.Join(t.TempDir(), "ports"))
	s := start(t, "-s", path)
	if got := ask(t, "unix", path, "version"); !strings.HasPrefix(got, "VERSION ") {
		t.Errorf("%q", got)
	}
	s.stop(syscall.SIGTERM)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("socket: %v", err)
	}
}

// TestServeNowhere: memcached's own tests start a server that listens nowhere.
func TestServeNowhere(t *testing.T) {
	ports := filepath.Join(t.TempDir(), "ports")
	t.Setenv("MEMCACHED_PORT_FILENAME", ports)
	s := start(t, "-p", "0")
	if got, err := os.ReadFile(ports); err != nil || len(got) > 0 {
		t.Errorf("ports file %q, %v", got, err)
	}
	s.stop(syscall.SIGTERM)
}

func TestServeSaysWhatItIgnores(t *testing.T) {
	s := startAs(t, "/usr/bin/memcached", "-p-1", "-n", "96", "-o", "modern,relaxed_privileges", "logfile", "/var/log/memcached.log")
	s.stop(syscall.SIGTERM)
	var said []string
	for _, line := range s.pending {
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
	code := run([]string{"lockcached", "-p", port}, &stdout, &stderr, nil)
	want := "lockcached: cannot listen on -l 127.0.0.1: 127.0.0.1:" + port + ": address already in use" +
		"; another process listens there: stop it, or choose another port with -p\n"
	if code != exitFailed || stderr.String() != want {
		t.Errorf("exit %d, %q, want %q", code, &stderr, want)
	}
}

// TestProcess starts the program as a process, as root as another user.
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
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "CLI_TEST_AS_PROGRAM=1")
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

func TestPIDFileInNoDirectory(t *testing.T) {
	var b bytes.Buffer
	remove := writePID(filepath.Join(t.TempDir(), "no", "pid"), zerolog.New(&b))
	remove()
	if strings.Count(b.String(), "cannot write the pid file") != 1 || strings.Count(b.String(), "\n") != 1 {
		t.Errorf("%q", &b)
	}
}

func TestPIDFileOfALivingServer(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(name, fmt.Appendln(nil, os.Getppid()), 0o600); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	writePID(name, zerolog.New(&b))()
	if !strings.Contains(b.String(), "names a process that runs") {
		t.Errorf("%q", &b)
	}
}
