package command_test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/lockcached/lockcached/cli/internal/clitest"
	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/internal/testenv"
)

// What the test binary does first, if its variable says so: it gives up the right to signal
// other users' processes, or becomes another user, as sudo does.
const (
	withoutKill = "without-kill"
	otherUser   = "other-user"
	nobody      = 65534
)

// becomeAs executes a command as one of them. It returns only if that failed.
func becomeAs(how string, args []string) int {
	runtime.LockOSThread() // capabilities belong to a thread, and pass to what it executes
	err := os.Unsetenv("CLI_TEST_AS")
	if how == withoutKill {
		err = cmp.Or(err, dropKill())
	} else {
		err = cmp.Or(err, syscall.Setuid(nobody))
	}
	path, err2 := exec.LookPath(args[0])
	if err = cmp.Or(err, err2); err == nil {
		err = syscall.Exec(path, args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, how, err)
	return exit.Failed
}

// asOther returns a command line that runs a script as another user.
func asOther(script string) []string {
	return []string{"env", "CLI_TEST_AS=" + otherUser, os.Args[0], "sh", "-c", script}
}

// powerless returns a program that may signal only processes of its own user.
func powerless(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	testenv.Root(t, "only root can run a command as another user")
	cmd := clitest.Program(append([]string{os.Args[0]}, args...)...)
	cmd.Env = append(cmd.Env, "CLI_TEST_AS="+withoutKill)
	return cmd
}

// TestLockOfAnotherUser: a command that cannot be ended goes on; a message says so, and the
// lock is taken again.
func TestLockOfAnotherUser(t *testing.T) {
	t.Parallel()
	const notEnded = "but the command cannot be ended: operation not permitted"
	for _, tt := range []struct {
		name, flags, below string // a script that runs the command
		lost               bool
		code               int
		stderr             []string
	}{
		{"lost", "", "", true, 74, []string{"the lock is lost, " + notEnded, "the lock is held again, with token ",
			"the lock was lost while the command ran; it could not be ended: exit code 5"}},
		{"ignored", "--on-lost=ignore", "", true, 5, []string{"the lock is lost; the command goes on\n"}},
		{"too-long", "--max-run 1s", `trap "" TERM; exec "$@"`, false, 124, []string{"but cannot be ended: operation not permitted",
			"the command ran for longer than 1s; it could not be ended: exit code 5"}},
		{"what-it-has-started", "", `"$@"; true`, true, 74, []string{"the lock is lost; ending the command",
			"it was ended: terminated; what it has started cannot be ended, and goes on: operation not permitted"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := lockServer(t)
			command := asOther("echo begun; read line; exit 5")
			if tt.below != "" {
				command = append([]string{"sh", "-c", tt.below, "sh"}, command...)
			}
			args := slices.Concat([]string{"lock", "k", "--ttl", "2s", "--server", server}, strings.Fields(tt.flags), []string{"--"}, command)
			r := beginCommand(t, powerless(t, args...))
			if tt.lost {
				clitest.Output(t, "release", "k", "--force", "--server", server)
				if tt.flags == "" && tt.below == "" {
					testenv.Eventually(t, "it is held again", func() bool { return strings.Contains(r.stderr.String(), tt.stderr[1]) })
				}
			}
			testenv.Eventually(t, tt.stderr[0], func() bool { return strings.Contains(r.stderr.String(), tt.stderr[0]) })
			r.input.Close()
			got := r.end()
			if got.Code != tt.code {
				t.Errorf("exit %d", got.Code)
			}
			for _, want := range tt.stderr {
				if !strings.Contains(got.Stderr, "lockcached: k: ") || !strings.Contains(got.Stderr, want) {
					t.Errorf("%q lacks %q", got.Stderr, want)
				}
			}
			if strings.Count(got.Stderr, "the lock is lost") > 1 {
				t.Errorf("said twice: %s", got.Stderr)
			}
		})
	}
}
