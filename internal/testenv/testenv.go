// Package testenv says what the tests may expect of their machine: no particular speed, and
// only those programs that are installed.
package testenv

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Patience is how long a test waits for something that has to happen. It ends a test that
// hangs; no test passes or fails by the speed of the machine.
const Patience = 5 * time.Minute

// RequirePeers is the variable that is 1 where every peer has to be installed, as in
// .ci/run: a test without its peer then fails.
const RequirePeers = "LOCKCACHED_REQUIRE_PEERS"

// Missing skips a test whose peer is missing, or fails it where peers are required.
func Missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv(RequirePeers) == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// Root skips a test that needs root if another user runs it; why says what it needs root
// for. Where peers are required it fails, unless the variable LOCKCACHED_ROOT_TESTS says
// that root's tests run separately.
func Root(t testing.TB, why string) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("LOCKCACHED_ROOT_TESTS") == "separately":
		t.Skip(why)
	default:
		Missing(t, errors.New(why))
	}
}

// Program is the path of an installed program. Without it the test is skipped, as by
// Missing.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, err)
	}
	return path
}

// Memcached is the path of a memcached: the one that LOCKCACHED_MEMCACHED names, or
// the one that is installed.
func Memcached(t testing.TB) string {
	t.Helper()
	return Program(t, cmp.Or(os.Getenv("LOCKCACHED_MEMCACHED"), "memcached"))
}

// Eventually waits until a condition holds, and fails the test if it does not within
// Patience.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", Patience, what)
		}
	}
}

// PythonWith is the path of a Python that has the module. Debian's packages are for
// Debian's Python, which need not be the first in $PATH.
func PythonWith(t testing.TB, module string) string {
	t.Helper()
	var err error
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if err = exec.Command(python, "-c", "import "+module).Run(); err == nil {
			return python
		}
	}
	Missing(t, fmt.Errorf("python3 with %s: %w", module, err))
	return ""
}

// PHPWithMemcached makes sure that there is PHP with its extension memcached.
func PHPWithMemcached(t testing.TB) {
	t.Helper()
	if err := exec.Command("php", "-r", `exit(class_exists("Memcached") ? 0 : 1);`).Run(); err != nil {
		Missing(t, fmt.Errorf("php with its extension memcached: %w", err))
	}
}
