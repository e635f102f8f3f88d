package command_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lockcached/lockcached/cli/internal/clitest"
	"github.com/lockcached/lockcached/internal/testenv"
)

// TestLockScript: the shell runs a script that does not name its interpreter, as it does
// everywhere else.
func TestLockScript(t *testing.T) {
	t.Parallel()
	server, folder := lockServer(t), t.TempDir()
	for name, text := range map[string]string{"script": `echo "$0 $1 $LOCKCACHED_KEY"; exit 3`, "-c": `echo "$0 $1 $LOCKCACHED_KEY"; exit 3`, "empty": ""} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script := filepath.Join(folder, "script")
	want := clitest.Ended(3, script+" one k\n", "")
	if got := clitest.Finish(t, clitest.Program("lock", "k", "--server", server, "--", script, "one", "two")); got != want {
		t.Errorf("%+v", got)
	}
	if got := clitest.Finish(t, clitest.Program("lock", "k", "--exec", "--server", server, "--", script, "one", "two")); got != want {
		t.Errorf("--exec: %+v", got)
	}
	clitest.Output(t, "release", "k", "--force", "--server", server)
	if got := clitest.Finish(t, clitest.Program("lock", "k", "--server", server, "--", filepath.Join(folder, "empty"))); got != (clitest.Result{}) {
		t.Errorf("empty: %+v", got)
	}
	here := clitest.Program("lock", "k", "--server", server, "--", "-c", "one")
	here.Dir, here.Env = folder, append(here.Env, "PATH=.")
	if got := clitest.Finish(t, here); got != (clitest.Ended(3, "./-c one k\n", "")) {
		t.Errorf("found in .: %+v", got)
	}
}

// TestLockTakesNothing: no claim is made for a command that cannot be run.
func TestLockTakesNothing(t *testing.T) {
	t.Parallel()
	server, file := lockServer(t), filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("a\x00b"), 0o755); err != nil {
		t.Fatal(err)
	}
	for command, code := range map[string]int{"no-such-command": 127, "/": 126, file: 126} {
		for _, how := range []string{"-n", "--exec"} {
			if got := clitest.Finish(t, clitest.Program("lock", "k", how, "--server", server, "--", command)); got.Code != code {
				t.Errorf("%s %s: %+v", how, command, got)
			}
		}
	}
	if got := clitest.Output(t, "stats", "locks", "--json", "--server", server); !strings.Contains(got, `"acquired": 0`) {
		t.Errorf("%s", got)
	}
}

