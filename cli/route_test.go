package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRoute(t *testing.T) {
	tests := []struct{ line, command, rest string }{
		{"lockcached", "", ""},
		{"lockcached ls", "ls", ""},
		{"lockcached --server a:1 ls", "ls", "--server a:1"},
		{"lockcached --server=a:1 --json ls --limit 3", "ls", "--server=a:1 --json --limit 3"},
		{"lockcached -v --wait 5s lock k -- ls", "lock", "-v --wait 5s k -- ls"},
		{"lockcached -n 2s top", "top", "-n 2s"},
		{"lockcached -n2s top", "top", "-n2s"},
		{"lockcached -n lock k -- true", "lock", "-n k -- true"},
		{"lockcached -vn lock k -- true", "lock", "-vn k -- true"},
		{"lockcached --token 7 --force release k", "release", "--token 7 --force k"},
		{"lockcached -P ls", "", ""},
		{"lockcached -p 1 -- ls", "", ""},
		{"lockcached --pidfile ls", "", ""},
		{"lockcached --unheard-of ls", "", ""},
		{"lockcached lokc ls", "", ""},
		{"memcached ls", "", ""},
		{"/usr/bin/memcached-debug ls", "", ""},
		{"/opt/memcached/lockcached ls", "ls", ""},
	}
	for _, tt := range tests {
		name := ""
		c, rest := route(strings.Fields(tt.line))
		if c != nil {
			name = c.name
		}
		if got := strings.Join(rest, " "); name != tt.command || got != tt.rest {
			t.Errorf("%s: %s with %q, want %s with %q", tt.line, name, got, tt.command, tt.rest)
		}
	}
}

// Before the command is known a flag has to be read like any other of its name.
func TestFlagsOfOneNameAreAlike(t *testing.T) {
	var names flagNames
	names.load()
	for _, c := range allCommands() {
		for _, o := range c.task().options() {
			if f := names.long[o.long]; (f.arg == "") != (o.arg == "") {
				t.Errorf("--%s of %s has a value, and elsewhere not, or the other way round", o.long, c.name)
			}
		}
	}
}

func TestMistypedCommands(t *testing.T) {
	for line, want := range map[string]string{
		"lokc job -- true":          "lokc: there is no such command (did you mean lock?); lockcached -h lists them",
		"lokc job --no-wait -- ls":  "lokc: there is no such command (did you mean lock?); lockcached -h lists them",
		"status":                    "status: there is no such command (did you mean stats?); lockcached -h lists them",
		"unlock k":                  "unlock: there is no such command (did you mean release?); lockcached -h lists them",
		"rel k":                     "rel: there is no such command (did you mean release?); lockcached -h lists them",
		"-p -1 lsit":                "lsit: there is no such command (did you mean ls?); lockcached -h lists them",
		"--server a:1 pign":         "pign: there is no such command (did you mean ping?); lockcached -h lists them",
		"-p -1 -- ls":               "ls: belongs to no flag; lockcached -h lists them",
		"-h whatever":               "whatever: there is no such command; lockcached -h lists them",
		"LS":                        "LS: there is no such command",
		"-":                         "-: there is no such command",
		"serve":                     "serve: there is no such command; lockcached serves when it is given none",
		"\x1b[31m":                  `\x1b[31m: there is no such command`,
		strings.Repeat("x", 10_000): "xxx",
	} {
		got := execute(strings.Fields(line)...)
		if got.code != exitRefused || got.stdout != "" || !strings.HasPrefix(got.stderr, "lockcached: "+want) || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("%s: %+v", line, got)
		}
	}
}

