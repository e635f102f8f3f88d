package command_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lockcached/lockcached/cli/command"
	"github.com/lockcached/lockcached/cli/internal/clitest"
	"github.com/lockcached/lockcached/cli/internal/exit"
)

// testSignal stops a server.
const testSignal = syscall.SIGTERM

func TestList(t *testing.T) {
	one, two := clitest.Start(t, "-p-1"), clitest.Start(t, "-p-1")
	defer one.Stop(testSignal)
	defer two.Stop(testSignal)
	clitest.Dial(t, one.Addrs[0]).Add("quiet", "alice")
	clitest.Dial(t, two.Addrs[0]).Add("wanted", "alice=1,2 3")
	clitest.Dial(t, two.Addrs[0]).Add("wanted", "bob")
	clitest.Dial(t, two.Addrs[0]).Add("wanted", "carol")
	clitest.Dial(t, one.Addrs[0]).Add("busy", "alice")
	clitest.Dial(t, one.Addrs[0]).Add("busy", "bob")

	both := one.Addrs[0] + "," + two.Addrs[0]
	lines := strings.Split(clitest.Output(t, "ls", "--server", both), "\n")
	for i, want := range []string{"KEY OWNER AGE TTL QUEUED POLLING RETRY TOKEN SERVER", "wanted", "busy", "quiet"} {
		words := strings.Fields(lines[i])
		if i == 0 && strings.Join(words, " ") != want || words[0] != strings.Fields(want)[0] {
			t.Errorf("line %d: %q, want %s", i, lines[i], want)
		}
	}
	if got := strings.Fields(lines[1]); got[1] != "alice=1%2C2%203" || got[4] != "0" || got[5] != "2" || got[8] != two.Addrs[0] {
		t.Errorf("%q", got)
	}
	if got := clitest.Output(t, "ls", "--server", one.Addrs[0]); strings.Contains(got, "SERVER") || strings.Contains(got, "wanted") {
		t.Errorf("of one server: %s", got)
	}
	if got := clitest.Execute("ls", "--limit", "2", "--server", both); got.Code != 0 || strings.Count(got.Stdout, "\n") != 3 ||
		got.Stderr != "lockcached: there may be more: --limit says how many to list\n" {
		t.Errorf("%+v", got)
	}
}

func TestListAsJSON(t *testing.T) {
	server, away := clitest.Start(t, "-p-1"), clitest.Nowhere(t)
	defer server.Stop(testSignal)
	if got := clitest.Output(t, "ls", "--json", "--server", server.Addrs[0]); got != "[]\n" {
		t.Errorf("of nothing: %q", got)
	}
	clitest.Dial(t, server.Addrs[0]).Add("k", "17")
	got := clitest.Execute("ls", "--json", "--server", away, "--server", server.Addrs[0])
	var locks []struct {
		Key, Server, Owner, Token string
		Held, Queued, Polling     int
		Age                       float64 `json:"age_ms"`
		TTL                       float64 `json:"ttl_ms"`
	}
	if err := json.Unmarshal([]byte(got.Stdout), &locks); err != nil || len(locks) != 1 {
		t.Fatalf("%v: %+v", err, got)
	}
	l := locks[0]
	if l.Key != "k" || l.Server != server.Addrs[0] || l.Owner != "17" || len(l.Token) < 19 || l.Held != 1 || l.TTL > 60000 || l.TTL < 1 {
		t.Errorf("%+v", l)
	}
	if got.Code != exit.Failed || !strings.HasPrefix(got.Stderr, "lockcached: "+away+": ") {
		t.Errorf("one server is away: %+v", got)
	}
}

