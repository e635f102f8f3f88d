package processes_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/client/cache"
)

const outageLease = time.Hour // nobody loses a lock because the machine is slow

// outages is how often the server goes away: LOCKCACHED_ROUNDS, or a few times.
func outages() int {
	if n, err := strconv.Atoi(os.Getenv("LOCKCACHED_ROUNDS")); err == nil {
		return n
	}
	return 3
}

// TestOutages: clients lock and unlock in loops while their server, which keeps its locks
// on disk, ends and is started again, in an orderly way and killed in turn. No client
// notices, no lock is doubled or lost, and no client asks all the time. When the server has
// gone for good they are told so.
func TestOutages(t *testing.T) {
	flags := []string{"--data", filepath.Join(t.TempDir(), "data")}
	server := start(t, flags...)
	flags = append(flags, "-p", server.Port())
	c := newCrowd(t, server.Address())
	stop := c.work()
	defer stop()
	var away time.Duration // at the most
	for round := range outages() {
		c.isAtWork()
		begun := time.Now()
		if round%2 == 0 {
			server.Stop()
		} else {
			server.Kill()
		}
		server = start(t, flags...)
		away = max(away, time.Since(begun))
	}
	c.isAtWork()
	stop()
	c.judge(away)
	server.Stop()
	c.findNobody(server.Address())
}

// TestComputedOnceOverAnOutage: the server is killed and started again while one client
// computes what a thousand want. Those that waited for the lock go on waiting: on disk it
// is still held.
func TestComputedOnceOverAnOutage(t *testing.T) {
	const clients, callers = 20, 50
	flags := []string{"--data", filepath.Join(t.TempDir(), "data")}
	server := start(t, flags...)
	config := cache.Config[string]{Lease: outageLease, ServerAway: cache.GiveUp}
	var computations atomic.Int32
	computing, done := make(chan bool, clients*callers), make(chan bool)
	compute := func(ctx context.Context) (string, error) {
		computations.Add(1)
		computing <- true
		select {
		case <-done:
		case <-ctx.Done():
		}
		return "value", ctx.Err()
	}
	var all sync.WaitGroup
	for range clients {
		pages := cache.New(newLockClient(t, client.Config{Servers: server.Addresses}), config)
		for range callers {
			all.Go(func() {
				value, err := pages.Get(t.Context(), "page:1", compute)
				for errors.Is(err, client.ErrUnavailable) { // the machine is slow
					time.Sleep(100 * time.Millisecond)
					value, err = pages.Get(t.Context(), "page:1", compute)
				}
				if value != "value" || err != nil {
					t.Errorf("got %q, %v", value, err)
				}
			})
		}
	}
	<-computing
	waitForField(t, clientOf(t, server.Address()), "lockcached:lock:lock:page:1", fmt.Sprint("queued=", clients-1))
	server.Kill()
	server = start(t, append(flags, "-p", server.Port())...)
	close(done)
	all.Wait()
	if n := computations.Load(); n != 1 {
		t.Errorf("computed %d times", n)
	}
	server.Stop()
}
