package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lockcached/lockcached/cli"
	"github.com/lockcached/lockcached/internal/testenv"
)

// asProgram makes this test binary run as lockcached, so that what is tested is
// a process of its own, with the race detector if the tests have it.
const asProgram = "LOCKCACHED_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(cli.Main(os.Args, os.Stdout, os.Stderr))
	}
	if os.Getenv(asVictim) != "" {
		claimAll(os.Args[1], os.Args[2:])
	}
	os.Exit(m.Run())
}

// runServer starts lockcached on a free loopback port, stops it when the test
// ends, and returns its address.
func runServer(t *testing.T, flags ...string) string {
	t.Helper()
	return runServers(t, flags...)[0]
}

// runServers is runServer for flags that open more than one address.
func runServers(t *testing.T, flags ...string) (addresses []string) {
	t.Helper()
	p := start(t, flags...)
	t.Cleanup(p.stop)
	return p.addresses
}

// program is a lockcached that runs as a process of its own.
type program struct {
	t         *testing.T
	command   *exec.Cmd
	logFile   string
	addresses []string
}

// start starts lockcached, on a free loopback port unless the flags say otherwise, and
// leaves it to the test to end it.
func start(t *testing.T, flags ...string) *program {
	t.Helper()
	name := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p := startLogging(t, log, flags...)
	p.logFile = name
	return p
}

// startLogging is start for a log of one's own.
func startLogging(t *testing.T, log *os.File, flags ...string) *program {
	t.Helper()
	p := newProgram(t, log, flags...)
	portFile := filepath.Join(t.TempDir(), "port")
	p.command.Env = append(p.command.Env, "MEMCACHED_PORT_FILENAME="+portFile)
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.command.Process.Kill() }) // of a test that failed
	for _, port := range readPorts(t, portFile) {
		p.addresses = append(p.addresses, fmt.Sprintf("127.0.0.1:%d", port))
	}
	return p
}

// newProgram is one that is not started yet.
func newProgram(t *testing.T, log *os.File, flags ...string) *program {
	p := &program{t: t, command: exec.Command(os.Args[0], append([]string{"-p", "-1"}, flags...)...)}
	p.command.Env = append(os.Environ(), asProgram+"=1",
		"LOCKCACHED_MAX_WAIT="+testenv.Patience.String()) // a slow machine ends no wait
	p.command.Stderr = log
	return p
}

// address is the first that it listens on.
func (p *program) address() string { return p.addresses[0] }

// stop ends it in an orderly way.
func (p *program) stop() {
	_ = p.command.Process.Signal(syscall.SIGTERM)
	if err := p.command.Wait(); err != nil {
		p.t.Errorf("lockcached: %v\n%s", err, p.log())
	}
}

// log is what it has logged so far.
func (p *program) log() string {
	text, err := os.ReadFile(p.logFile)
	if err != nil {
		p.t.Error(err)
	}
	return string(text)
}

// kill ends it as it stands.
func (p *program) kill() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
}

// port is what it listens on.
func (p *program) port() string {
	_, port, _ := strings.Cut(p.address(), ":")
	return port
}
