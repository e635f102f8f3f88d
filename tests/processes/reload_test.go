package processes_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/testenv"
)

// TestReloads changes the configuration of a busy server again and again: no lock is lost, and no
// connection is closed.
func TestReloads(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lockcached.toml")
	write := func(waiters int, more string) {
		text := fmt.Sprintf("max-waiters = %d\nconn-limit = %d\nretry-rate = %d\n%s", waiters, 100+waiters, waiters, more)
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write(100, "")
	p := start(t, "--config", path)
	kept := clientOf(t, p.Address())
	is(t, "a lock from before", kept.Add(item("kept", "owner", 3600)), nil)
	before := holds(t, kept, "kept", "owner").CasID

	var done atomic.Bool
	var work sync.WaitGroup
	for i := range 4 {
		work.Go(func() {
			c, key := clientOf(t, p.Address()), fmt.Sprintf("lock:%d", i)
			for !done.Load() && !t.Failed() {
				is(t, "add", c.Add(item(key, "me", 60)), nil)
				is(t, "delete", c.Delete(key), nil)
			}
		})
	}
	const rounds = 10
	for i := range rounds {
		more := "[wait]\n'lock:*' = '" + fmt.Sprint(i+1) + "s'\n"
		write(101+i, more)
		reload(t, p.Command.Process, p.Log, "configuration reloaded", i+1)
		write(101+i, "max-waiters-total = 'many'\n"+more)
		reload(t, p.Command.Process, p.Log, "cannot be reloaded, all stays", i+1)
	}
	done.Store(true)
	work.Wait()
	if after := holds(t, kept, "kept", "owner").CasID; after != before {
		t.Errorf("token %d, was %d", after, before)
	}
	p.Stop()
}

// reload sends SIGHUP, and waits until the log has the n-th line of that kind.
func reload(t *testing.T, p *os.Process, log func() string, line string, n int) {
	t.Helper()
	if err := p.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(testenv.Patience); strings.Count(log(), line) < n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not %d times %q in %s", n, line, log())
		}
	}
}
