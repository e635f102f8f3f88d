package cli_test

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/lockcached/lockcached/cli"
	"github.com/lockcached/lockcached/cli/internal/clitest"
	"github.com/lockcached/lockcached/cli/internal/exit"
)

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
		got := clitest.Execute(strings.Fields(line)...)
		if got.Code != exit.Refused || got.Stdout != "" || !strings.HasPrefix(got.Stderr, "lockcached: "+want) || strings.Count(got.Stderr, "\n") != 1 {
			t.Errorf("%s: %+v", line, got)
		}
	}
}

func TestFlagsBeforeTheCommand(t *testing.T) {
	server := clitest.Start(t, "-p-1")
	defer server.Stop(syscall.SIGTERM)
	clitest.Dial(t, server.Addrs[0]).Add("k", "alice")
	want := clitest.Output(t, "ls", "--json", "--limit", "1", "--server", server.Addrs[0])
	if got := clitest.Output(t, "--server", server.Addrs[0], "--json", "ls", "--limit", "1"); len(got) == 0 || strings.Count(got, "\n") != strings.Count(want, "\n") {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := clitest.Output(t, "--help", "ls"); got != clitest.Output(t, "ls", "-h") {
		t.Errorf("%s", got)
	}
}

// Under memcached's name there are no commands, and -h and -V begin as client test suites
// expect.
func TestAsMemcached(t *testing.T) {
	for _, args := range [][]string{{"/usr/bin/memcached", "-h", "ls"}, {"memcached", "-V", "ls"}, {"/usr/bin/memcached-debug", "ls", "-V"}} {
		var stdout, stderr bytes.Buffer
		if code := cli.Run(args, &stdout, &stderr, nil); code != 0 ||
			!strings.HasPrefix(stdout.String(), "memcached 1.6.45 (lockcached 0.1.0)\n") || strings.Contains(stdout.String(), "lockcached ls") {
			t.Errorf("%s: exit %d, %s%s", args, code, &stdout, &stderr)
		}
	}
	var stdout, stderr bytes.Buffer
	if code := cli.Run([]string{"/opt/memcached/lockcached", "version"}, &stdout, &stderr, nil); code != 0 || stdout.String() != "lockcached 0.1.0 (speaks memcached 1.6.45)\n" {
		t.Errorf("in a folder of that name: exit %d, %s%s", code, &stdout, &stderr)
	}
}

// The servers that tests start take no notice of the variables that are set for the tests.
func TestVariablesOfTests(t *testing.T) {
	ci, err := os.ReadFile("../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`\bLOCKCACHED_[A-Z_]+=`).FindAllString(string(ci), -1)
	if len(names) < 5 {
		t.Fatalf("only %q are set there", names)
	}
	for _, name := range names {
		t.Setenv(strings.TrimSuffix(name, "="), "1")
	}
	if got := cli.UnknownVariables(); len(got) != 0 {
		t.Errorf("got %q", got)
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
		"LOCKCACHED_PORT":                     "tcp://10.0.0.1:11211", // Kubernetes sets this and the following
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
	if got := cli.UnknownVariables(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	got := clitest.Execute("version")
	if got.Code != 0 || strings.Count(got.Stderr, "\n") != len(want) || !strings.HasPrefix(got.Stderr, "lockcached: warning: LOCKCACHED_COLOUR is set") {
		t.Errorf("%+v", got)
	}
	server := clitest.Start(t, "-p-1")
	server.Stop(syscall.SIGTERM)
	if !slices.ContainsFunc(server.Pending, func(line map[string]any) bool { return line["message"] == want[0] && line["level"] == "warn" }) {
		t.Errorf("the server logs %v", server.Pending)
	}
}
