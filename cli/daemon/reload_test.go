package daemon_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/lockcached/lockcached/cli/internal/clitest"
	"github.com/lockcached/lockcached/internal/testcert"
)

// A served is a server with a file that the test rewrites.
type served struct {
	*clitest.Server
	t    *testing.T
	path string
}

func serveFile(t *testing.T, text string, args ...string) *served {
	t.Helper()
	s := &served{t: t, path: filepath.Join(t.TempDir(), "c.toml")}
	s.write(text)
	s.Server = clitest.Start(t, append([]string{"--config", s.path}, args...)...)
	return s
}

// write replaces the file at once: the server never sees a part.
func (s *served) write(text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path+".new", []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(s.path+".new", s.path); err != nil {
		s.t.Fatal(err)
	}
}

// reload rewrites the file, and waits for the line with that message.
func (s *served) reload(text, message string) map[string]any {
	s.t.Helper()
	s.write(text)
	s.Signals <- syscall.SIGHUP
	return s.Logged(message)
}

// setting is a line of "stats settings".
func (s *served) setting(name string) string {
	s.t.Helper()
	return s.stat("settings", name)
}

// stat is a line of an answer to stats.
func (s *served) stat(about, name string) string {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.Addrs[0])
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "stats %s\r\nquit\r\n", about)
	all, err := io.ReadAll(conn)
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(all), "STAT "+name+" ")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

