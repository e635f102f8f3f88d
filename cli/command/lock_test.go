package command_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/cli/internal/clitest"
	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/internal/testenv"
)

// lockServer runs a server until the test ends.
func lockServer(t *testing.T) string {
	s := clitest.Start(t, "-p-1")
	t.Cleanup(func() { s.Stop(testSignal) })
	return s.Addrs[0]
}

func TestLockExitCodes(t *testing.T) {
	t.Parallel()
	server := lockServer(t)
	away := clitest.Nowhere(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	folder := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	garbage, plain := file("garbage", "\x7fELF", 0o755), file("plain", "", 0o644)
	orphan, misled := file("orphan", "#!/no/such\r\necho\r\n", 0o755), file("misled", "#! "+plain+" -x\n", 0o755)
	if got := clitest.Finish(t, clitest.Program("acquire", "held", "--ttl", "720h", "--server", server)); got.Code != 0 {
		t.Fatalf("%+v", got)
	}
	tests := []struct {
		name, args string
		code       int
		stderr     string
	}{
		{"success", "k -- true", 0, ""},
		{"own-code", "k -- sh -c exit~3", 3, ""},
		{"killed", "k -- sh -c kill~-9~$$", 137, ""},
		{"held-no-wait", "held --no-wait -- true", 75, "held: lock not obtained: somebody else has it\n"},
		{"held-wait", "held --wait 50ms -- true", 75, "held: lock not obtained: somebody else has it, and the wait of "},
		{"held-quiet", "held -n -q -- true", 75, ""},
		{"held-wait-quiet", "held -w 50ms --quiet -- true", 75, ""},
		{"conflict", "held -n -E 9 -- true", 9, "held: lock not obtained: somebody else has it\n"},
		{"conflict-is-fine", "held --wait 0s --quiet --conflict-exit-code 0 -- true", 0, ""},
		{"away", "k --no-wait --server " + away + " -- true", 75, "k: lock not obtained: server unavailable: " + away + ", 5 tries in "},
		{"away-bounded", "k --wait 1m --server " + away + " -- true", 75, "k: lock not obtained: server unavailable: " + away + ", 5 tries in "},
		{"away-quiet", "k -q -E 9 --server " + away + " -- true", 75, "k: lock not obtained: server unavailable: " + away + ", "},
		{"no-name", "k --server no-such.invalid -- true", 75, "k: lock not obtained: the server's name no-such.invalid cannot be resolved: "},
		{"too-long", "k --max-run 50ms -- sleep 1000", 124, "k: the command has run for 50ms; ending it\n" +
			"lockcached: k: the command ran for longer than 50ms; it was ended: terminated\n"},
		{"not-too-long", "k --max-run 1h -- sh -c exit~3", 3, ""},
		{"no-wait-at-all", "free --wait 0 -- true", 0, ""},
		{"hardly-any-wait", "free:2 --wait 1us -- true", 0, ""},
		{"held-no-wait-at-all", "held --wait 0 -- true", 75, "held: lock not obtained: somebody else has it\n"},
		{"silent", "k --wait 0 --server " + silent.Addr().String() + " -- true", 75,
			"k: lock not obtained: no answer within the time to wait: server unavailable: "},
		{"thirty-days", "long --ttl 720h -- true", 0, ""},
		{"a-year", "longer --ttl 8760h -- true", 0, ""},
		{"not-found", "k -- no-such-command", 127, "no-such-command: command not found\n"},
		{"path-not-found", "k -- /no/such/command", 127, "/no/such/command: command not found\n"},
		{"not-executable", "k -- " + plain, 126, plain + ": cannot be executed: permission denied\n"},
		{"folder", "k -- " + folder, 126, folder + ": cannot be executed: is a directory\n"},
		{"no-program", "k -- " + garbage, 126, garbage + ": cannot be executed: exec format error\n"},
		{"no-interpreter", "k -- " + orphan, 127, orphan + ": cannot be executed: what is to run it, /no/such\\x0d, does not exist\n"},
		{"bad-interpreter", "k -- " + misled, 126, misled + ": cannot be executed: what is to run it, " + plain + ": permission denied\n"},
		// Nobody should wait for a lock if the command cannot be run.
		{"not-found-first", "held -n -- no-such-command", 127, "no-such-command: command not found\n"},
		{"not-executable-first", "held -n -- " + plain, 126, plain + ": cannot be executed: permission denied\n"},
		{"no-program-first", "held -n -- " + garbage, 126, garbage + ": cannot be executed: exec format error\n"},
		{"no-interpreter-first", "held -n -- " + orphan, 127, orphan + ": cannot be executed: "},
		{"exec", "e1 --exec -- sh -c exit~3", 3, ""},
		{"exec-held", "held --exec -n -E 9 -- true", 9, "held: lock not obtained: somebody else has it\n"},
		{"exec-not-found", "held --exec -n -- no-such-command", 127, "no-such-command: command not found\n"},
		{"longest-key", strings.Repeat("x", 250) + " -- true", 0, ""},
		{"too-long-key", strings.Repeat("x", 251) + " -- true", 2, "key \"xxx"},
		{"scheme", "k --server tcp://" + server + " -- true", 0, ""},
		{"key", "lockcached:k -- true", 2, "key lockcached:k: should be 1 to 250 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields("lock --server " + server + " " + tt.args)
			if strings.Contains(tt.args, "--server") {
				args = strings.Fields("lock " + tt.args)
			}
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "~", " ")
			}
			got := clitest.Finish(t, clitest.Program(args...))
			want := tt.stderr
			if want != "" {
				want = "lockcached: " + want
			}
			if got.Code != tt.code || !strings.HasPrefix(got.Stderr, want) || (want == "") != (got.Stderr == "") || got.Stdout != "" {
				t.Errorf("%+v, want %d, %q", got, tt.code, want)
			}
		})
	}
}