func TestListChoice(t *testing.T) {
	server := clitest.Start(t, "-p-1")
	defer server.Stop(testSignal)
	client := clitest.Dial(t, server.Addrs[0])
	for _, key := range []string{"lock:b", "job:a", "lock:a"} {
		client.Add(key, "alice")
	}
	for args, want := range map[string]string{
		"ls":                               "lock:b job:a lock:a",
		"ls lock:*":                        "lock:b lock:a",
		"ls *:a --sort key":                "job:a lock:a",
		"ls --sort key":                    "job:a lock:a lock:b",
		"ls --sort key --reverse":          "lock:b lock:a job:a",
		"ls --sort age --limit 1 lock:*":   "lock:b",
		"ls nobody":                        "",
		"top --sort token --limit 2":       "lock:a job:a",
		"--sort key --limit 1 top -- l*":   "lock:a",
		"ls --json --sort key job:*":       "job:a",
		"ls --reverse --limit 1 --json":    "lock:a",
		"ls [lj]o[cb]*:? --sort key":       "job:a lock:a lock:b",
		"ls --sort retry --sort key l?ck*": "lock:a lock:b",
	} {
		got := clitest.Execute(append([]string{"--server", server.Addrs[0]}, strings.Fields(args)...)...)
		keys := regexp.MustCompile(`(?m)(?:^|"key": ")((?:lock|job):.)`).FindAllStringSubmatch(got.Stdout, -1)
		var list []string
		for _, key := range keys {
			list = append(list, key[1])
		}
		if strings.Join(list, " ") != want || got.Code != 0 {
			t.Errorf("%s: %q, want %s; %+v", args, list, want, got)
		}
	}
}

// Only on a terminal is a list made to fit.
func TestListOnATerminal(t *testing.T) {
	server := clitest.Start(t, "-p-1")
	defer server.Stop(testSignal)
	key := strings.Repeat("x", 160) + ":last"
	clitest.Dial(t, server.Addrs[0]).Add(key, "alice")
	_, terminal := openTerminal(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 72}))
	if got := command.Columns(terminal); got != 72 {
		t.Errorf("%d columns", got)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	must(err)
	defer file.Close()
	if got := command.Columns(file); got != 0 {
		t.Errorf("%d columns of a file", got)
	}
	if got := clitest.Output(t, "ls", "--server", server.Addrs[0]); !strings.Contains(got, key) {
		t.Errorf("in a pipe: %s", got)
	}
}

// It is no failure if the reader has read enough, as head has.
func TestPipeIsClosed(t *testing.T) {
	server := clitest.Start(t, "-p-1")
	defer server.Stop(testSignal)
	addr := server.Addrs[0]
	clitest.Dial(t, addr).Add("k", "alice")
	for _, args := range []string{"ls", "ls --json", "show k", "stats", "ping", "top", "help ls", "-h", "-V", "version", "completion bash", "release k --force"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		cmd := clitest.Program(strings.Fields(args)...)
		cmd.Env = append(cmd.Env, command.ServerEnv+"="+addr)
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = w, &stderr
		err = cmd.Run()
		w.Close()
		if err != nil || stderr.Len() > 0 {
			t.Errorf("%s: %v, %s", args, err, &stderr)
		}
	}
}

// An owner can be as long as a value: it is cut for people, but not in JSON.
func TestReleaseOfALongOwner(t *testing.T) {
	server := clitest.Start(t, "-p-1")
	defer server.Stop(testSignal)
	owner := "web-1" + strings.Repeat("x", 500_000) + "17"
	client := clitest.Dial(t, server.Addrs[0])
	client.Add("k", owner)
	got := clitest.Output(t, "release", "k", "--force", "--server", server.Addrs[0])
	if len(got) > 300 || !strings.Contains(got, "owner web-1xx") || !strings.Contains(got, "xx17  token ") {
		t.Errorf("%d bytes: %.300s", len(got), got)
	}
	client.Add("k", owner)
	if got := clitest.Output(t, "release", "k", "--force", "--json", "--server", server.Addrs[0]); !strings.Contains(got, owner) {
		t.Errorf("%d bytes: %.300s", len(got), got)
	}
}

