//go:build linux

package main

import (
	"context"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

// A fault happens to a cluster, and is over when do returns: all nodes run, and serve all keys. It is
// reported by its name, and by whether it happened to the engine's leader, as far as that is known.
type fault struct {
	name string
	do   func(ctx context.Context, c *nodes, rng *rand.Rand) error
}

// Faults of processes. What happens to the engine's leader is an election besides.

func killed(leader bool) func(context.Context, *nodes, *rand.Rand) error {
	return func(ctx context.Context, c *nodes, rng *rand.Rand) error {
		n := c.choose(rng, leader)
		c.kill(n)
		if err := rig.Sleep(ctx, within(rng, 3*time.Second)); err != nil {
			return err
		}
		return c.restart(ctx, n)
	}
}

// stopped stops a node until others have taken over, and some more.
func stopped(leader bool) func(context.Context, *nodes, *rand.Rand) error {
	return func(ctx context.Context, c *nodes, rng *rand.Rand) error {
		n := c.choose(rng, leader)
		if err := n.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		if err := c.awaitLoss(ctx, n); err != nil {
			return err
		}
		if err := rig.Sleep(ctx, within(rng, time.Second)); err != nil {
			return err
		}
		if err := n.Signal(syscall.SIGCONT); err != nil {
			return err
		}
		return c.awaitSlots(ctx)
	}
}

// hiccup stops a node for a moment, so that it may be suspected or not.
func hiccup(ctx context.Context, c *nodes, rng *rand.Rand) error {
	n := c.choose(rng, false)
	if err := n.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	if err := rig.Sleep(ctx, within(rng, 2*time.Second)); err != nil {
		return err
	}
	if err := n.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	return c.awaitSlots(ctx)
}

// allKilled kills all nodes at once.
func allKilled(ctx context.Context, c *nodes, _ *rand.Rand) error {
	for _, n := range c.all {
		n.Kill()
	}
	for _, n := range c.all {
		c.kill(n)
	}
	return c.startAll(ctx)
}

// majorityKilled leaves one node, which can answer nothing about locks.
func majorityKilled(ctx context.Context, c *nodes, rng *rand.Rand) error {
	rest := c.others(c.choose(rng, false))
	for _, n := range rest {
		c.kill(n)
	}
	if err := rig.Sleep(ctx, 2*time.Second+within(rng, 2*time.Second)); err != nil {
		return err
	}
	for _, n := range rest {
		if err := n.launch(); err != nil {
			return err
		}
		n.down = false
	}
	for _, n := range rest {
		if err := n.ready(ctx); err != nil {
			return err
		}
	}
	return c.awaitSlots(ctx)
}

// rolled restarts a node in the orderly way.
func rolled(ctx context.Context, c *nodes, rng *rand.Rand) error {
	n := c.choose(rng, chance(rng, 2))
	if err := n.end(clusterPatience); err != nil {
		return err
	}
	n.down = true
	c.rec.died(n.addr)
	return c.restart(ctx, n)
}

// filled fills the disk of a node, which ends or is replaced.
func filled(ctx context.Context, c *nodes, rng *rand.Rand) error {
	n := c.choose(rng, chance(rng, 2))
	if err := n.fillDisk(); err != nil {
		return err
	}
	if err := c.awaitLoss(ctx, n); err != nil {
		return err
	}
	c.kill(n)
	return c.restart(ctx, n)
}
