// Package clitest runs command lines in tests: in the test itself, or as processes of their own.
package clitest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/lockcached/lockcached/cli"
)

// asProgram is the variable that makes a test binary the program.
const asProgram = "CLI_TEST_AS_PROGRAM"

// Main is for TestMain. It lets a test start its own binary as the program: changes that a process
// makes to itself (its user, its limits, its end) cannot be tested in the test's own process.
func Main(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(cli.Main(os.Args, os.Stdout, os.Stderr))
	}
	heedSignals()
	os.Exit(m.Run())
}

// heedSignals is for tests under nohup, or in the background of a script: a signal ignored here
// would be ignored in every process that a test starts, and a shell cannot even trap it. A signal
// that is caught here has its default action there.
func heedSignals() {
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
}

// A Result is how a command line ended, and what it printed.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Ended is a Result to compare with.
func Ended(code int, stdout, stderr string) Result { return Result{code, stdout, stderr} }

// Execute runs a command line in the test.
func Execute(args ...string) Result {
	var stdout, stderr bytes.Buffer
	code := cli.Run(append([]string{"lockcached"}, args...), &stdout, &stderr, nil)
	return Result{code, stdout.String(), stderr.String()}
}

// Output runs a command line, which must succeed without complaint, and returns what it prints.
func Output(t *testing.T, args ...string) string {
	t.Helper()
	got := Execute(args...)
	if got.Code != 0 || got.Stderr != "" {
		t.Errorf("%q: exit %d, stderr %q", args, got.Code, got.Stderr)
	}
	return got.Stdout
}

// Program returns a command line as a process of its own, in a session of its own, as cron starts
// it.
func Program(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// Finish runs a process to its end.
func Finish(t *testing.T, cmd *exec.Cmd) Result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return Result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// A Wire is a connection to a server.
type Wire struct {
	t    *testing.T
	conn net.Conn
}

// Dial connects to a server until the test ends; an address with a slash is a Unix socket.
func Dial(t *testing.T, addr string) Wire {
	t.Helper()
	network := "tcp"
	if strings.Contains(addr, "/") {
		network = "unix"
	}
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	return NewWire(t, conn)
}

// NewWire is Dial for a connection that was made already.
func NewWire(t *testing.T, conn net.Conn) Wire {
	t.Cleanup(func() { conn.Close() })
	return Wire{t, conn}
}

// Add claims a lock for a minute, and returns the reply.
func (w Wire) Add(key, owner string) string {
	w.t.Helper()
	return w.Send(fmt.Sprintf("add %s 0 60 %d\r\n%s", key, len(owner), owner))
}

// Send sends a request, and returns the reply.
func (w Wire) Send(request string) string {
	w.t.Helper()
	fmt.Fprintf(w.conn, "%s\r\n", request)
	reply := make([]byte, 100)
	n, err := w.conn.Read(reply)
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimSpace(string(reply[:n]))
}

// Nowhere returns an address at which nobody listens.
func Nowhere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

// SecretFile writes a file that only its owner may read, and returns its path.
func SecretFile(t *testing.T, text string) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}
