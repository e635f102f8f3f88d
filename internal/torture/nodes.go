//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
	"github.com/lockcached/lockcached/internal/ports"
)

// nodes are the servers of a cluster.
type nodes struct {
	all []*node
	rec *recording // nil until there are clients
	led bool       // the node that was chosen last leads the engine, as far as that is known
}

// A node is one of them. While it is down its Process has ended.
type node struct {
	*server
	name string
	down bool
}

const (
	slotsOfCluster = 256
	// Nobody is waited for longer than this: a busy machine may stand still for long.
	clusterPatience = 3 * time.Minute
)

// startNodes starts a cluster of three nodes and waits until they serve all keys.
func startNodes(ctx context.Context, t *trial, flags ...string) (*nodes, error) {
	c := new(nodes)
	var members []string
	for _, name := range []string{"a", "b", "c"} {
		port, err := ports.Free(3)
		if err != nil {
			return nil, err
		}
		members = append(members, fmt.Sprintf("%s=127.0.0.1:%d", name, port))
		c.all = append(c.all, &node{name: name, server: &server{
			program: t.program, port: port + 2, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port+2)),
		}})
	}
	for _, n := range c.all {
		n.flags = append(nodeFlags(t, strings.Join(members, ","), n.name), flags...)
	}
	return c, c.startAll(ctx)
}

// nodeFlags are the flags of a node.
func nodeFlags(t *trial, members, name string) []string {
	return []string{
		"--cluster", members, "--node", name, "--data", filepath.Join(t.dir, name), "-c", "10000", "--wait", policy + "*=300ms",
	}
}

// startAll starts all nodes, which wait for each other.
func (c *nodes) startAll(ctx context.Context) error {
	for _, n := range c.all {
		if err := n.launch(); err != nil {
			return err
		}
		n.down = false
	}
	for _, n := range c.all {
		if err := n.ready(ctx); err != nil {
			return fmt.Errorf("node %s: %w", n.name, err)
		}
	}
	return c.awaitSlots(ctx)
}

// stop ends all nodes.
func (c *nodes) stop() {
	for _, n := range c.all {
		if n.Process != nil {
			_ = n.Signal(syscall.SIGCONT)
			n.crash()
		}
	}
}

func (c *nodes) addrs() (addrs []string) {
	for _, n := range c.all {
		addrs = append(addrs, n.addr)
	}
	return addrs
}

// kill kills a node.
func (c *nodes) kill(n *node) {
	n.crash()
	n.down = true
	c.rec.died(n.addr)
}

// restart starts a node that is down.
func (c *nodes) restart(ctx context.Context, n *node) error {
	if err := n.again(ctx); err != nil {
		return fmt.Errorf("node %s: %w", n.name, err)
	}
	n.down = false
	return c.awaitSlots(ctx)
}

// stats reads "stats cluster" at a node.
func (n *node) stats() (map[string]string, error) {
	conn, err := n.connect()
	if err != nil {
		return nil, err
	}
	defer conn.reset()
	if err := conn.send("stats cluster\r\n", answerWithin); err != nil {
		return nil, err
	}
	values := make(map[string]string)
	for {
		line, err := conn.line()
		words := strings.Fields(line)
		if err != nil || len(words) != 3 {
			return values, err
		}
		values[words[1]] = words[2]
	}
}

// await waits for a condition of the cluster.
func (c *nodes) await(ctx context.Context, what string, holds func() bool) error {
	ctx, stop := context.WithTimeoutCause(ctx, clusterPatience, errors.New("not so within "+clusterPatience.String()))
	defer stop()
	for !holds() {
		if err := rig.Sleep(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
	}
	return nil
}

// awaitSlots waits until the nodes that run are all members, and serve all keys.
func (c *nodes) awaitSlots(ctx context.Context) error {
	return c.await(ctx, "every key has an owner", func() bool {
		owned, running := 0, 0
		for _, n := range c.all {
			if n.down {
				continue
			}
			running++
			values, err := n.stats()
			here, _ := strconv.Atoi(values["slots_owned"])
			if owned += here; err != nil || here == 0 {
				return false
			}
		}
		return owned == slotsOfCluster && running > 0
	})
}

// awaitLoss waits until the other nodes take one for lost.
func (c *nodes) awaitLoss(ctx context.Context, lost *node) error {
	return c.await(ctx, "node "+lost.name+" is taken for lost", func() bool {
		for _, n := range c.all {
			if n == lost || n.down {
				continue
			}
			if values, err := n.stats(); err != nil || values["node_"+lost.name] != "" {
				return false
			}
		}
		return true
	})
}

// choose returns the node that a fault happens to: any, or the engine's leader if that is known.
func (c *nodes) choose(rng *rand.Rand, leader bool) *node {
	values, err := c.all[0].stats()
	leads := slices.IndexFunc(c.all, func(n *node) bool { return err == nil && n.name == values["engine_leader"] })
	i := rng.IntN(len(c.all))
	if leader && leads >= 0 {
		i = leads
	}
	c.led = i == leads
	return c.all[i]
}

// others are the nodes beside one.
func (c *nodes) others(n *node) []*node {
	return slices.DeleteFunc(slices.Clone(c.all), func(other *node) bool { return other == n })
}
