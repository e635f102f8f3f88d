package daemon

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"LOCKCACHED_PORT":              "11299",
		"LOCKCACHED_LISTEN":            "127.0.0.1, [::1]:5",
		"LOCKCACHED_MEMORY_LIMIT":      "128",
		"LOCKCACHED_DISABLE_FLUSH_ALL": "true",
		"LOCKCACHED_ENABLE_SHUTDOWN":   "0",
		"LOCKCACHED_ENABLE_SSL":        "false",
		"LOCKCACHED_WAIT":              "lock:*=200ms,job:*=1s",
		"LOCKCACHED_LOCK_KEYS":         "lock:*,job:*",
		"LOCKCACHED_EXTENDED":          "idle_timeout=9,modern",
		"LOCKCACHED_DELIMITER":         "/",
		"LOCKCACHED_VERBOSE":           "2",
		"LOCKCACHED_USER":              "",
		"LOCKCACHED_METRICS":           "9151",
		"LOCKCACHED_PPROF":             "true",
		"LOCKCACHED_NO_SUCH_FLAG":      "whatever",
	} {
		t.Setenv(name, value)
	}
	c := mustConfig(t, "-m", "64", "--lock-keys", "cron:*")
	got := fmt.Sprint(c.listen, c.locks.MemoryLimit>>20, c.server.NoFlush, c.shutdownCommand, c.locks.WaitPolicies,
		c.locks.LockKeys, c.server.IdleTimeout, c.ignored, string(c.locks.ClassDelimiter), c.server.Settings.Verbosity,
		*c.admin.at, c.pprof)
	want := "[{127.0.0.1 127.0.0.1 11299 false } {[::1]:5 ::1 5 true }] 64 true false [{lock:* 200ms} {job:* 1s}] " +
		"[cron:*] 9s [-o modern]/2 {9151 127.0.0.1 9151 true } true"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEnvironmentRefused(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"LOCKCACHED_THREADS", "0", "LOCKCACHED_THREADS=0: number of threads must be greater than 0"},
		{"LOCKCACHED_DAEMON", "maybe", "LOCKCACHED_DAEMON=maybe: should be true or false"},
		{"LOCKCACHED_VERBOSE", "vv", "LOCKCACHED_VERBOSE=vv: verbosity is a number from 0 to 9"},
		{"LOCKCACHED_WAIT", "a=1s,b", "LOCKCACHED_WAIT=b: should be pattern=duration, such as lock:*=200ms"},
		{"LOCKCACHED_METRICS", "9151x", "LOCKCACHED_METRICS=9151x: should be a port, host:port, or :port for every address, such as 9151 or 127.0.0.1:9151"},
		{"LOCKCACHED_ENABLE_SSL", "1", "-Z: needs a certificate, as in --tls-cert cert.pem --tls-key key.pem"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(tt.name, tt.value)
			if _, err := readConfig(nil); message(err) != tt.want {
				t.Errorf("got  %q\nwant %q", message(err), tt.want)
			}
		})
	}
}

// TestKubernetesPort: for a service called lockcached, Kubernetes puts an address into
// the variable of -p.
func TestKubernetesPort(t *testing.T) {
	t.Setenv("LOCKCACHED_PORT", "tcp://10.0.0.1:11211")
	c := mustConfig(t)
	if c.port != 11211 || fmt.Sprint(c.ignored) != "[LOCKCACHED_PORT=tcp://10.0.0.1:11211]" {
		t.Errorf("port %d, ignored %q", c.port, c.ignored)
	}
}

// TestEveryFlagHasItsVariable sets each variable to nonsense and checks that it
// is read.
func TestEveryFlagHasItsVariable(t *testing.T) {
	anything := map[string]bool{"listen": true, "unix-socket": true, "lock-keys": true, "guard-release": true, "delimiter": true,
		"user": true, "pidfile": true, "data": true, "memory-file": true, "napi-ids": true,
		"tls-cert": true, "tls-key": true, "tls-ca": true, "auth-file": true, "admin-auth": true,
		"cluster-login": true, "cluster-tls-cert": true, "cluster-tls-key": true, "cluster-tls-ca": true}
	for i := range flags {
		f := &flags[i]
		if f.set == nil || anything[f.long] {
			continue
		}
		t.Run(f.env(), func(t *testing.T) {
			t.Setenv(f.env(), "?")
			if _, err := readConfig(nil); !strings.HasPrefix(message(err), f.env()+"=?: ") {
				t.Errorf("%q", message(err))
			}
		})
	}
}

// TestDefaultFile: what the Debian-style file sets, once uncommented, is understood.
func TestDefaultFile(t *testing.T) {
	text, err := os.ReadFile("../../scripts/debian/lockcached.default")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && strings.HasPrefix(name, "#LOCKCACHED_") {
			n++
			if !slices.ContainsFunc(flags, func(f flag) bool { return "#"+f.env() == name }) {
				t.Errorf("%s is no flag's variable", name)
			}
			t.Setenv(name[1:], value)
		}
	}
	if c := mustConfig(t); n < 10 || len(c.listen) != 2 || len(c.warnings)+len(c.ignored) > 0 {
		t.Errorf("%d variables, listening on %v, %q, %q", n, c.listen, c.warnings, c.ignored)
	}
}
