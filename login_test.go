package main_test

import (
	"slices"
	"strings"
	"testing"
)

func TestGomemcacheLogin(t *testing.T) {
	t.Parallel()
	address := runServer(t, "-Y", "testdata/auth/passwords")
	stranger, wrong, known := clientOf(t, address), clientOf(t, address), clientOf(t, address)
	logIn(wrong, "foo", "quux")
	logIn(known, "foo", "bar")
	if err := stranger.FlushAll(); err == nil || !strings.Contains(err.Error(), "unauthenticated") {
		t.Errorf("flush_all of a stranger: %v", err)
	}
	if err := wrong.Ping(); err == nil || !strings.Contains(err.Error(), "wrong user or password") {
		t.Errorf("ping with a wrong password: %v", err)
	}
	is(t, "add", known.Add(item("lock", "x", 60)), nil)
	holds(t, known, "lock", "x")
}

// TestSecurityExample compares the program in SECURITY.md with the one that is compiled.
func TestSecurityExample(t *testing.T) {
	_, program, _ := strings.Cut(readFile(t, "login_example_test.go"), "// SECURITY.md shows this function.\n\n")
	if program == "" || !slices.Contains(fenced(readFile(t, "SECURITY.md")), program) {
		t.Error("SECURITY.md does not show the function of login_example_test.go")
	}
}
