package main_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

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

// fill writes a file until there is no space left.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = file.Write(block)
	}
}

// On a full disk no lock is granted nor renewed, but given back, and health is red.
// With space everything is as before, and what was released stays so.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t)
	server := start(t, "--data", filepath.Join(disk, "data"), "--metrics", "127.0.0.1:0")
	web := server.metrics()
	client := clientOf(t, server.address())
	is(t, "add", client.Add(item("lock:kept", "a", 60)), nil)
	is(t, "add", client.Add(item("lock:released", "a", 60)), nil)
	wantHealth(t, web, http.StatusOK, "ok")

	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	// What is left of the journal's last page can take some more.
	refused := func() error {
		return client.Add(item("lock:new"+fmt.Sprint(time.Now().UnixNano()), strings.Repeat("x", 4096), 60))
	}
	var err error
	for err = refused(); err == nil; err = refused() {
	}
	const line = "SERVER_ERROR cannot write the journal: no space left on device"
	if !strings.Contains(err.Error(), line) {
		t.Errorf("refused with %v", err)
	}
	if err := client.Touch("lock:kept", 60); err == nil || !strings.Contains(err.Error(), line) {
		t.Errorf("touch: %v", err)
	}
	is(t, "add of a held lock", client.Add(item("lock:kept", "b", 60)), memcache.ErrNotStored)
	is(t, "delete", client.Delete("lock:released"), nil)
	wantHealth(t, web, http.StatusServiceUnavailable, "locks: cannot write the journal: no space left on device")

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "a lock is granted once there is space", func() bool { return refused() == nil })
	wantHealth(t, web, http.StatusOK, "ok")
	server.kill()
	server = start(t, "--data", filepath.Join(disk, "data"))
	defer server.stop()
	client = clientOf(t, server.address())
	is(t, "add of what was kept", client.Add(item("lock:kept", "b", 60)), memcache.ErrNotStored)
	is(t, "add of what was released", client.Add(item("lock:released", "b", 60)), nil)
}

// metrics is where it serves metrics.
func (p *program) metrics() string {
	p.t.Helper()
	var address string
	testenv.Eventually(p.t, "the address of the metrics is logged, which follows the port", func() (found bool) {
		_, rest, _ := strings.Cut(p.log(), `"metrics":"`)
		address, _, found = strings.Cut(rest, `"`)
		return found
	})
	return address
}

// wantHealth asks whether the server is well.
func wantHealth(t *testing.T, address string, code int, body string) {
	t.Helper()
	answer, err := http.Get("http://" + address + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != code || string(text) != body+"\n" {
		t.Errorf("health is %d %q, want %d %q", answer.StatusCode, text, code, body)
	}
}
