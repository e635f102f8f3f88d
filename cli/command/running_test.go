package command_test

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/lockcached/lockcached/cli/internal/clitest"
)

// A running program is one whose command has begun.
type running struct {
	*exec.Cmd
	t      *testing.T
	input  io.Closer // the end of what it reads
	lines  *bufio.Reader
	stderr notes
}

// notes are what a program has written so far.
type notes struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *notes) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(b)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// begin starts a command under a lock, a shell script that prints a line first.
func begin(t *testing.T, server, script string, flags ...string) *running {
	t.Helper()
	args := append([]string{"lock", "k", "--server", server}, flags...)
	return beginCommand(t, clitest.Program(append(args, "--", "sh", "-c", script)...))
}

// beginCommand starts a command that prints a line first.
func beginCommand(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	r := &running{Cmd: cmd, t: t}
	in, err1 := r.StdinPipe()
	out, err2 := r.StdoutPipe()
	if err := cmp.Or(err1, err2); err != nil {
		t.Fatal(err)
	}
	r.input = in
	r.Cmd.Stderr = &r.stderr
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	r.lines = bufio.NewReader(out)
	if got := r.line(); got != "begun" {
		t.Errorf("%q", got)
	}
	return r
}

func (r *running) line() string {
	line, _ := r.lines.ReadString('\n')
	return strings.TrimSpace(line)
}

// end waits until the program ends, and returns its result.
func (r *running) end() clitest.Result {
	r.t.Helper()
	rest, _ := io.ReadAll(r.lines)
	_ = r.Wait() // its error is the exit code
	return clitest.Ended(r.ProcessState.ExitCode(), string(rest), r.stderr.String())
}

func (r *running) signal(sig syscall.Signal) {
	r.t.Helper()
	if err := r.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
}

// waiting is a script that goes on until a signal ends it.
const waiting = "echo begun; while :; do sleep 0.05; done"
