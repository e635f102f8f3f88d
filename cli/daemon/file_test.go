package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cli/internal/logging"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// configFor writes a configuration file, and returns its path.
func configFor(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFileFaults has a fault a row, with the line that answers it.
func TestFileFaults(t *testing.T) {
	for text, want := range map[string]string{
		"prot = 5":                     ":1: prot: there is no such flag (did you mean port?)",
		"# c\n\nmemory_limit = 64":     ":3: memory_limit: there is no such flag (did you mean memory-limit?)",
		"m = 3":                        ":1: m: there is no such flag (did you mean memory-limit?)",
		"colour = 'red'":               ":1: colour: there is no such flag",
		"port = 70000":                 ":1: port = 70000: a port is a number from 1 to 65535, 0 for none or -1 for any",
		"enable-shutdown = 'yes'":      ":1: enable-shutdown = yes: should be true or false",
		"enable-shutdown = 1":          ":1: enable-shutdown = 1: should be true or false",
		"pidfile = true":               ":1: pidfile = true: should be <file>",
		"user = 1979-05-27":            ":1: user = 1979-05-27: should be <user>",
		"threads = [1, 2]":             ":1: threads: is no list; it should be <num>",
		"threads = {a = 1}":            ":1: threads: is no table; it should be <num>",
		"port.a = 1":                   ":1: port: is no table; it should be <num>",
		"listen = {a = 'b'}":           ":1: listen: is no table; it should be a list of <addr>",
		"wait = ['a=1s',\n'b']":        ":2: wait = b: should be pattern=duration, such as lock:*=200ms",
		"wait = [['a=1s']]":            ":1: wait: should be a list of <pattern=duration>, or a table",
		"[wait]\n'a' = '1s'\nb = 1":    ":3: wait = b=1: a duration needs a unit: 1s or 1ms",
		"[wait]\na.b = '1s'":           `:2: wait: a name with dots needs quotes: "a.b"`,
		"[wait]\na = ['1s']":           ":2: wait: a: should be one value",
		"[wait.a]\nb = 1":              `:1: wait: has no tables of its own; put "a" in quotes, and give it a value`,
		"[server]\nport = 1":           ":1: server: there is no such flag",
		"[[extended]]\nmodern = 1":     `:1: extended: should be a list, as in extended = ["..."]`,
		"drain = 5":                    ":1: drain = 5: a duration needs a unit: 5s or 5ms",
		"stats-keys = 0x0":             ":1: stats-keys = 0: statistics need room for at least 1 key",
		"version = true":               ":1: version: prints something, and is for the command line only",
		"config = 'x'":                 ":1: config: a file cannot name another; leave it out",
		"port = 1\nport = 2":           ":2: is no TOML: key port is already defined",
		"port = 1\nthreads 2":          ":2: is no TOML: ",
		"data = 'd'\nenable-sasl=true": ":2: -S: needs -Y, the file with users and passwords, such as -Y /etc/lockcached/passwords",
		"tls-cert = '/nowhere'":        ":1: -Z: certificate /nowhere with key /nowhere: open /nowhere: no such file or directory",
		"auth-file = '/nowhere'":       ":1: -Y: open /nowhere: no such file or directory",
		"fsync = 'always'":             ":1: --fsync: needs --data, the directory to keep locks in, such as --data /var/lib/lockcached",
	} {
		path := configFor(t, text)
		got := CheckConfig(path)
		if len(got) != 1 || !strings.HasPrefix(got[0], path+want) {
			t.Errorf("%q\ngot  %q\nwant %q", text, got, want)
		}
		_, what, _ := strings.Cut(want, " ")
		if _, err := readConfig([]string{"--config", path}); !strings.Contains(message(err), what) && !strings.Contains(want, "nowhere") {
			t.Errorf("%q: the server says %q", text, message(err))
		}
	}
	if got := CheckConfig(configFor(t, "colour = 1\nthreads = 0\nprot = 2")); len(got) != 3 {
		t.Errorf("%q", got)
	}
	path := configFor(t, "colour = 1\nthreads = 0\nprot = 2")
	if _, err := readConfig([]string{"--config", path}); message(err) != path+":1: colour: there is no such flag (2 more: lockcached config check lists them)" {
		t.Error(err)
	}
	for _, path := range []string{"/nowhere", t.TempDir(), "/dev/zero"} {
		got := CheckConfig(path)
		if _, err := readConfig([]string{"--config", path}); len(got) != 1 || !strings.HasPrefix(message(err), "--config "+path+": ") {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// TestFileForms: every form in which a value can be written means the same.
func TestFileForms(t *testing.T) {
	for _, text := range []string{
		"wait = ['b=1s', 'a*=2s']\nlisten = ['127.0.0.1', '[::1]:5']\nextended = ['idle_timeout=9']",
		"wait = 'b=1s,a*=2s'\nlisten = '127.0.0.1,[::1]:5'\nextended = 'idle_timeout=9'",
		"wait = {b = '1s', 'a*' = '2s'}\nlisten = ['127.0.0.1,[::1]:5']\nextended = {idle_timeout = 9}",
		"listen = ['127.0.0.1', '[::1]:5']\n[wait]\nb = '1s'\n'a*' = '2s'\n[extended]\nidle_timeout = 9",
		"listen = ['127.0.0.1', '[::1]:5']\nextended.idle_timeout = 9\nwait.b = '1s'\nwait.'a*' = '2s'",
	} {
		c := mustConfig(t, "--config", configFor(t, text))
		got := fmt.Sprint(c.locks.WaitPolicies, c.listen, c.server.IdleTimeout)
		if want := "[{b 1s} {a* 2s}] [{127.0.0.1 127.0.0.1 11211 false } {[::1]:5 ::1 5 true }] 9s"; got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
	c := mustConfig(t, "--config", configFor(t, "unix-mask = 0o750\nmax-waiters = 1_000\nretry-rate = 12.5\nverbose = 2\ndisable-evictions = true\ndisable-flush-all = false\nlisten = []\nthreads=0x2"))
	if c.socketMode != 0o750 || c.locks.MaxWaiters != 1000 || c.locks.RetryRate != 12.5 || c.server.Settings.Verbosity != 2 || !c.locks.NoEvict || c.server.NoFlush || len(c.listen) != 1 || c.threads != 2 {
		t.Errorf("%+v", c)
	}
	c = mustConfig(t, "--config", configFor(t, "node = 'a'\ndata = 'd'\n[cluster]\na = '127.0.0.1:1'\nb = '127.0.0.1:3'\nc = '127.0.0.1:5'"))
	if len(c.cluster.nodes) != 3 || c.cluster.nodes[2].Address != "127.0.0.1:5" {
		t.Errorf("%+v", c.cluster)
	}
}

// TestFileGivesWay: flags win over variables, which win over the file.
func TestFileGivesWay(t *testing.T) {
	t.Setenv("LOCKCACHED_CONFIG", configFor(t, "port = 1\nmax-waiters = 1\nthreads = 1\nlisten = ['127.0.0.1']\ndisable-flush-all = true\nenable-shutdown = true\nuser = 'daemon'"))
	t.Setenv("LOCKCACHED_PORT", "tcp://10.0.0.1:11211") // by Kubernetes
	t.Setenv("LOCKCACHED_MAX_WAITERS", "2")
	t.Setenv("LOCKCACHED_THREADS", "2")
	t.Setenv("LOCKCACHED_USER", "")
	t.Setenv("LOCKCACHED_DISABLE_FLUSH_ALL", "false")
	c := mustConfig(t, "-t", "3", "-l", "127.0.0.2,127.0.0.3")
	got := fmt.Sprintln(c.port, c.locks.MaxWaiters, c.threads, len(c.listen), c.server.NoFlush, c.shutdownCommand, c.user)
	if want := "1 2 3 2 false true daemon\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestEveryFlagInTheFile: what the file says of a flag reaches its setter, under its long name.
func TestEveryFlagInTheFile(t *testing.T) {
	for i := range flags {
		f := &flags[i]
		if f.set == nil || f.long == "config" {
			continue
		}
		value := "[[1]]" // wrong for every flag
		got := CheckConfig(configFor(t, f.long+" = "+value))
		if len(got) != 1 || !strings.Contains(got[0], ":1: "+f.long+": ") || strings.Contains(got[0], "no such flag") {
			t.Errorf("%s: %q", f.long, got)
		}
	}
}

// liveChanges has a line for every flag that can change while the server runs.
var liveChanges = map[string]string{
	"memory-limit": "99", "disable-evictions": "true", "conn-limit": "77", "wait": "'a=1s'", "max-wait": "'7s'",
	"max-waiters": "7", "max-waiters-total": "8", "retry-rate": "9", "retry-rate-total": "10", "retry-by-rank": "true",
	"retry-max": "'11s'", "lock-delay": "'a=1s'", "drain": "'12s'", "verbose": "1", "log-level": "'warn'",
	"guard-release": "'a'", "coalesce": "'a=1s'", "stale": "'a=2s'", "early": "'a=1.5'",
}

// TestLiveFlags: a flag with the mark is in effect after a reload, and is named if it changes. Those
// that name files are tested with files.
func TestLiveFlags(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	for i := range flags {
		f := &flags[i]
		if f.live == nil || f.arg == "file" {
			continue
		}
		name, value := f.long, liveChanges[f.long]
		path := configFor(t, "")
		s := newRunning(mustConfig(t, "--config", path))
		before := f.live(s.config)
		if err := os.WriteFile(path, []byte(name+" = "+value), 0o600); err != nil {
			t.Fatal(err)
		}
		next, fixed, err := s.config.next()
		if err != nil || len(fixed) > 0 {
			t.Fatal(name, fixed, err)
		}
		changed := s.config.differences(next)
		s.apply(next)
		now := f.live(s.config)
		if want := name + ": " + before + " -> " + now; before == now || !slices.Contains(changed, want) {
			t.Errorf("%s: changed %q, want %q", name, changed, want)
		}
	}
}

// TestLiveFlagsDocument: the document lists the flags with the mark, and no others.
func TestLiveFlagsDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "applies these flags:\n\n")
	list, _, _ = strings.Cut(list, "\n\n")
	for i := range flags {
		if f := &flags[i]; strings.Contains(list, "`"+f.long+"`") != (f.live != nil) {
			t.Errorf("--%s: live %v, but not so in the document", f.long, f.live != nil)
		}
	}
}

// newRunning is a service that serves nobody.
func newRunning(c *config) *service {
	manager := locks.NewManager(c.locks)
	c.server.Locks = manager
	return &service{config: c, log: zerolog.Nop(), level: logging.NewLevel(c.level()), manager: manager, server: server.New(c.server)}
}