func TestShow(t *testing.T) {
	one, two := clitest.Start(t, "-p-1"), clitest.Start(t, "-p-1")
	defer one.Stop(testSignal)
	defer two.Stop(testSignal)
	both := one.Addrs[0] + "," + two.Addrs[0]
	clitest.Dial(t, two.Addrs[0]).Add("k", "alice")
	got := clitest.Output(t, "show", "k", "--server", both)
	for _, want := range []string{"k on " + two.Addrs[0], "alice, token ", "; lease: 1m0s", "1 acquired", "not known yet", "a newcomer should ask in"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, one.Addrs[0]) {
		t.Errorf("tells of a server that knows nothing:\n%s", got)
	}
	if got := clitest.Execute("show", "nothing", "--server", both); got.Code != exit.Failed || got.Stdout != "" ||
		got.Stderr != "lockcached: nothing: nobody holds it or waits for it, and nothing is known of its past, on "+strings.ReplaceAll(both, ",", ", ")+"\n" {
		t.Errorf("an unknown key: %+v", got)
	}
	if got := clitest.Execute("show", "--json", "nothing", "--server", both); got.Code != exit.Failed || strings.Count(got.Stdout, `"held": 0`) != 2 {
		t.Errorf("an unknown key: %+v", got)
	}
	var locks []map[string]any
	if err := json.Unmarshal([]byte(clitest.Output(t, "show", "--json", "k", "--server", both)), &locks); err != nil || len(locks) != 1 || locks[0]["suggested_ttl_ms"] != 0.0 {
		t.Errorf("%v: %v", err, locks)
	}
}

func TestRelease(t *testing.T) {
	server := clitest.Start(t, "-p-1")
	defer server.Stop(testSignal)
	addr := server.Addrs[0]
	alice, bob := clitest.Dial(t, addr), clitest.Dial(t, addr)
	release := func(args ...string) clitest.Result {
		return clitest.Execute(append([]string{"release", "k", "--server", addr}, args...)...)
	}
	token := func() string {
		t.Helper()
		var locks []struct{ Token string }
		if err := json.Unmarshal([]byte(clitest.Output(t, "show", "--json", "k", "--server", addr)), &locks); err != nil || len(locks) != 1 {
			t.Fatalf("%v: %v", locks, err)
		}
		return locks[0].Token
	}
	alice.Add("k", "alice")
	first := token()
	n, _ := strconv.ParseUint(first, 10, 64)
	if got := release("--token", fmt.Sprint(n+1)); got.Code != exit.Failed ||
		got.Stderr != fmt.Sprintf("lockcached: k: nobody holds it with token %d\n", n+1) {
		t.Errorf("another token: %+v", got)
	}
	if got := release("--token", first); got.Code != 0 || !strings.HasPrefix(got.Stdout, "released k  owner alice  token "+first) {
		t.Errorf("its token: %+v", got)
	}
	if got := bob.Add("k", "bob"); got != "STORED" {
		t.Errorf("bob's claim after the release: %s", got)
	}
	if got := release("--token", first); got.Code != exit.Failed {
		t.Errorf("the token of a hold that is over: %+v", got)
	}
	if got := release("--force", "--json"); got.Code != 0 || !strings.Contains(got.Stdout, `"owner": "bob"`) {
		t.Errorf("by force: %+v", got)
	}
	if got := release("--force"); got.Code != exit.Failed || got.Stderr != "lockcached: k: nobody holds it\n" {
		t.Errorf("nothing, by force: %+v", got)
	}
}

func TestCompletion(t *testing.T) {
	server := clitest.Start(t, "-p-1")
	defer server.Stop(testSignal)
	t.Setenv(command.ServerEnv, server.Addrs[0])
	c := clitest.Dial(t, server.Addrs[0])
	c.Add("lock:b", "alice")
	c.Add("lock:a", "alice")
	for line, want := range map[string]string{
		"lockcached s":                                         "show stats",
		"lockcached --unix-":                                   "--unix-socket --unix-mask",
		"lockcached -p 1 --unix-":                              "--unix-socket --unix-mask",
		"lockcached ls --li":                                   "--limit",
		"lockcached show ":                                     "lock:a lock:b",
		"lockcached release --force lock:a":                    "lock:a",
		"lockcached lock --ttl ":                               "",
		"lockcached lock --ttl 5s lock:":                       "lock:a lock:b",
		"lockcached lock lock:a -- sh":                         "",
		"lockcached show --server " + clitest.Nowhere(t) + " ": "",
		"lockcached completion ":                               "bash fish zsh",
		"lockcached stats cl":                                  "class classes",
		"lockcached ping ":                                     "",
		"":                                                     "",
	} {
		if got := strings.Join(strings.Fields(clitest.Output(t, "completion", "--line="+line)), " "); got != want {
			t.Errorf("%q: %s, want %s", line, got, want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if got := clitest.Output(t, "completion", shell); !strings.Contains(got, "completion --line=") {
			t.Errorf("%s: %s", shell, got)
		}
	}
}
