//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
	"github.com/lockcached/lockcached/protocol"
)

const queuedWaiters = 15_000

// A footprint is what a long line on one lock costs, and how it is served.
type footprint struct {
	bytes    float64 // per waiter, its connection included
	inOrder  int     // waiters served in the order in which they had queued
	took     time.Duration
	p50, p99 float64 // gap, microseconds
}

// measureMemory makes lockcached's waiters queue, and then release as soon as they are
// served.
func measureMemory(ctx context.Context, systems []*system) (footprint, error) {
	s := systems[0]
	if s.name != "lockcached" {
		return footprint{}, errors.New("-memory is about lockcached")
	}
	defer s.stop()
	if err := s.start(ctx, queuedWaiters+spareConns); err != nil {
		return footprint{}, err
	}
	if s.server == nil {
		return footprint{}, errors.New("lockcached: absent")
	}
	progress := rig.NewProgress(3)
	defer progress.Clear()

	progress.Step("an empty server")
	before, err := s.server.SettledRSS(ctx)
	if err != nil {
		return footprint{}, err
	}
	progress.Step("waiters queue")
	cs, err := newClients(s, load{clients: 1 + queuedWaiters})
	if err != nil {
		return footprint{}, err
	}
	defer cs.close()
	if err := cs.queue(ctx, s.server.addr, false); err != nil {
		return footprint{}, err
	}
	after, err := s.server.SettledRSS(ctx)
	if err != nil {
		return footprint{}, err
	}
	f := footprint{bytes: float64(after-before) / queuedWaiters}
	if err := cs.finish(ctx); err != nil {
		return footprint{}, err
	}
	progress.Step("waiters are served")
	if err := cs.queue(ctx, s.server.addr, true); err != nil {
		return footprint{}, err
	}
	return f, f.serve(ctx, cs)
}

// queue makes the clients claim the lock. If inOrder, the first holds the lock and each of
// the others queues behind the one before; this takes so many questions to the server that
// its memory says nothing any more.
func (cs *clients) queue(ctx context.Context, addr string, inOrder bool) error {
	conn, err := net.DialTimeout("tcp", addr, answerWithin)
	if err != nil {
		return err
	}
	defer conn.Close()
	for i, c := range cs.all {
		if err := cs.want(c, time.Now()); err != nil {
			return err
		}
		if !inOrder {
			continue
		}
		if err := awaitLine(ctx, conn, i, 0); err != nil {
			return err
		}
	}
	return awaitLine(ctx, conn, len(cs.all)-1, 100*time.Millisecond)
}

// awaitLine waits until the lock is held and that many claims are queued. It pauses before
// each look.
func awaitLine(ctx context.Context, conn net.Conn, queued int, pause time.Duration) error {
	if err := conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return err
	}
	reply := make([]byte, 4<<10)
	want := "queued=" + strconv.Itoa(queued)
	for {
		if err := rig.Sleep(ctx, pause); err != nil {
			return err
		}
		if _, err := conn.Write([]byte("get " + protocol.LockKey(lockName) + "\r\n")); err != nil {
			return err
		}
		n := 0
		for !strings.HasSuffix(string(reply[:n]), "END\r\n") {
			more, err := conn.Read(reply[n:])
			if err != nil {
				return fmt.Errorf("waiting for %s: %w", want, err)
			}
			n += more
		}
		fields := strings.Fields(string(reply[:n]))
		if slices.Contains(fields, "held=1") && slices.Contains(fields, want) {
			return nil
		}
	}
}

// serve lets the first holder release, and each waiter when it is served.
func (f *footprint) serve(ctx context.Context, cs *clients) error {
	served := 0
	cs.served = func(c *client) error {
		if c.number == served {
			f.inOrder++
		}
		served++
		return nil
	}
	start := time.Now()
	cs.holder, cs.former, cs.log = nil, nil, log{start: start}
	if err := cs.finish(ctx); err != nil {
		return err
	}
	f.took = time.Since(start)
	f.inOrder-- // the first did not wait
	f.p50, f.p99 = rig.Percentile(cs.log.gaps, 50), rig.Percentile(cs.log.gaps, 99)
	return nil
}
