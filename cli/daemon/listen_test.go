package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/internal/testenv"
)

func TestListenTCP(t *testing.T) {
	c := mustConfig(t, "-p", "-1", "-l", "127.0.0.1,localhost")
	list, err := listen(c)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(list)
	ports := filepath.Join(t.TempDir(), "ports")
	if err := writePorts(ports, list); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(ports)
	if err != nil {
		t.Fatal(err)
	}
	first := fmt.Sprintf("TCP INET: %d\n", list[0].Addr().(*net.TCPAddr).Port)
	if !strings.HasPrefix(string(content), first) || strings.Count(string(content), "\n") != len(list) {
		t.Errorf("ports file %q for %d listeners, the first %v", content, len(list), list[0].Addr())
	}
}

// TestListenBothFamilies: IPv6 listens beside IPv4 on the same port.
func TestListenBothFamilies(t *testing.T) {
	probe, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		testenv.Missing(t, fmt.Errorf("no IPv6 here: %w", err))
	}
	port := probe.Addr().(*net.TCPAddr).Port
	probe.Close()
	list, err := listen(mustConfig(t, "-l", "*", "-p", fmt.Sprint(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(list)
	if len(list) != 2 {
		t.Errorf("%d listeners for *, want one for each family", len(list))
	}
}

func TestListenInUse(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	list, err := listen(mustConfig(t, "-l", "127.0.0.1:0,"+l.Addr().String()))
	if !errors.Is(err, syscall.EADDRINUSE) || list != nil {
		t.Errorf("%d listeners, %v", len(list), err)
	}
	if exit.Code(err) == exit.Refused {
		t.Error("a port that another server has is no mistake of the command line")
	}
}

func TestListenElsewhere(t *testing.T) {
	_, err := listen(mustConfig(t, "-l", "192.0.2.1")) // an address for documentation
	if exit.Code(err) != exit.Refused {
		t.Errorf("an address of another machine: %v", err)
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	list, err := listen(mustConfig(t, "-s", path, "-a", "760"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o760 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := listen(mustConfig(t, "-s", path)); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a socket in use was taken over: %v", err)
	}
	closeAll(list)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket outlives the server: %v", err)
	}
}

func TestUnixSocketStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // as if killed
	l.Close()
	list, err := listen(mustConfig(t, "-s", path))
	if err != nil {
		t.Fatal(err)
	}
	closeAll(list)
}

func TestUnixSocketIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := listen(mustConfig(t, "-s", path))
	if want := "-s " + path + ": exists and is no socket; name a file that does not exist"; message(err) != want {
		t.Errorf("got  %q\nwant %q", message(err), want)
	}
	if content, _ := os.ReadFile(path); string(content) != "data" {
		t.Error("the file was touched")
	}
}
