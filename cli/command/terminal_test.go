package command_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lockcached/lockcached/cli/internal/clitest"
)

// A session is a program that somebody started by hand.
type session struct {
	*exec.Cmd
	t      *testing.T
	seat   *os.File
	screen *bufio.Reader
}

// sitDown starts a program on a terminal. With pipe, the program writes to a pipe instead.
func sitDown(t *testing.T, pipe bool, args ...string) *session {
	t.Helper()
	seat, terminal := openTerminal(t)
	cmd := clitest.Program(args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	screen := io.Reader(seat)
	if pipe {
		cmd.Stdout = nil
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		screen = out
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	terminal.Close() // so that reading ends when the program does
	return &session{cmd, t, seat, bufio.NewReader(screen)}
}

// sees reads until the text appears.
func (s *session) sees(text string) {
	s.t.Helper()
	var seen strings.Builder
	for !strings.Contains(seen.String(), text) {
		b, err := s.screen.ReadByte()
		if err != nil {
			s.t.Fatalf("%v after %q, want %q", err, seen.String(), text)
		}
		seen.WriteByte(b)
	}
}

func (s *session) presses(keys string) {
	s.t.Helper()
	if _, err := s.seat.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// leaves reads what is left, and expects an exit code.
func (s *session) leaves(code int) (rest string) {
	s.t.Helper()
	b, _ := io.ReadAll(s.screen)
	_ = s.Wait() // its error is the exit code
	if got := s.ProcessState.ExitCode(); got != code {
		s.t.Errorf("exit %d, want %d", got, code)
	}
	return string(b)
}

const ctrlC, ctrlZ = "\x03", "\x1a"

// TestLockOnTerminal: Ctrl-C reaches the command once, in a pipeline, too, and Ctrl-Z
// stops it and us until somebody continues the job.
func TestLockOnTerminal(t *testing.T) {
	t.Parallel()
	server := lockServer(t)
	for name, pipe := range map[string]bool{"alone": false, "in-a-pipeline": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sitDown(t, pipe, "lock", name, "--server", server, "--", "sh", "-c",
				"trap 'echo got it' INT; trap 'echo again' CONT; echo begun; read word; echo you said $word; while :; do read word; done")
			s.sees("begun")
			s.presses("hello\n")
			s.sees("you said hello")
			s.presses(ctrlC + "\n") // a shell that is about to read notices only after that
			s.sees("got it")
			if !pipe { // without a shell in this session nobody could continue a pipeline: it does not stop
				s.presses(ctrlZ)
				var status unix.WaitStatus
				if _, err := unix.Wait4(s.Process.Pid, &status, unix.WUNTRACED, nil); err != nil || !status.Stopped() {
					t.Fatalf("%v, %x", err, status)
				}
				_ = unix.Kill(-s.Process.Pid, unix.SIGCONT)
				s.presses("\n")
				s.sees("again")
			}
			_ = s.Process.Signal(unix.SIGTERM)
			if rest := s.leaves(143); strings.Contains(rest, "got it") {
				t.Errorf("Ctrl-C came twice: %q", rest)
			}
		})
	}
}

// TestTopOnTerminal waits for two updates; top leaves the terminal as it was.
func TestTopOnTerminal(t *testing.T) {
	t.Parallel()
	server := lockServer(t)
	for _, key := range []string{"q", ctrlC} {
		s := sitDown(t, false, "top", "-n", "50ms", "--server", server)
		s.sees("0 held, 0 queued, 0 polling")
		clitest.Dial(t, server).Add("lock", "alice")
		s.sees("1 held, 0 queued, 0 polling; a second:")
		s.presses(key)
		s.sees("\x1b[?1049l")
		s.leaves(0)
		_ = clitest.Execute("release", "lock", "--force", "--server", server)
	}
}
