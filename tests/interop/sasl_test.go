package interop_test

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/lockcached/lockcached/internal/harness"
)

// TestSASL has clients log in with the right password, a wrong one and none.
func TestSASL(t *testing.T) {
	t.Parallel()
	clients := map[string]program{
		"Dalli":                   ruby("dalli.rb", "dalli"),
		"python-binary-memcached": python("bmemcached_client.py", "bmemcached"),
		"pylibmc":                 python("pylibmc_client.py", "pylibmc"),
		"memjs":                   node("memjs/client.js", "memjs"),
		"gomemcached":             goClient("gomemcached"),
	}
	for name, client := range clients {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line := client(t)
			t.Run("memcached", func(t *testing.T) {
				t.Parallel()
				expectLogins(t, line, harness.RunMemcachedWithSASL(t, passwords), "memcached")
			})
			t.Run("lockcached", func(t *testing.T) {
				t.Parallel()
				expectLogins(t, line, runServer(t, "-S", "-Y", passwordFile(t), "--wait", "wait:*=5m"), "lockcached")
			})
		})
	}
}

// passwords is what a file for -Y holds.
const passwords = "alice:secret\n"

// refusal is how the clients name a login that failed or is missing. 41 is libmemcached's
// number for it.
var refusal = regexp.MustCompile(`(?i)authentication|auth failure|auth_error|error 41 `)

func expectLogins(t *testing.T, line []string, address, server string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	play := func(environment ...string) (told string, err error) {
		cmd := command(t, line, host, port, server)
		cmd.Env = append(os.Environ(), environment...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for what, environment := range map[string][]string{
		"a wrong password": {"MEMCACHE_USERNAME=alice", "MEMCACHE_PASSWORD=wrong"},
		"no password":      {},
	} {
		if told, err := play(environment...); err == nil || !refusal.MatchString(told) {
			t.Errorf("with %s: %v\n%s", what, err, told)
		}
	}
	if told, err := play("MEMCACHE_USERNAME=alice", "MEMCACHE_PASSWORD=secret"); err != nil {
		t.Errorf("with the right password: %v\n%s", err, told)
	}
}

// passwordFile is one for lockcached.
func passwordFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(path, []byte(passwords), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
