//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
	"github.com/lockcached/lockcached/internal/lan"
)

var partScenario = &scenario{
	name: "cluster-part", share: 3, root: true,
	promise: clusterPromise + "The network between the nodes is cut, and clients still reach all of them: one node cut from " +
		"the others, in both directions or in one, and two from each other.",
	round: partRound,
}

// partition is a network and the nodes on it.
type partition struct {
	*lan.LAN
	*nodes
}

func partRound(ctx context.Context, t *trial) (o outcome, err error) {
	l, err := lan.New(hosts)
	if err != nil {
		return o, err
	}
	defer l.Close()
	c, err := startApart(ctx, t, l)
	if c != nil {
		defer c.stop()
	}
	if err != nil {
		return o, err
	}
	rec := newRecording(t.name, c.addrs()...)
	rec.patience, rec.dial, rec.within = hopAfter, dialAt(l), l.Within(lan.Switch)
	p := &partition{l, c}
	faults := []fault{
		{"node cut from the others", p.isolated}, {"node that hears no other", p.deaf},
		{"node that no other hears", p.mute}, {"two nodes cut from each other", p.pair},
	}
	return disturbCluster(ctx, t, c, rec, pick(t, faults[:1], faults, repeat(faults, 10)))
}

const hosts = 3

// dialAt connects from the switch of a network.
func dialAt(l *lan.LAN) func(addr string) (*client, error) {
	return func(addr string) (c *client, err error) {
		if entry := l.Enter(lan.Switch, func() { c, err = dial(addr) }); entry != nil {
			return nil, entry
		}
		return c, err
	}
}

// startApart starts a cluster whose nodes are hosts of a network.
func startApart(ctx context.Context, t *trial, l *lan.LAN) (*nodes, error) {
	c := new(nodes)
	var members []string
	for i := range hosts {
		name, addr := string(rune('a'+i)), l.Address(i)
		members = append(members, fmt.Sprintf("%s=%s:7001", name, addr))
		c.all = append(c.all, &node{name: name, server: &server{
			program: t.program, host: addr, port: 11211, addr: addr + ":11211", dial: dialAt(l),
			within: l.Within(i),
		}})
	}
	cert, key, err := l.Certificate(t.dir)
	if err != nil {
		return nil, err
	}
	for _, n := range c.all {
		n.flags = append(nodeFlags(t, strings.Join(members, ","), n.name),
			"--cluster-tls-cert", cert, "--cluster-tls-key", key, "--cluster-tls-ca", cert)
	}
	return c, c.startAll(ctx)
}

// one returns a node, and the others, by their numbers.
func (p *partition) one(rng *rand.Rand) (one int, others []int) {
	n := p.choose(rng, chance(rng, 2))
	for i, other := range p.all {
		if other != n {
			others = append(others, i)
		}
	}
	return slices.Index(p.all, n), others
}

// cut has each of these pairs cut, the first from what the second sends.
func (p *partition) cut(pairs ...[2]int) error {
	for _, pair := range pairs {
		if err := p.Deafen(pair[0], pair[1]); err != nil {
			return err
		}
	}
	return nil
}

// heals undoes all cuts, some time later.
func (p *partition) heals(ctx context.Context, after time.Duration) error {
	if err := rig.Sleep(ctx, after); err != nil {
		return err
	}
	if err := p.Heal(); err != nil {
		return err
	}
	return p.awaitSlots(ctx)
}

func (p *partition) isolated(ctx context.Context, _ *nodes, rng *rand.Rand) error {
	one, others := p.one(rng)
	a, b := others[0], others[1]
	if err := p.cut([2]int{one, a}, [2]int{a, one}, [2]int{one, b}, [2]int{b, one}); err != nil {
		return err
	}
	if err := p.awaitLoss(ctx, p.all[one]); err != nil {
		return err
	}
	return p.heals(ctx, within(rng, 2*time.Second))
}

func (p *partition) deaf(ctx context.Context, _ *nodes, rng *rand.Rand) error {
	one, others := p.one(rng)
	if err := p.cut([2]int{one, others[0]}, [2]int{one, others[1]}); err != nil {
		return err
	}
	return p.heals(ctx, 2*time.Second+within(rng, 2*time.Second))
}

func (p *partition) mute(ctx context.Context, _ *nodes, rng *rand.Rand) error {
	one, others := p.one(rng)
	if err := p.cut([2]int{others[0], one}, [2]int{others[1], one}); err != nil {
		return err
	}
	return p.heals(ctx, 2*time.Second+within(rng, 2*time.Second))
}

func (p *partition) pair(ctx context.Context, _ *nodes, rng *rand.Rand) error {
	one, others := p.one(rng)
	other := others[rng.IntN(2)]
	if err := p.cut([2]int{one, other}, [2]int{other, one}); err != nil {
		return err
	}
	return p.heals(ctx, 2*time.Second+within(rng, 2*time.Second))
}
