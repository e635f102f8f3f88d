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
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/internal/bench/rig"
)

// The slots show the first two seconds after the server goes away, and the first two after
// it comes back. It is away for two seconds.
const (
	slot  = 100 * time.Millisecond
	slots = 20
	// sulking is the longest pause of a client after its Lock has failed.
	sulking = time.Second
)

// loseServer shows what a herd of clients that wait in line for a lock does when the server
// goes away: all notice at the same moment.
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
	holder, err := client.New(client.Config{Servers: []string{server.Addr}})
	if err != nil {
		return err
	}
	defer holder.Close()
	if _, err := holder.Lock(ctx, lockKey, client.TTL(time.Hour)); err != nil {
		return err
	}
	h := &herd{relay: r, holder: holder, size: o.clients}
	if err := h.live(ctx); err != nil {
		return err
	}
	h.report(os.Stdout)
	return nil
}

// A herd is many clients in one process.
type herd struct {
	relay      *relay
	holder     *client.Client
	size       int
	gone, back time.Time
	failed     atomic.Int64 // calls of Lock, because the server was away for too long
	returned   int          // clients that wait in line at the end
}

// live lets the clients of the herd want the lock while watch disturbs them.
func (h *herd) live(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	for range h.size {
		c, err := client.New(client.Config{Servers: []string{h.relay.Addr().String()}})
		if err != nil {
			return err
		}
		clients.Go(func() {
			defer c.Close()
			h.want(ctx, c)
		})
	}
	return h.watch(ctx)
}

// want waits in line again and again until ctx ends.
func (h *herd) want(ctx context.Context, c *client.Client) {
	for ctx.Err() == nil {
		if _, err := c.Lock(ctx, lockKey); errors.Is(err, client.ErrUnavailable) {
			h.failed.Add(1)
		}
		_ = rig.Sleep(ctx, rand.N(sulking))
	}
}

// watch lets the server go away and come back.
func (h *herd) watch(ctx context.Context) (err error) {
	progress := rig.NewProgress(3)
	defer progress.Clear()
	progress.Step("the clients come into line")
	for h.returned < h.size {
		if err := rig.Sleep(ctx, slot); err != nil {
			return err
		}
		if h.returned, err = h.inLine(ctx); err != nil {
			return err
		}
	}
	progress.Step("the server is gone")
	h.gone = h.relay.leave()
	if err := rig.Sleep(ctx, slots*slot); err != nil {
		return err
	}
	progress.Step("the server is back")
	h.back = h.relay.comeBack()
	if err := rig.Sleep(ctx, slots*slot); err != nil {
		return err
	}
	h.returned, err = h.inLine(ctx)
	return err
}

func (h *herd) inLine(ctx context.Context) (int, error) {
	info, err := h.holder.Info(ctx, lockKey)
	return info.Queued, err
}

// report writes how many requests there were in each slot.
func (h *herd) report(w io.Writer) {
	fmt.Fprintf(w, "%d clients wait in line when their server goes away, for %v. %d times one of them gave up.\n",
		h.size, slots*slot, h.failed.Load())
	fmt.Fprintf(w, "%v after it is back %d of them are in line again.\n\n", slots*slot, h.returned)
	var table rig.Table
	table.Row("ms", "attempts to connect after it is gone", "requests after it is back")
	gone, back := h.relay.rates(h.gone, slot, slots), h.relay.rates(h.back, slot, slots)
	for i := range slots {
		table.Row(fmt.Sprint(int64(i)*slot.Milliseconds()), fmt.Sprint(gone[i]), fmt.Sprint(back[i]))
	}
	table.Print(w)
}
