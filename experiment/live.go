package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A live run has all policies side by side, each with its own lock and its own
// clients, so that whatever the machine does affects all of them.

// runLive plays each table in turn.
func runLive(ctx context.Context, c *Config, r *results, out *Output) error {
	addr, stop, err := c.findServer(ctx)
	if err != nil {
		return err
	}
	defer stop()
	offer, err := c.probe(ctx, addr)
	if err != nil {
		return err
	}
	c.leaveOut(offer, addr, out)
	r.config.Policies = c.Policies
	if len(c.Policies) == 0 {
		return errors.New("no policy is left to be run")
	}
	run := strconv.FormatUint(rand.Uint64(), 16)
	for _, law := range c.Laws {
		for _, load := range c.Loads {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			t := &liveTable{config: c, addr: addr, law: law, load: load, run: run, out: out}
			if err := t.play(ctx, r); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// leaveOut drops the policies that this server, or any server, cannot serve, and
// says so.
func (c *Config) leaveOut(offer needs, addr string, out *Output) {
	without := map[needs][]string{}
	var kept []*Policy
	for _, p := range c.Policies {
		if lacks := p.needs &^ offer; lacks != 0 {
			without[lacks&-lacks] = append(without[lacks&-lacks], p.Name)
		} else {
			kept = append(kept, p)
		}
	}
	c.Policies = kept
	say := func(lack needs, why string) {
		if names := without[lack]; len(names) > 0 {
			fmt.Fprintf(out.Notes, "left out: %s: %s\n", strings.Join(names, ", "), why)
		}
	}
	say(tells, addr+" does not tell about locks (get lockcached:lock:KEY)")
	say(advises, addr+" does not advise (get lockcached:retry:KEY)")
	say(queues, addr+" knows no waiting in line (add lockcached:wait=...:KEY)")
	say(dreams, "only simulated; add --simulate")
}

// A liveTable is one table of the report being played.
type liveTable struct {
	config *Config
	addr   string
	law    Law
	load   Load
	run    string // makes keys unlike those of any other run
	out    *Output
}

func (t *liveTable) play(ctx context.Context, r *results) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var players []*player
	for _, policy := range t.config.Policies {
		players = append(players, newPlayer(t, policy))
	}
	t.out.progress("%s %s: connecting, and a few holds for the server to learn from", t.law.Name, t.load)
	each(players, func(p *player) {
		if err := p.prepare(ctx); err != nil {
			cancel(fmt.Errorf("%s: %w", p.policy.Name, err))
		}
	})
	grace := t.config.Duration / 2 // for the bursts under way
	playing, done := context.WithTimeout(ctx, t.config.Duration+grace)
	stopped := make(chan struct{})
	go t.watch(playing, players, stopped)
	each(players, func(p *player) {
		if err := p.play(playing); err != nil {
			cancel(fmt.Errorf("%s: %w", p.policy.Name, err))
		}
	})
	done()
	<-stopped
	each(players, (*player).leave)
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	for _, p := range players {
		if len(p.acquired) > 0 {
			r.lines = append(r.lines, *r.line("live", &p.trial, &p.ledger))
		}
	}
	return nil
}

// each calls f for all players at once, and returns when all have returned.
func each(players []*player, f func(*player)) {
	var wg sync.WaitGroup
	for _, p := range players {
		wg.Go(func() { f(p) })
	}
	wg.Wait()
}

// watch shows the progress of the table until ctx ends, and then closes stopped.
func (t *liveTable) watch(ctx context.Context, players []*player, stopped chan<- struct{}) {
	defer close(stopped)
	began := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			n := 0
			for _, p := range players {
				n += p.served()
			}
			t.out.progress("%s %s: %v of %v, %d acquisitions of %d policies", t.law.Name, t.load,
				time.Since(began).Round(time.Second), t.config.Duration, n, len(players))
		}
	}
}
