//go:build linux

package main

import (
	"context"
	"fmt"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

const (
	heldLocks   = 1_000_000
	locksAtOnce = 1000 // adds in one write; their replies fit any socket buffer
	idleConns   = 5000
)

// A footprint is the bytes of memory that a server needs for one more of each.
type footprint struct {
	heldLock   float64
	silentConn float64 // connected, and silent since
	usedConn   float64 // idle again after one command
}

// measureMemory measures one contender after the other: unlike speed, memory
// does not change with the machine's mood.
func measureMemory(ctx context.Context, contenders []*contender) ([]footprint, error) {
	progress := rig.NewProgress(2 * len(contenders))
	defer progress.Clear()

	var footprints []footprint
	for _, c := range contenders {
		var f footprint
		progress.Step(c.label + ": held locks")
		if err := f.measureLocks(ctx, c, heldLocks); err != nil {
			return nil, fmt.Errorf("%s: held locks: %w", c.label, err)
		}
		progress.Step(c.label + ": idle connections")
		if err := f.measureConns(ctx, c, idleConns); err != nil {
			return nil, fmt.Errorf("%s: idle connections: %w", c.label, err)
		}
		footprints = append(footprints, f)
	}
	return footprints, nil
}

// measureLocks takes count locks on a fresh server.
func (f *footprint) measureLocks(ctx context.Context, c *contender, count int) error {
	if err := c.start(ctx, maxConns); err != nil {
		return err
	}
	defer c.server.Stop()
	conn, err := dialControl(c.server.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()

	before, err := c.server.SettledRSS(ctx)
	if err != nil {
		return err
	}
	for taken := 0; taken < count; {
		var adds []exchange
		for range min(locksAtOnce, count-taken) {
			adds = append(adds, textDialect{}.add(key("memory", taken), taken))
			taken++
		}
		if err := conn.do(newBatch(adds...)); err != nil {
			return err
		}
	}
	after, err := c.server.SettledRSS(ctx)
	f.heldLock = float64(after-before) / float64(count)
	return err
}

// measureConns opens count connections to a fresh server, then uses each once.
func (f *footprint) measureConns(ctx context.Context, c *contender, count int) error {
	if err := c.start(ctx, count+100); err != nil {
		return err
	}
	defer c.server.Stop()
	before, err := c.server.SettledRSS(ctx)
	if err != nil {
		return err
	}
	var conns []control
	for range count {
		conn, err := dialControl(c.server.Addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	silent, err := c.server.SettledRSS(ctx)
	if err != nil {
		return err
	}
	version := newBatch(exchange{request: "version\r\n", reply: "VERSION " + c.server.Version + "\r\n"})
	for _, conn := range conns {
		if err := conn.do(version); err != nil {
			return err
		}
	}
	used, err := c.server.SettledRSS(ctx)
	f.silentConn = float64(silent-before) / float64(count)
	f.usedConn = float64(used-before) / float64(count)
	return err
}
