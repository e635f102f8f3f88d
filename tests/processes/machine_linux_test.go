package processes_test

import (
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lockcached/lockcached/internal/testenv"
)

// smallDisk mounts a disk of a megabyte.
func smallDisk(t *testing.T) string {
	t.Helper()
	testenv.Root(t, "only root mounts a disk")
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		testenv.Missing(t, fmt.Errorf("a small disk: %w", err))
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// limit changes a soft limit of a process, and returns what it was.
func limit(t *testing.T, pid, resource int, to uint64) (before uint64) {
	t.Helper()
	var l unix.Rlimit
	if err := unix.Prlimit(pid, resource, nil, &l); err != nil {
		t.Fatal(err)
	}
	before, l.Cur = l.Cur, to
	if err := unix.Prlimit(pid, resource, &l, nil); err != nil {
		t.Fatal(err)
	}
	return before
}

// splice passes on what can be read, in one step, and returns how much that was.
func splice(from, to int) int64 {
	n, _ := unix.Splice(from, nil, to, nil, 1<<10, 0)
	return n
}
