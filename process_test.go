package main_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lockcached/lockcached/cli"
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
	addresses, server, log := startServers(t, flags...)
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		if err := server.Wait(); err != nil {
			t.Errorf("lockcached: %v\n%s", err, log)
		}
	})
	return addresses
}

// startServer leaves it to the test to stop the server.
func startServer(t *testing.T, flags ...string) (address string, server *exec.Cmd, log *bytes.Buffer) {
	t.Helper()
	addresses, server, log := startServers(t, flags...)
	return addresses[0], server, log
}

func startServers(t *testing.T, flags ...string) (addresses []string, server *exec.Cmd, log *bytes.Buffer) {
	t.Helper()
	portFile := filepath.Join(t.TempDir(), "port")
	server = exec.Command(os.Args[0], append([]string{"-p", "-1"}, flags...)...)
	server.Env = append(os.Environ(), asProgram+"=1", "MEMCACHED_PORT_FILENAME="+portFile)
	log = new(bytes.Buffer)
	server.Stderr = log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill() }) // of a test that failed
	for _, port := range readPorts(t, portFile) {
		addresses = append(addresses, fmt.Sprintf("127.0.0.1:%d", port))
	}
	return addresses, server, log
}

// missing skips a test whose peer is not installed, unless the absence of a peer
// is to be an error.
func missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("LOCKCACHED_REQUIRE_PEERS") == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
}