func TestFlagsBeforeTheCommand(t *testing.T) {
	server := start(t, "-p-1")
	defer server.stop(testSignal)
	dial(t, server.addrs[0]).add("k", "alice")
	want := output(t, "ls", "--json", "--limit", "1", "--server", server.addrs[0])
	if got := output(t, "--server", server.addrs[0], "--json", "ls", "--limit", "1"); len(got) == 0 || strings.Count(got, "\n") != strings.Count(want, "\n") {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := output(t, "--help", "ls"); got != output(t, "ls", "-h") {
		t.Errorf("%s", got)
	}
}

// Under memcached's name there are no commands, and -h and -V begin as client test suites
// expect.
func TestAsMemcached(t *testing.T) {
	for _, flag := range []string{"-h", "-V"} {
		var stdout, stderr bytes.Buffer
		if code := run([]string{"/usr/bin/memcached", flag, "ls"}, &stdout, &stderr, nil); code != 0 ||
			!strings.HasPrefix(stdout.String(), memcachedLine+"\n") || strings.Contains(stdout.String(), "lockcached ls") {
			t.Errorf("%s: exit %d, %s%s", flag, code, &stdout, &stderr)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "ls", 2}, {"lock", "lock", 0}, {"lokc", "lock", 1}, {"status", "stats", 1},
		{"kitten", "sitting", 3}, {"unlock", "lock", 2}, {"sl", "ls", 1}, {"ca", "abc", 3},
	} {
		if got, back := editDistance(tt.a, tt.b), editDistance(tt.b, tt.a); got != tt.want || back != tt.want {
			t.Errorf("%s, %s: %d and %d, want %d", tt.a, tt.b, got, back, tt.want)
		}
	}
}

func TestUnknownVariables(t *testing.T) {
	for name, value := range map[string]string{
		"LOCKCACHED_SERVR":                    "a:1",
		"LOCKCACHED_PROT":                     "11311",
		"LOCKCACHED_TCP_PORT":                 "11311",
		"LOCKCACHED_COLOUR":                   "red",
		"LOCKCACHED_UNSET":                    "", // as a compose file leaves it
		"LOCKCACHED_KEY":                      "k",
		"LOCKCACHED_TOKEN":                    "7",
		"LOCKCACHED_CLIENT_TLS":               "false",
		"LOCKCACHED_PORT":                     "tcp://10.0.0.1:11211", // from here on by Kubernetes
		"LOCKCACHED_SERVICE_HOST":             "10.0.0.1",
		"LOCKCACHED_SERVICE_PORT":             "11211",
		"LOCKCACHED_SERVICE_PORT_MEMCACHE":    "11211",
		"LOCKCACHED_PORT_11211_TCP":           "tcp://10.0.0.1:11211",
		"LOCKCACHED_PORT_11211_TCP_ADDR":      "10.0.0.1",
		"LOCKCACHED_METRICS_PORT":             "tcp://10.0.0.1:9151",
		"LOCKCACHED_METRICS_SERVICE_HOST":     "10.0.0.1",
		"LOCKCACHED_METRICS_PORT_9151_TCP":    "tcp://10.0.0.1:9151",
		"LOCKCACHED_TEST_OF_THIS_REPOSITORY":  "1",
		"MEMCACHED_PORT_FILENAME_OR_WHATEVER": "1",
	} {
		t.Setenv(name, value)
	}
	want := []string{
		"LOCKCACHED_COLOUR is set, but there is no such variable",
		"LOCKCACHED_PROT is set, but there is no such variable (did you mean LOCKCACHED_PORT?)",
		"LOCKCACHED_SERVR is set, but there is no such variable (did you mean LOCKCACHED_SERVER?)",
		"LOCKCACHED_TCP_PORT is set, but there is no such variable (did you mean LOCKCACHED_UDP_PORT?)",
	}
	if got := unknownVariables(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	got := execute("version")
	if got.code != 0 || strings.Count(got.stderr, "\n") != len(want) || !strings.HasPrefix(got.stderr, "lockcached: warning: LOCKCACHED_COLOUR is set") {
		t.Errorf("%+v", got)
	}
	server := start(t, "-p-1")
	server.stop(testSignal)
	if !slices.ContainsFunc(server.pending, func(line map[string]any) bool { return line["message"] == want[0] && line["level"] == "warn" }) {
		t.Errorf("the server logs %v", server.pending)
	}
}

// TestDaemon starts servers in the background.
func TestDaemon(t *testing.T) {
	dir := t.TempDir()
	pidFile := filepath.Join(dir, "pid")
	background := func(args ...string) finished {
		return ended(t, program(append([]string{"-d"}, args...)...)) // a server that kept the pipes would keep them open
	}
	socket := filepath.Join(dir, "socket")
	if got := background("-s", socket, "-P", pidFile); got != (finished{}) {
		t.Fatalf("%+v", got)
	}
	if got := ask(t, "unix", socket, "version"); !strings.HasPrefix(got, "VERSION ") {
		t.Errorf("%q", got)
	}
	if got := background("-s", socket); got.code != exitFailed || !strings.HasPrefix(got.stderr, "lockcached: cannot listen on -s") {
		t.Errorf("a second one: %+v", got)
	}
	if got := background("-p", "80000"); got.code != exitRefused || !strings.HasPrefix(got.stderr, "lockcached: -p 80000: ") {
		t.Errorf("a wrong flag: %+v", got)
	}
	if got := background("-l", "192.0.2.1"); got.code != exitRefused || !strings.HasPrefix(got.stderr, "lockcached: -l 192.0.2.1: ") {
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
	waitFor(t, func() bool {
		_, err := os.Stat(socket)
		return os.IsNotExist(err)
	})
}
