package cli

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
)

// testSignal stops a server.
const testSignal = syscall.SIGTERM

func TestList(t *testing.T) {
	one, two := start(t, "-p-1"), start(t, "-p-1")
	defer one.stop(testSignal)
	defer two.stop(testSignal)
	dial(t, one.addrs[0]).add("quiet", "alice")
	dial(t, two.addrs[0]).add("wanted", "alice=1,2 3")
	dial(t, two.addrs[0]).add("wanted", "bob")
	dial(t, two.addrs[0]).add("wanted", "carol")
	dial(t, one.addrs[0]).add("busy", "alice")
	dial(t, one.addrs[0]).add("busy", "bob")

	both := one.addrs[0] + "," + two.addrs[0]
	lines := strings.Split(output(t, "ls", "--server", both), "\n")
	for i, want := range []string{"KEY OWNER AGE TTL QUEUED POLLING RETRY TOKEN SERVER", "wanted", "busy", "quiet"} {
		words := strings.Fields(lines[i])
		if i == 0 && strings.Join(words, " ") != want || words[0] != strings.Fields(want)[0] {
			t.Errorf("line %d: %q, want %s", i, lines[i], want)
		}
	}
	if got := strings.Fields(lines[1]); got[1] != "alice=1%2C2%203" || got[4] != "0" || got[5] != "2" || got[8] != two.addrs[0] {
		t.Errorf("%q", got)
	}
	if got := output(t, "ls", "--server", one.addrs[0]); strings.Contains(got, "SERVER") || strings.Contains(got, "wanted") {
		t.Errorf("of one server: %s", got)
	}
	if got := execute("ls", "--limit", "2", "--server", both); got.code != 0 || strings.Count(got.stdout, "\n") != 3 ||
		got.stderr != "lockcached: there may be more: --limit says how many to list\n" {
		t.Errorf("%+v", got)
	}
}

func TestListAsJSON(t *testing.T) {
	server, away := start(t, "-p-1"), nowhere(t)
	defer server.stop(testSignal)
	if got := output(t, "ls", "--json", "--server", server.addrs[0]); got != "[]\n" {
		t.Errorf("of nothing: %q", got)
	}
	dial(t, server.addrs[0]).add("k", "17")
	got := execute("ls", "--json", "--server", away, "--server", server.addrs[0])
	var locks []struct {
		Key, Server, Owner, Token string
		Held, Queued, Polling     int
		Age                       float64 `json:"age_ms"`
		TTL                       float64 `json:"ttl_ms"`
	}
	if err := json.Unmarshal([]byte(got.stdout), &locks); err != nil || len(locks) != 1 {
		t.Fatalf("%v: %+v", err, got)
	}
	l := locks[0]
	if l.Key != "k" || l.Server != server.addrs[0] || l.Owner != "17" || len(l.Token) < 19 || l.Held != 1 || l.TTL > 60000 || l.TTL < 1 {
		t.Errorf("%+v", l)
	}
	if got.code != exitFailed || !strings.HasPrefix(got.stderr, "lockcached: "+away+": ") {
		t.Errorf("one server is away: %+v", got)
	}
}

func TestListChoice(t *testing.T) {
	server := start(t, "-p-1")
	defer server.stop(testSignal)
	client := dial(t, server.addrs[0])
	for _, key := range []string{"lock:b", "job:a", "lock:a"} {
		client.add(key, "alice")
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
		got := execute(append([]string{"--server", server.addrs[0]}, strings.Fields(args)...)...)
		keys := regexp.MustCompile(`(?m)(?:^|"key": ")((?:lock|job):.)`).FindAllStringSubmatch(got.stdout, -1)
		var list []string
		for _, key := range keys {
			list = append(list, key[1])
		}
		if strings.Join(list, " ") != want || got.code != 0 {
			t.Errorf("%s: %q, want %s; %+v", args, list, want, got)
		}
	}
}

// On a terminal a list is as wide as that, and nowhere else.
func TestListOnATerminal(t *testing.T) {
	server := start(t, "-p-1")
	defer server.stop(testSignal)
	key := strings.Repeat("x", 160) + ":last"
	dial(t, server.addrs[0]).add(key, "alice")
	_, terminal := openTerminal(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 72}))
	if got := (&app{stdout: terminal}).columns(); got != 72 {
		t.Errorf("%d columns", got)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	must(err)
	defer file.Close()
	if got := (&app{stdout: file}).columns(); got != 0 {
		t.Errorf("%d columns of a file", got)
	}
	if got := output(t, "ls", "--server", server.addrs[0]); !strings.Contains(got, key) {
		t.Errorf("in a pipe: %s", got)
	}
}

// A reader that has read enough, as head has, is no failure.
func TestPipeIsClosed(t *testing.T) {
	server := start(t, "-p-1")
	defer server.stop(testSignal)
	addr := server.addrs[0]
	dial(t, addr).add("k", "alice")
	for _, args := range []string{"ls", "ls --json", "show k", "stats", "ping", "top", "help ls", "-h", "-V", "version", "completion bash", "release k --force"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		cmd := program(strings.Fields(args)...)
		cmd.Env = append(cmd.Env, serverEnv+"="+addr)
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = w, &stderr
		err = cmd.Run()
		w.Close()
		if err != nil || stderr.Len() > 0 {
			t.Errorf("%s: %v, %s", args, err, &stderr)
		}
	}
}

