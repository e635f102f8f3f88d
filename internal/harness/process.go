package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lockcached/lockcached/cli"
	"github.com/lockcached/lockcached/internal/testenv"
)

// AsProgram is the variable that makes a test binary run as lockcached, so that the tests
// have it as a process of its own, with the race detector if they have it themselves.
const AsProgram = "LOCKCACHED_TEST_AS_PROGRAM"

// Main runs the tests of a package that starts lockcached, in the root of the repository.
// TestMain calls it. It does not return.
func Main(m *testing.M) {
	if os.Getenv(AsProgram) != "" {
		os.Exit(cli.Main(os.Args, os.Stdout, os.Stderr))
	}
	if err := goToRoot(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// Lockcached is a command, not started yet, that runs lockcached with these arguments.
func Lockcached(args ...string) *exec.Cmd {
	command := exec.Command(os.Args[0], args...)
	command.Env = append(os.Environ(), AsProgram+"=1")
	return command
}

// RunServer starts lockcached on a free loopback port, stops it when the test ends, and
// returns its address.
func RunServer(t *testing.T, flags ...string) string {
	t.Helper()
	return RunServers(t, flags...)[0]
}

// RunServers is RunServer for flags that open more than one address.
func RunServers(t *testing.T, flags ...string) (addresses []string) {
	t.Helper()
	p := Start(t, flags...)
	t.Cleanup(p.Stop)
	return p.Addresses
}

// A Process is a lockcached that runs as a process of its own.
type Process struct {
	Command   *exec.Cmd
	Addresses []string // on which it listens

	t        *testing.T
	logFile  string
	portFile string
}

// Start starts lockcached, on a free loopback port unless the flags say otherwise, and
// leaves it to the test to end it.
func Start(t *testing.T, flags ...string) *Process {
	t.Helper()
	return StartAll(t, flags)[0]
}

// StartAll is Start for processes that wait for each other, each with its own flags.
func StartAll(t *testing.T, flags ...[]string) (all []*Process) {
	t.Helper()
	return StartEach(t, func(_ int, start func()) { start() }, flags...)
}

// StartEach is StartAll where each process is started by a call of within, which calls start: in
// the network namespace of a host, for example.
func StartEach(t *testing.T, within func(i int, start func()), flags ...[]string) (all []*Process) {
	t.Helper()
	for i, f := range flags {
		name := filepath.Join(t.TempDir(), "log")
		log, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		within(i, func() {
			p := launch(t, log, f...)
			p.logFile = name
			all = append(all, p)
		})
	}
	for _, p := range all {
		p.awaitPorts()
	}
	return all
}

// StartLogging is Start with a log that the test reads itself.
func StartLogging(t *testing.T, log *os.File, flags ...string) *Process {
	t.Helper()
	p := launch(t, log, flags...)
	p.awaitPorts()
	return p
}

// launch starts a process that may not be ready yet.
func launch(t *testing.T, log *os.File, flags ...string) *Process {
	t.Helper()
	p := NewProcess(t, log, flags...)
	p.portFile = filepath.Join(t.TempDir(), "port")
	p.Command.Env = append(p.Command.Env, portFilename+"="+p.portFile)
	if err := p.Command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Command.Process.Kill() }) // for a test that failed
	return p
}

// awaitPorts waits until the process listens.
func (p *Process) awaitPorts() {
	p.t.Helper()
	defer func() {
		if p.Addresses == nil && p.logFile != "" {
			p.t.Logf("its log: %s", p.Log())
		}
	}()
	for _, port := range ReadPorts(p.t, p.portFile) {
		p.Addresses = append(p.Addresses, fmt.Sprintf("127.0.0.1:%d", port))
	}
}

// NewProcess returns a Process that is not started yet.
func NewProcess(t *testing.T, log *os.File, flags ...string) *Process {
	p := &Process{t: t, Command: Lockcached(append([]string{"-p", "-1"}, flags...)...)}
	// A slow machine must not end a wait.
	p.Command.Env = append(p.Command.Env, "LOCKCACHED_MAX_WAIT="+testenv.Patience.String())
	p.Command.Stderr = log
	return p
}

// Address is the first address on which the process listens.
func (p *Process) Address() string { return p.Addresses[0] }

// Port is the port of Address.
func (p *Process) Port() string {
	_, port, _ := strings.Cut(p.Address(), ":")
	return port
}

// Stop ends the process in an orderly way.
func (p *Process) Stop() {
	_ = p.Command.Process.Signal(syscall.SIGTERM)
	if err := p.Command.Wait(); err != nil {
		p.t.Errorf("lockcached: %v\n%s", err, p.Log())
	}
}

// Kill kills the process.
func (p *Process) Kill() {
	_ = p.Command.Process.Kill()
	_ = p.Command.Wait()
}

// Log is what the process has logged so far.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.logFile)
	if err != nil {
		p.t.Error(err)
	}
	return string(text)
}

// portFilename is the variable that names the file in which memcached and lockcached write
// the ports on which they listen.
const portFilename = "MEMCACHED_PORT_FILENAME"

// ReadPorts waits for that file, which a server has been told to write.
func ReadPorts(t *testing.T, path string) (ports []int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			var port int
			if _, err := fmt.Sscanf(line, "TCP INET: %d", &port); err != nil {
				t.Fatalf("%s: %v in %q", path, err, text)
			}
			ports = append(ports, port)
		}
		return ports
	}
	t.Fatal("the server does not tell its port")
	return nil
}