// TestLockBelowItself: a command that would wait for its own ancestor is refused, however
// many levels up the lock is held. Another server's lock of that name is another lock.
func TestLockBelowItself(t *testing.T) {
	t.Parallel()
	one, other := lockServer(t), lockServer(t)
	lock := func(key, server string, more ...string) []string {
		return append([]string{os.Args[0], "lock", key, "--server", server, "--"}, more...)
	}
	const refusal = "lockcached: k: lock not obtained: the lockcached lock that this command runs under has it, and waiting for that would never end\n"
	for _, tt := range []struct {
		name  string
		inner []string
		want  clitest.Result
	}{
		{"at-once", lock("k", one, "true"), clitest.Ended(75, "", refusal)},
		{"deeper", lock("k2", one, lock("k", one, "true")...), clitest.Ended(75, "", refusal)},
		{"acquire", []string{os.Args[0], "acquire", "k", "--server", one}, clitest.Ended(75, "", refusal)},
		{"another-key", lock("k3", one, "echo", "done"), clitest.Ended(0, "done\n", "")},
		{"another-server", lock("k", other, "echo", "done"), clitest.Ended(0, "done\n", "")},
		{"released-before", append([]string{"sh", "-c", os.Args[0] + ` release k --force --server "$0" >/dev/null; exec "$@"`, one},
			lock("k", one, "echo", "done")...), clitest.Ended(74, "done\n", "")},
	} {
		args := append([]string{"lock", "k", "--server", one, "--on-lost", "kill", "--ttl", "1h", "--"}, tt.inner...)
		got := clitest.Finish(t, clitest.Program(args...))
		if tt.want.Code == 74 { // the outer one lost its lock
			got.Stderr = ""
		}
		if got != tt.want {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

// TestLockMinHold: a short job is not done again by a host that comes a little later.
func TestLockMinHold(t *testing.T) {
	t.Parallel()
	server := lockServer(t)
	for _, command := range []string{"true", "false"} {
		began := time.Now()
		first := clitest.Finish(t, clitest.Program("lock", command, "--min-hold", "2s", "--server", server, "--", command))
		if first.Stderr != "" || first.Code != map[string]int{"true": 0, "false": 1}[command] {
			t.Errorf("%+v", first)
		}
		if second := clitest.Finish(t, clitest.Program("lock", command, "--server", server, "--", "true")); second != (clitest.Result{}) {
			t.Errorf("%+v", second)
		}
		if took := time.Since(began); took < 2*time.Second {
			t.Errorf("%s: the next one after %v", command, took)
		}
	}
	if got := clitest.Finish(t, clitest.Program("lock", "k", "--min-hold", "1h", "--server", server, "--", "true")); got != (clitest.Result{}) {
		t.Errorf("%+v", got)
	}
	if got := clitest.Finish(t, clitest.Program("lock", "k", "-n", "--server", server, "--", "true")); got.Code != 75 {
		t.Errorf("%+v", got)
	}
}

// TestLockMaxRun: a command that ignores TERM is killed later, with all that it has
// started, and the lock is released after that.
func TestLockMaxRun(t *testing.T) {
	t.Parallel()
	server := lockServer(t)
	r := begin(t, server, "trap 'echo TERM' TERM; sleep 1000 & echo begun; echo $!; while :; do wait; done", "--max-run", "300ms")
	sleeper, _ := strconv.Atoi(r.line())
	if got := r.line(); got != "TERM" {
		t.Errorf("%q", got)
	}
	if got := clitest.Finish(t, clitest.Program("lock", "k", "-n", "--server", server, "--", "true")); got.Code != 75 {
		t.Errorf("while it ends: %+v", got)
	}
	if got := r.end(); got.Code != 124 || !strings.HasSuffix(got.Stderr, "k: the command ran for longer than 300ms; it was ended: killed\n") {
		t.Errorf("%+v", got)
	}
	testenv.Eventually(t, "what it has started ends", func() bool { return !alive(sleeper) })
	if got := clitest.Finish(t, clitest.Program("lock", "k", "-n", "--server", server, "--", "true")); got != (clitest.Result{}) {
		t.Errorf("%+v", got)
	}
}

// TestLockExec: only the process of the command stays, and the lock is its own.
func TestLockExec(t *testing.T) {
	t.Parallel()
	server := lockServer(t)
	release := os.Args[0] + ` release "$LOCKCACHED_KEY" --token "$LOCKCACHED_TOKEN" --server ` + server
	r := begin(t, server, "echo begun; echo $$; read line; "+release+"; exit 4", "--exec")
	if got := r.line(); got != strconv.Itoa(r.Process.Pid) {
		t.Errorf("the command is %s, not %d", got, r.Process.Pid)
	}
	held := func() string {
		return clitest.Finish(t, clitest.Program("lock", "k", "-n", "--server", server, "--", "true")).Stderr
	}
	if held() == "" {
		t.Error("nobody holds the lock")
	}
	r.input.Close()
	if got := r.end(); got.Code != 4 || got.Stderr != "" || !strings.HasPrefix(got.Stdout, "released k ") {
		t.Errorf("%+v", got)
	}
	if got := held(); got != "" {
		t.Error(got)
	}
	// Without a release it ends by its TTL.
	if got := clitest.Finish(t, clitest.Program("lock", "k", "--exec", "--ttl", "1s", "--server", server, "--", "true")); got != (clitest.Result{}) {
		t.Errorf("%+v", got)
	}
	if got := clitest.Finish(t, clitest.Program("lock", "k", "--server", server, "--", "true")); got != (clitest.Result{}) {
		t.Errorf("%+v", got)
	}
}

// heldToken returns the token of the lock k; "" if nobody has it.
func heldToken(t *testing.T, server string) string {
	t.Helper()
	var locks []struct{ Token string }
	if err := json.Unmarshal([]byte(clitest.Output(t, "ls", "--json", "--server", server)), &locks); err != nil {
		t.Fatal(err)
	}
	if len(locks) == 0 {
		return ""
	}
	return locks[0].Token
}

// TestLockHeldAgain: a command that may go on has its lock again as soon as possible.
func TestLockHeldAgain(t *testing.T) {
	t.Parallel()
	server := lockServer(t)
	r := begin(t, server, "echo begun; read line; exit 5", "--on-lost=hold", "--ttl", "2s")
	for i := range 2 {
		clitest.Output(t, "release", "k", "--force", "--server", server)
		testenv.Eventually(t, "it is held again", func() bool { return strings.Count(r.stderr.String(), "the lock is held again") == i+1 })
		if heldToken(t, server) == "" {
			t.Error("nobody holds it")
		}
	}
	r.input.Close()
	got := r.end()
	if got.Code != 74 || strings.Count(got.Stderr, "the lock is lost; the command goes on, and") != 2 ||
		!strings.HasSuffix(got.Stderr, "k: the lock was lost while the command ran; it went on: exit code 5\n") {
		t.Errorf("%+v", got)
	}
	if token := heldToken(t, server); token != "" {
		t.Errorf("not released: %s", token)
	}
	// It ends while another client has the lock.
	r = begin(t, server, "echo begun; read line; exit 5", "--on-lost=hold", "--ttl", "2s")
	clitest.Output(t, "release", "k", "--force", "--server", server)
	clitest.Dial(t, server).Add("k", "alice")
	testenv.Eventually(t, "it is lost", func() bool { return strings.Contains(r.stderr.String(), "the lock is lost") })
	r.input.Close()
	if got := r.end(); got.Code != 74 {
		t.Errorf("%+v", got)
	}
}

// childrenOf returns the children of a process that have that name, including zombies.
func childrenOf(parent int, name string) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, _ := os.ReadFile(path)
		var pid, ppid int
		var state string
		before, after, _ := strings.Cut(string(text), " ("+name+") ")
		_, err := fmt.Sscan(before+" "+after, &pid, &state, &ppid)
		if err == nil && ppid == parent {
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestAcquire: a token on standard output, and nothing else; the lock lasts as long as
// its TTL.
func TestAcquire(t *testing.T) {
	t.Parallel()
	server := lockServer(t)
	got := clitest.Finish(t, clitest.Program("acquire", "k", "--ttl", "1h", "--server", server))
	token, err := strconv.ParseUint(strings.TrimSuffix(got.Stdout, "\n"), 10, 64)
	if err != nil || token < 1e18 || got.Code != 0 || got.Stderr != "" {
		t.Fatalf("%+v", got)
	}
	for args, want := range map[string]clitest.Result{
		"-n":                clitest.Ended(75, "", "lockcached: k: lock not obtained: somebody else has it\n"),
		"-n -q":             clitest.Ended(75, "", ""),
		"-n -q -E 0":        clitest.Ended(0, "", ""),
		"-w 50ms -q -E 255": clitest.Ended(255, "", ""),
	} {
		if got := clitest.Finish(t, clitest.Program(append([]string{"acquire", "k", "--server", server}, strings.Fields(args)...)...)); got != want {
			t.Errorf("%s: %+v", args, got)
		}
	}
	if got := clitest.Execute("release", "k", "--token", fmt.Sprint(token+1), "--server", server); got.Code != 1 {
		t.Errorf("%+v", got)
	}
	clitest.Output(t, "release", "k", "--token", fmt.Sprint(token), "--server", server)
	if got := clitest.Execute("release", "k", "--token", fmt.Sprint(token), "--server", server); got.Code != 1 {
		t.Errorf("twice: %+v", got)
	}
	if got := clitest.Finish(t, clitest.Program("acquire", "k", "--ttl", "1s", "--server", server)); got.Code != 0 {
		t.Errorf("%+v", got)
	}
	if got := clitest.Finish(t, clitest.Program("acquire", "k", "--server", server)); got.Code != 0 { // after the TTL
		t.Errorf("%+v", got)
	}
}

// TestAcquireUntold: a lock whose token nobody knows is free again.
func TestAcquireUntold(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		testenv.Missing(t, err)
	}
	defer full.Close()
	server := lockServer(t)
	cmd := clitest.Program("acquire", "k", "--server", server)
	cmd.Stdout = full
	if _ = cmd.Run(); cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("exit %d", cmd.ProcessState.ExitCode())
	}
	if got := clitest.Finish(t, clitest.Program("lock", "k", "-n", "--server", server, "--", "true")); got != (clitest.Result{}) {
		t.Errorf("%+v", got)
	}
}

// TestAcquireSignal: a signal during the wait leaves no lock behind.
func TestAcquireSignal(t *testing.T) {
	t.Parallel()
	server := lockServer(t)
	clitest.Dial(t, server).Add("k", "alice")
	cmd := clitest.Program("acquire", "k", "--server", server)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	queued := func(n string) func() bool {
		return func() bool {
			return strings.Contains(clitest.Output(t, "stats", "held", "--server", server), "queued="+n)
		}
	}
	testenv.Eventually(t, "it waits", queued("1"))
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 143 {
		t.Errorf("exit %d", code)
	}
	testenv.Eventually(t, "nobody waits", queued("0"))
}

// TestLockRidesOutARestart: a wait for a lock goes on while its server is restarted.
func TestLockRidesOutARestart(t *testing.T) {
	t.Parallel()
	for _, flags := range []string{"", "--wait 1h"} {
		t.Run(flags, func(t *testing.T) {
			t.Parallel()
			s := clitest.Start(t, "-p-1")
			server := s.Addrs[0]
			clitest.Dial(t, server).Add("k", "alice")
			args := append([]string{"lock", "k", "--server", server}, strings.Fields(flags)...)
			cmd := clitest.Program(append(args, "--", "echo", "done")...)
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			var stdout strings.Builder
			cmd.Stdout = &stdout
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			testenv.Eventually(t, "it waits", func() bool {
				return strings.Contains(clitest.Output(t, "stats", "held", "--server", server), "queued=1")
			})
			s.Stop(testSignal)
			said := make([]byte, 1000)
			if n, _ := stderr.Read(said); !strings.Contains(string(said[:n]), "; waiting for it\n") {
				t.Errorf("%q", said[:n])
			}
			_, port, _ := strings.Cut(server, ":")
			s = clitest.Start(t, "-p", port)
			defer s.Stop(testSignal)
			if err := cmd.Wait(); err != nil || stdout.String() != "done\n" {
				t.Errorf("%v, %q", err, &stdout)
			}
		})
	}
}