func (s *served) wantSettings(want map[string]string) {
	s.t.Helper()
	for name, value := range want {
		if got := s.setting(name); got != value {
			s.t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
}

const (
	reloaded    = "configuration reloaded"
	notReloaded = "the configuration cannot be reloaded, all stays as it was"
)

func TestReload(t *testing.T) {
	s := serveFile(t, "port = -1\nconn-limit = 10", "--max-wait", "30s")
	defer s.Stop(syscall.SIGTERM)
	s.wantSettings(map[string]string{"wait": "none", "last_reload": "0", "reloads": "0", "config_file": s.path})
	alice, bob := clitest.Dial(t, s.Addrs[0]), clitest.Dial(t, s.Addrs[0])
	alice.Add("k", "alice")
	if got := bob.Add("k", "bob"); got != "NOT_STORED" {
		t.Errorf("without a policy: %s", got)
	}

	s.write("port = 5\nconn-limit = 7\nmax-wait = '1s'\nmemory-limit = 32\nthreads = 1\n[wait]\n'k' = '29s'")
	s.Signals <- syscall.SIGHUP
	if got := fmt.Sprint(s.Logged("cannot change while the server runs: restart it to apply them")["flags"]); got != "[port: -1 -> 5 threads: default -> 1]" {
		t.Error(got)
	}
	if got := fmt.Sprint(s.Logged(reloaded)["changed"]); got != "[memory-limit: 64 -> 32 conn-limit: 10 -> 7 wait: none -> k=29s]" {
		t.Error(got)
	}
	s.wantSettings(map[string]string{"wait": "k=29s", "max_wait": "30s", "maxconns": "7", "maxbytes": "33554432", "reloads": "1", "reload_errors": "0"})
	if got := s.setting("last_reload"); len(got) < 10 {
		t.Errorf("last reload: %s", got)
	}
	granted := make(chan string)
	go func() { granted <- bob.Add("k", "bob") }()
	for s.stat("lock k", "queued") != "1" {
		runtime.Gosched()
	}
	if got := alice.Send("delete k"); got != "DELETED" {
		t.Errorf("the lock from before: %s", got)
	}
	if got := <-granted; got != "STORED" {
		t.Errorf("with the policy: %s", got)
	}

	s.reload("port = -1\nconn-limit = 1\nwait = 'k'", notReloaded)
	s.wantSettings(map[string]string{"wait": "k=29s", "maxconns": "7", "reloads": "1", "reload_errors": "1"})
	if got := fmt.Sprint(s.reload("port = -1\nlog-level = 'error'", reloaded)["changed"]); !strings.HasSuffix(got, "log-level: info -> error]") {
		t.Error(got)
	}
	if got := fmt.Sprint(s.reload("port = -1\nlog-level = 'info'", reloaded)["changed"]); got != "[log-level: error -> info]" {
		t.Error(got)
	}
	s.wantSettings(map[string]string{"wait": "none", "maxconns": "1024", "reloads": "3"})
	if err := os.Remove(s.path); err != nil {
		t.Fatal(err)
	}
	s.Signals <- syscall.SIGHUP
	s.Logged(notReloaded)
}

// TestReloadFills: policies for values that clients compute come, and go while a get is held.
func TestReloadFills(t *testing.T) {
	s := serveFile(t, "port = -1")
	defer s.Stop(syscall.SIGTERM)
	filler, reader := clitest.Dial(t, s.Addrs[0]), clitest.Dial(t, s.Addrs[0])
	line := s.reload("port = -1\ncoalesce = 'page:*=59s'\nstale = 'page:*=2s'\nearly = 'page:*=1.5'\nguard-release = 'lock:*'", reloaded)
	if got := fmt.Sprint(line["changed"]); got != "[guard-release: none -> lock:* coalesce: none -> page:*=59s stale: none -> page:*=2s early: none -> page:*=1.5]" {
		t.Error(got)
	}
	s.wantSettings(map[string]string{"coalesce": "page:*=59s", "stale": "page:*=2s", "early": "page:*=1.5", "guard_release": "lock:*"})
	if got := filler.Send("get page:1"); got != "END" {
		t.Error(got)
	}
	answer := make(chan string)
	go func() { answer <- reader.Send("get page:1") }()
	for s.stat("fills", "held_gets") != "1" {
		runtime.Gosched()
	}
	s.reload("port = -1\ncoalesce = [\"a\\nEND\\r\\n*=1s\"]", reloaded)
	if got := s.setting("coalesce"); !strings.HasPrefix(got, "a") || !strings.HasSuffix(got, "*=1s") {
		t.Errorf("a line break is shown as %q", got)
	}
	s.reload("port = -1", reloaded)
	s.wantSettings(map[string]string{"coalesce": "none", "stale": "none", "early": "none", "guard_release": "none"})
	if got := filler.Send("get page:1"); got != "END" {
		t.Error(got)
	}
	filler.Send("set page:1 0 60 1\r\nx")
	if got := <-answer; got != "VALUE page:1 0 1\r\nx\r\nEND" {
		t.Errorf("the held get is told %q", got)
	}
}

// TestReloadSecrets: other files may be named, but a server with no passwords gets none by a reload.
func TestReloadSecrets(t *testing.T) {
	ca := testcert.NewAuthority(t)
	cert, key := ca.Issue("first")
	cert2, key2 := ca.Issue("second")
	first, second := clitest.SecretFile(t, "alice:hidden1\n"), clitest.SecretFile(t, "bob:hidden2\n")
	file := func(cert, key, passwords string) string {
		return fmt.Sprintf("port = -1\ntls-cert = '%s'\ntls-key = '%s'\nauth-file = '%s'\n", cert, key, passwords)
	}
	s := serveFile(t, file(cert, key, first))
	defer s.Stop(syscall.SIGTERM)
	meets := func(name, login, want string) {
		t.Helper()
		c, err := dialTLS(t, s.Addrs[0], ca.Client(""))
		if err != nil || c.name() != name {
			t.Fatalf("met %v, %v, want %s", c, err, name)
		}
		if got, err := c.ask(fmt.Sprintf("set auth 0 0 %d\r\n%s", len(login), login)); !strings.HasPrefix(got, want) {
			t.Errorf("%s at %s: %q, %v", login, name, got, err)
		}
	}
	meets("first", "alice hidden1", "STORED")
	s.reload(file(cert2, key2, "/nowhere")+"wait='a=1s'", notReloaded)
	s.reload(file("/nowhere", key2, second), notReloaded)
	meets("first", "alice hidden1", "STORED")
	line := s.reload(file(cert2, key2, second), reloaded)
	if got := fmt.Sprint(line); strings.Contains(got, "hidden") || !strings.Contains(got, "auth-file: "+first+" -> "+second) {
		t.Error(got)
	}
	meets("second", "bob hidden2", "STORED")
	meets("second", "alice hidden1", "CLIENT_ERROR")
	s.write("port = -1\nauth-file = '" + second + "'")
	s.Signals <- syscall.SIGHUP
	if got := fmt.Sprint(s.Logged("cannot change while the server runs: restart it to apply them")["flags"]); !strings.HasPrefix(got, "[tls-cert: "+cert2) {
		t.Error(got)
	}
	meets("second", "bob hidden2", "STORED")
}

// TestConfigWatch: a changed file is applied without a signal, and a bad one is one line.
func TestConfigWatch(t *testing.T) {
	t.Parallel()
	s := serveFile(t, "port = -1\nconfig-watch = true")
	defer s.Stop(syscall.SIGTERM)
	s.write("port = -1\nconfig-watch = true\nmax-waiters = x")
	s.Logged(notReloaded)
	s.write("port = -1\nconfig-watch = true\nmax-waiters = 9")
	s.Logged(reloaded)
	for _, line := range s.Pending {
		if line["message"] == notReloaded {
			t.Error("the fault was logged twice")
		}
	}
	s.wantSettings(map[string]string{"max_waiters": "9", "reloads": "1", "reload_errors": "1"})
}
