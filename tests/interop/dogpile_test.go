package interop_test

import (
	"net"
	"strconv"
	"strings"
	"testing"
)

// TestDogpile has processes want a value that is missing: one makes it, under the lock of
// dogpile.cache, and the others poll, or wait in line by policy.
func TestDogpile(t *testing.T) {
	t.Parallel()
	const processes = 4
	line := python("dogpile_client.py", "dogpile.cache, pylibmc")(t)
	claims := func(t *testing.T, address string) int {
		t.Helper()
		host, port, _ := net.SplitHostPort(address)
		told := run(t, line, host, port, strconv.Itoa(processes))
		n, err := strconv.Atoi(strings.TrimSpace(told))
		if err != nil {
			t.Fatalf("%q: %v", told, err)
		}
		return n
	}
	onBoth(t, func(t *testing.T, address, _ string) {
		if n := claims(t, address); n <= processes {
			t.Errorf("%d claims by %d processes: does none poll?", n, processes)
		}
	})
	t.Run("in line", func(t *testing.T) {
		t.Parallel()
		if n := claims(t, runServer(t, "--wait", "_lockpage=5m")); n != processes {
			t.Errorf("%d claims by %d processes", n, processes)
		}
	})
}

// TestLateReleases: a client that has lost its lock does not release it from its next holder,
// with --guard-release.
func TestLateReleases(t *testing.T) {
	t.Parallel()
	for _, client := range []struct {
		name    string
		program program
		locks   string
	}{
		{"dogpile.cache", python("late_client.py", "dogpile.cache, pylibmc"), "_lock*"},
		{"tooz", python("late_tooz_client.py", "tooz.drivers.memcached"), "__TOOZ_LOCK_*"},
	} {
		t.Run(client.name, func(t *testing.T) {
			t.Parallel()
			line := client.program(t)
			isHeld := func(flags ...string) string {
				host, port, _ := net.SplitHostPort(runServer(t, flags...))
				return strings.TrimSpace(run(t, line, host, port))
			}
			if got := isHeld(); got != "False" {
				t.Errorf("held without a guard: %q", got)
			}
			if got := isHeld("--guard-release", client.locks); got != "True" {
				t.Errorf("held with a guard: %q", got)
			}
		})
	}
}
