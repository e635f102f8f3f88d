package cluster_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lockcached/lockcached/internal/testenv"
)

// mountDisk puts a disk of so many megabytes in the place of an empty directory.
func mountDisk(t *testing.T, dir string, megabytes int) {
	t.Helper()
	testenv.Root(t, "only root mounts a disk")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		testenv.Missing(t, fmt.Errorf("a small disk: %w", err))
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
}

// fill takes all the space that is left on a disk.
func fill(t *testing.T, file string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for junk := make([]byte, 64<<10); err == nil; {
		_, err = f.Write(junk)
	}
}

// The disk of a node fills up: its process ends, and others serve what it served.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	needsTime(t)
	n, _ := prepare(t, names, patient...)
	full := "c"
	mountDisk(t, n.data(full), 256) // etcd takes half of that from the beginning
	t.Cleanup(n.stopAll)            // before the disk goes
	n.startThese(names...)
	c := n.dial("a")
	key := ""
	for i := 0; key == "" || n.owner(key) != full; i++ {
		key = fmt.Sprint("lock:", i)
	}
	c.send("add "+key+" 0 600 6", "holder")
	c.gets("STORED")
	token := c.token(key, "holder")
	fill(t, filepath.Join(n.data(full), "junk"))

	process := n.all[full].Command
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	value := strings.Repeat("x", 900_000)
	testenv.Eventually(t, "the process ends", func() bool {
		c.send(fmt.Sprintf("add lock:large 0 600 %d", len(value)), value)
		c.line()
		c.send("delete lock:large")
		c.line()
		select {
		case err := <-ended:
			if err == nil {
				t.Error("it ends as if all were well")
			}
			return true
		default:
			return false
		}
	})
	if log := n.all[full].Log(); !strings.Contains(log, "no space left on device") {
		t.Errorf("it does not say why it ends: %s", log)
	}
	delete(n.all, full)
	n.awaitSlots()
	n.holds(key, token, "a", "b")
}