// TestLockHandsThrough: it hands the command what it needs, and does not change the rest.
func TestLockHandsThrough(t *testing.T) {
	t.Parallel()
	server := lockServer(t)
	input := strings.Repeat("\x00\xff\r\n\x1b[0mno line end", 10_000)
	cmd := clitest.Program("lock", "lock:job", "--server", server, "--", "sh", "-c", `cat; echo "$LOCKCACHED_KEY $LOCKCACHED_TOKEN" >&2`)
	cmd.Stdin = strings.NewReader(input)
	got := clitest.Finish(t, cmd)
	var key string
	var token uint64
	if _, err := fmt.Sscan(got.Stderr, &key, &token); err != nil || key != "lock:job" || token < 1e18 {
		t.Errorf("%q, %v", got.Stderr, err)
	}
	if got.Code != 0 || got.Stdout != input {
		t.Errorf("exit %d; %d bytes came out, %d went in", got.Code, len(got.Stdout), len(input))
	}
	if held := clitest.Output(t, "ls", "--json", "--server", server); held != "[]\n" {
		t.Errorf("not released: %s", held)
	}
}

// TestLockPipe: a command that writes to a closed pipe dies of SIGPIPE, as always.
func TestLockPipe(t *testing.T) {
	t.Parallel()
	got := clitest.Finish(t, clitest.Program("lock", "k", "--server", lockServer(t), "--", "sh", "-c", "(yes; echo $? >&2) | head -n 1"))
	if got.Stdout != "y\n" || got.Stderr != "141\n" {
		t.Errorf("%+v", got)
	}
}

func TestLockSignals(t *testing.T) {
	t.Parallel()
	server := lockServer(t)
	for i, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2} {
		t.Run(sig.String(), func(t *testing.T) {
			r := begin(t, server, "trap 'echo got it; exit 9' "+[]string{"TERM", "INT", "HUP", "QUIT", "USR1", "USR2"}[i]+"; "+waiting)
			r.signal(sig)
			if got := r.end(); got.Code != 9 || got.Stdout != "got it\n" {
				t.Errorf("caught: %+v", got)
			}
			r = begin(t, server, waiting)
			r.signal(sig)
			if got := r.end(); got.Code != 128+int(sig) || got.Stderr != "" {
				t.Errorf("not caught: %+v", got)
			}
		})
	}
}

// TestLockSignalReachesAll: what a script has started ends with it.
func TestLockSignalReachesAll(t *testing.T) {
	t.Parallel()
	r := begin(t, lockServer(t), "sleep 1000 & echo begun; echo $!; wait")
	var sleeper int
	fmt.Sscan(r.line(), &sleeper)
	r.signal(syscall.SIGTERM)
	r.end()
	waitFor(t, func() bool { return !alive(sleeper) })
}

