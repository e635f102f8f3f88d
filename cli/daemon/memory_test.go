package daemon_test

import (
	"runtime/debug"
	"syscall"
	"testing"

	"github.com/lockcached/lockcached/cli/internal/clitest"
)

func TestProcessLimit(t *testing.T) {
	const before = 1 << 40
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(before))
	t.Setenv("GOMEMLIMIT", "")
	s := clitest.Start(t, "-p-1", "-m", "100", "-c", "1000", "--stats-keys", "1000")
	// 64 MiB, 100 MiB and a half, 1000 connections, 1000 keys
	if got, want := debug.SetMemoryLimit(-1), int64(64<<20+150<<20+1000*36<<10+1000*2500); got != want {
		t.Errorf("the process may take %d bytes, want %d", got, want)
	}
	clitest.Ask(t, "tcp", s.Addrs[0], "cache_memlimit 200")
	if got, want := debug.SetMemoryLimit(-1), int64(64<<20+300<<20+1000*36<<10+1000*2500); got != want {
		t.Errorf("the process may take %d bytes when items may take 200 MiB, want %d", got, want)
	}
	s.Stop(syscall.SIGTERM)

	file := serveFile(t, "port = -1\nconn-limit = 1000")
	file.reload("port = -1\nconn-limit = 2000\nmemory-limit = 100", reloaded)
	fixed := int64(64<<20 + 2000*(36<<10) + 10_000*2500)
	if got, want := debug.SetMemoryLimit(-1), fixed+int64(150<<20); got != want {
		t.Errorf("the process may take %d bytes after a reload, want %d", got, want)
	}
	clitest.Ask(t, "tcp", file.Addrs[0], "cache_memlimit 200")
	if got, want := debug.SetMemoryLimit(-1), fixed+int64(300<<20); got != want {
		t.Errorf("the process may take %d bytes when items may take 200 MiB after a reload, want %d", got, want)
	}
	file.Stop(syscall.SIGTERM)

	t.Setenv("GOMEMLIMIT", "1TiB")
	debug.SetMemoryLimit(before)
	s = clitest.Start(t, "-p-1")
	clitest.Ask(t, "tcp", s.Addrs[0], "cache_memlimit 200")
	if got := debug.SetMemoryLimit(-1); got != before {
		t.Errorf("GOMEMLIMIT was set, and is %d now", got)
	}
	s.Stop(syscall.SIGTERM)
}