// An owner can be as long as a value: what is for people is cut, JSON is not.
func TestReleaseOfALongOwner(t *testing.T) {
	server := start(t, "-p-1")
	defer server.stop(testSignal)
	owner := "web-1" + strings.Repeat("x", 500_000) + "17"
	client := dial(t, server.addrs[0])
	client.add("k", owner)
	got := output(t, "release", "k", "--force", "--server", server.addrs[0])
	if len(got) > 300 || !strings.Contains(got, "owner web-1xx") || !strings.Contains(got, "xx17  token ") {
		t.Errorf("%d bytes: %.300s", len(got), got)
	}
	client.add("k", owner)
	if got := output(t, "release", "k", "--force", "--json", "--server", server.addrs[0]); !strings.Contains(got, owner) {
		t.Errorf("%d bytes: %.300s", len(got), got)
	}
}

func TestShow(t *testing.T) {
	one, two := start(t, "-p-1"), start(t, "-p-1")
	defer one.stop(testSignal)
	defer two.stop(testSignal)
	both := one.addrs[0] + "," + two.addrs[0]
	dial(t, two.addrs[0]).add("k", "alice")
	got := output(t, "show", "k", "--server", both)
	for _, want := range []string{"k on " + two.addrs[0], "alice, token ", "; lease: 1m0s", "1 acquired", "not known yet", "a newcomer should ask in"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, one.addrs[0]) {
		t.Errorf("tells of a server that knows nothing:\n%s", got)
	}
	if got := execute("show", "nothing", "--server", both); got.code != exitFailed || got.stdout != "" ||
		got.stderr != "lockcached: nothing: nobody holds it or waits for it, and nothing is known of its past, on "+strings.ReplaceAll(both, ",", ", ")+"\n" {
		t.Errorf("an unknown key: %+v", got)
	}
	if got := execute("show", "--json", "nothing", "--server", both); got.code != exitFailed || strings.Count(got.stdout, `"held": 0`) != 2 {
		t.Errorf("an unknown key: %+v", got)
	}
	var locks []map[string]any
	if err := json.Unmarshal([]byte(output(t, "show", "--json", "k", "--server", both)), &locks); err != nil || len(locks) != 1 || locks[0]["suggested_ttl_ms"] != 0.0 {
		t.Errorf("%v: %v", err, locks)
	}
}

func TestRelease(t *testing.T) {
	server := start(t, "-p-1")
	defer server.stop(testSignal)
	addr := server.addrs[0]
	alice, bob := dial(t, addr), dial(t, addr)
	release := func(args ...string) finished {
		return execute(append([]string{"release", "k", "--server", addr}, args...)...)
	}
	token := func() string {
		r := newRemote()
		r.servers = server.addrs
		locks, _ := r.look("k")
		return locks[0].text("token")
	}
	alice.add("k", "alice")
	first := token()
	n, _ := strconv.ParseUint(first, 10, 64)
	if got := release("--token", fmt.Sprint(n+1)); got.code != exitFailed ||
		got.stderr != fmt.Sprintf("lockcached: k: nobody holds it with token %d\n", n+1) {
		t.Errorf("another token: %+v", got)
	}
	if got := release("--token", first); got.code != 0 || !strings.HasPrefix(got.stdout, "released k  owner alice  token "+first) {
		t.Errorf("its token: %+v", got)
	}
	if got := bob.add("k", "bob"); got != "STORED" {
		t.Errorf("bob's claim after the release: %s", got)
	}
	if got := release("--token", first); got.code != exitFailed {
		t.Errorf("the token of a hold that is over: %+v", got)
	}
	if got := release("--force", "--json"); got.code != 0 || !strings.Contains(got.stdout, `"owner": "bob"`) {
		t.Errorf("by force: %+v", got)
	}
	if got := release("--force"); got.code != exitFailed || got.stderr != "lockcached: k: nobody holds it\n" {
		t.Errorf("nothing, by force: %+v", got)
	}
}

func TestCompletion(t *testing.T) {
	server := start(t, "-p-1")
	defer server.stop(testSignal)
	t.Setenv(serverEnv, server.addrs[0])
	c := dial(t, server.addrs[0])
	c.add("lock:b", "alice")
	c.add("lock:a", "alice")
	for line, want := range map[string]string{
		"lockcached s":                                 "show stats",
		"lockcached --unix-":                           "--unix-socket --unix-mask",
		"lockcached -p 1 --unix-":                      "--unix-socket --unix-mask",
		"lockcached ls --li":                           "--limit",
		"lockcached show ":                             "lock:a lock:b",
		"lockcached release --force lock:a":            "lock:a",
		"lockcached lock --ttl ":                       "",
		"lockcached lock --ttl 5s lock:":               "lock:a lock:b",
		"lockcached lock lock:a -- sh":                 "",
		"lockcached show --server " + nowhere(t) + " ": "",
		"lockcached completion ":                       "bash fish zsh",
		"lockcached stats cl":                          "class classes",
		"lockcached ping ":                             "",
		"":                                             "",
	} {
		if got := strings.Join(strings.Fields(output(t, "completion", "--line="+line)), " "); got != want {
			t.Errorf("%q: %s, want %s", line, got, want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if got := output(t, "completion", shell); !strings.Contains(got, "completion --line=") {
			t.Errorf("%s: %s", shell, got)
		}
	}
}
