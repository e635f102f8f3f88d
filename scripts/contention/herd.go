//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/scripts/internal/rig"
)

// Times of the herd's story. What is shown are the first two seconds, in slots, after
// the server is gone and after it is back.
const (
	grazing = 5 * time.Second // before
	absence = 3 * time.Second
	slot    = 100 * time.Millisecond
	slots   = 20
	// thinking is how long a client has no wish for a lock, on average.
	thinking = 2 * time.Second
)

// loseServer shows what a herd of clients does whose server goes away and comes back.
func loseServer(ctx context.Context, o options) error {
	path, err := exec.LookPath("lockcached")
	if err != nil {
		return err
	}
	server, err := rig.StartMemcached(ctx, path, 3*o.clients+spareConns)
	if err != nil {
		return err
	}
	defer server.Stop()
	r, err := newRelay(server.Addr)
	if err != nil {
		return err
	}
	defer r.Close()
	h := &herd{relay: r}
	progress := rig.NewProgress(3)
	defer progress.Clear()
	grazers, stop := context.WithCancel(ctx)
	err = h.graze(grazers, o.clients)
	before, gone, back, storyErr := h.story(ctx, progress)
	stop()
	h.clients.Wait()
	progress.Clear()
	if err = errors.Join(err, storyErr); err != nil {
		return err
	}
	h.report(os.Stdout, o, before, gone, back)
	return nil
}

// A herd is many clients that take and release locks, each its own, in one process.
type herd struct {
	relay   *relay
	clients sync.WaitGroup
	locked  atomic.Int64
	failed  atomic.Int64 // because the server was away for too long
}

func (h *herd) graze(ctx context.Context, clients int) error {
	for i := range clients {
		c, err := client.New(client.Config{Servers: []string{h.relay.Addr().String()}})
		if err != nil {
			return err
		}
		h.clients.Go(func() {
			defer c.Close()
			for rig.Sleep(ctx, rand.N(2*thinking)) == nil {
				h.lock(ctx, c, fmt.Sprintf("lock:herd:%d", i))
			}
		})
	}
	return nil
}

func (h *herd) lock(ctx context.Context, c *client.Client, key string) {
	l, err := c.Lock(ctx, key)
	if err == nil {
		err = l.Unlock()
	}
	switch {
	case errors.Is(err, client.ErrUnavailable):
		h.failed.Add(1)
	case err == nil:
		h.locked.Add(1)
	}
}

// story lets the server go away and come back. It returns the moments when.
func (h *herd) story(ctx context.Context, progress *rig.Progress) (before, gone, back time.Time, err error) {
	progress.Step("all is well")
	if err = rig.Sleep(ctx, grazing); err != nil {
		return before, gone, back, err
	}
	progress.Step("the server is gone")
	gone = h.relay.leave()
	before = gone.Add(-slots * slot)
	if err = rig.Sleep(ctx, absence); err != nil {
		return before, gone, back, err
	}
	progress.Step("the server is back")
	back = h.relay.comeBack()
	return before, gone, back, rig.Sleep(ctx, slots*slot)
}

// report writes the requests in each slot, with bars.
func (h *herd) report(w io.Writer, o options, before, gone, back time.Time) {
	fmt.Fprintf(w, "%d clients, each of which takes and releases a lock of its own every %v; their server is away for %v.\n",
		o.clients, thinking, absence)
	fmt.Fprintf(w, "%d locks taken, %d times given up.\n", h.locked.Load(), h.failed.Load())
	fmt.Fprintf(w, "Requests in slots of %v; while the server is away, attempts to connect.\n", slot)
	for _, part := range []struct {
		title string
		from  time.Time
	}{{"the last before it goes", before}, {"the first after it is gone", gone}, {"the first after it is back", back}} {
		counts := h.relay.rates(part.from, slot, slots)
		most := max(slices.Max(counts), 1)
		fmt.Fprintf(w, "\n%s:\n", part.title)
		for i, n := range counts {
			bar := strings.Repeat("#", (50*n+most-1)/most)
			fmt.Fprintf(w, "%4d ms %6d %s\n", int64(i)*slot.Milliseconds(), n, bar)
		}
	}
}