// TestLockSignalWhileWaiting: nobody holds the lock in the end.
func TestLockSignalWhileWaiting(t *testing.T) {
	t.Parallel()
	server := lockServer(t)
	alice := clitest.Dial(t, server)
	alice.Add("k", "alice")
	cmd := clitest.Program("lock", "k", "--server", server, "--", "true")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	queued := func(n string) func() bool {
		return func() bool {
			return strings.Contains(clitest.Output(t, "stats", "held", "--server", server), "queued="+n)
		}
	}
	waitFor(t, queued("1"))
	_ = cmd.Process.Signal(syscall.SIGINT)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || stderr.String() != "lockcached: k: interrupt while waiting for the lock\n" {
		t.Errorf("exit %d, %q", code, &stderr)
	}
	waitFor(t, queued("0"))
}

// TestLockWithoutServer: renewals fail, and the command ends before its lease does.
func TestLockWithoutServer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, trap, how string }{
		{"asked", "trap 'echo TERM; exit 5' TERM", "exit code 5"},
		{"killed", "trap 'echo TERM' TERM", "killed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := clitest.Start(t, "-p-1")
			const ttl = 20 * time.Second // a slow machine has a while between TERM and KILL
			began := time.Now()
			r := begin(t, s.Addrs[0], tt.trap+"; "+waiting, "--ttl", ttl.String())
			s.Stop(testSignal)
			if got := r.line(); got != "TERM" {
				t.Errorf("%q", got)
			}
			if took := time.Since(began); took < ttl/2 {
				t.Errorf("TERM after %v already, of %v", took, ttl)
			}
			got := r.end()
			if got.Code != exitLost || !strings.Contains(got.Stderr, "k: the lock could not be renewed; ending the command\n") ||
				!strings.HasSuffix(got.Stderr, "it was ended: "+tt.how+"\n") {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestLockTakenAway: another client may have the lock, so the command ends at once.
func TestLockTakenAway(t *testing.T) {
	t.Parallel()
	server := lockServer(t)
	r := begin(t, server, "trap '' TERM; "+waiting, "--ttl", "2s")
	clitest.Output(t, "release", "k", "--force", "--server", server)
	got := r.end()
	if got.Code != exitLost || !strings.Contains(got.Stderr, "k: the lock is lost; ending the command\n") || !strings.HasSuffix(got.Stderr, "it was ended: killed\n") {
		t.Errorf("%+v", got)
	}
}

// TestLockTakenAwayUnnoticed: a command that ended well may not have been alone.
func TestLockTakenAwayUnnoticed(t *testing.T) {
	t.Parallel()
	server := lockServer(t)
	r := begin(t, server, "echo begun; read line")
	clitest.Output(t, "release", "k", "--force", "--server", server)
	r.input.Close()
	if got := r.end(); got.Code != exitLost || !strings.Contains(got.Stderr, "k: the lock was lost before the command had ended: exit code 1\n") {
		t.Errorf("%+v", got)
	}
}

// TestLockDies: if the process that holds the lock is killed, the command dies with it.
func TestLockDies(t *testing.T) {
	t.Parallel()
	r := begin(t, lockServer(t), "echo begun; echo $$; exec sleep 1000")
	var pid int
	fmt.Sscan(r.line(), &pid)
	r.signal(syscall.SIGKILL)
	r.end()
	waitFor(t, func() bool { return !alive(pid) })
}

func TestLockVerbose(t *testing.T) {
	t.Parallel()
	got := clitest.Finish(t, clitest.Program("lock", "k", "-v", "-n", "--server", clitest.Nowhere(t), "--", "true"))
	if n := strings.Count(got.Stderr, `"message":"retry"`); n != 4 {
		t.Errorf("%d retries in %s", n, got.Stderr)
	}
	got = clitest.Finish(t, clitest.Program("lock", "k", "-v", "--owner", "nightly", "--server", lockServer(t), "--", "true"))
	if !strings.Contains(got.Stderr, `"owner":"nightly:`) || !strings.Contains(got.Stderr, `"message":"lock released"`) {
		t.Errorf("%s", got.Stderr)
	}
}

// TestLockOnManyHosts: two cron jobs that use one lock run on twenty hosts, and never
// at the same time.
func TestLockOnManyHosts(t *testing.T) {
	t.Parallel()
	server, diary := lockServer(t), filepath.Join(t.TempDir(), "diary")
	takeTurns(t, server, diary, 20)
}

// takeTurns lets hosts run two jobs each, and checks the diary that they write.
func takeTurns(t *testing.T, server, diary string, hosts int) {
	t.Helper()
	const jobs = 2
	var wg sync.WaitGroup
	for range hosts {
		wg.Go(func() {
			for job := range jobs {
				got := clitest.Finish(t, clitest.Program("lock", "k", "--server", server, "--", "sh", "-c",
					fmt.Sprintf(`echo begin %d $$ >>"$0"; sleep 0.01; echo end %d $$ >>"$0"`, job, job), diary))
				if got != (clitest.Result{}) {
					t.Errorf("%+v", got)
				}
			}
		})
	}
	wg.Wait()
	text, err := os.ReadFile(diary)
	if err != nil {
		t.Fatal(err)
	}
	entries := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(entries) != 2*jobs*hosts {
		t.Fatalf("%d entries", len(entries))
	}
	for i := 0; i < len(entries); i += 2 {
		if "end"+strings.TrimPrefix(entries[i], "begin") != entries[i+1] {
			t.Fatalf("%s, then %s", entries[i], entries[i+1])
		}
	}
}

// TestLockOnMemcached is all of it in short, with a server that knows nothing of locks.
func TestLockOnMemcached(t *testing.T) {
	t.Parallel()
	server := startMemcached(t)
	takeTurns(t, server, filepath.Join(t.TempDir(), "diary"), 3)
	for _, flags := range []string{"--ttl 720h", "--ttl 721h", "--wait 0", "--wait 1us"} {
		if got := clitest.Finish(t, clitest.Program(strings.Fields("lock k "+flags+" --server "+server+" -- true")...)); got != (clitest.Result{}) {
			t.Errorf("%s: %+v", flags, got)
		}
	}
	if err := memcache.New(server).Add(&memcache.Item{Key: "k", Value: []byte("alice")}); err != nil {
		t.Fatal(err)
	}
	if got := clitest.Finish(t, clitest.Program("lock", "k", "--no-wait", "--server", server, "--", "true")); got.Code != exitNotTaken {
		t.Errorf("%+v", got)
	}
	got := clitest.Finish(t, clitest.Program("lock", "k", "--strategy", "queue", "--server", server, "--", "true"))
	if got.Code != exit.Refused || !strings.Contains(got.Stderr, "--strategy queue: needs lockcached") {
		t.Errorf("%+v", got)
	}
	if got := clitest.Output(t, "show", "k", "--server", server); !strings.Contains(got, "holder  alice, token ") {
		t.Errorf("%s", got)
	}
	if got := clitest.Output(t, "release", "k", "--force", "--server", server); !strings.Contains(got, "released k") {
		t.Errorf("%s", got)
	}
}

// startMemcached runs a memcached on a free port until the test ends.
func startMemcached(t *testing.T) (addr string) {
	t.Helper()
	path := testenv.Memcached(t)
	ports := filepath.Join(t.TempDir(), "ports")
	cmd := exec.Command(path, "-p", "-1", "-U", "0", "-l", "127.0.0.1", "-u", "root")
	cmd.Env = append(os.Environ(), "MEMCACHED_PORT_FILENAME="+ports)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	waitFor(t, func() bool {
		text, _ := os.ReadFile(ports)
		_, err := fmt.Sscanf(string(text), "TCP INET: %s", &addr)
		return err == nil
	})
	return "127.0.0.1:" + addr
}

// waitFor waits until isSo returns true.
func waitFor(t *testing.T, isSo func() bool) {
	t.Helper()
	testenv.Eventually(t, "what the test waits for", isSo)
}

// alive reports whether a process runs; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}

// A command does not outlive its lock, even if nobody reads the messages about its end.
func TestLockWithoutReader(t *testing.T) {
	server := clitest.Start(t, "-p-1")
	defer server.Stop(syscall.SIGTERM)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	_ = w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	for err = nil; err == nil; {
		_, err = w.WriteString("x") // until it is full
	}
	cmd := clitest.Program("lock", "k", "--server", server.Addrs[0], "--ttl", "1s", "--", "sh", "-c", "echo begun; exec sleep 600")
	cmd.Stderr = w
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	bound := time.AfterFunc(testenv.Patience, func() { _ = cmd.Process.Kill() })
	defer bound.Stop()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "begun\n" {
		t.Errorf("%q, %v", line, err)
	}
	if got := clitest.Ask(t, "tcp", server.Addrs[0], "delete k"); got != "DELETED\r\n" {
		t.Errorf("%q", got)
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != exitLost {
		t.Errorf("exit code %d, want %d", got, exitLost)
	}
}
