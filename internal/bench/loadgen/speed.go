//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

// maxConns is the -c that servers get when their speed is measured.
const maxConns = mostConns + 100

// A sample is what one server did in one round of a cell.
type sample struct {
	opsPerSecond float64
	cpuPerOp     time.Duration // of the server
	machinePerOp time.Duration // of all processors, load and kernel included
}

// A result is a cell's samples by contender and round. A contender that does not know the cell's
// requests has none.
type result struct {
	cell    cell
	samples [][]sample
}

// median returns the median over a contender's rounds, NaN if there are none.
func (r result) median(contender int, of func(sample) float64) float64 {
	var values []float64
	for _, s := range r.samples[contender] {
		values = append(values, of(s))
	}
	return rig.Median(values)
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// ratio returns how many times the speed of a peer the first contender reached: the median over
// the rounds, since the turns of one round met the machine in the same mood. It is NaN if one of
// them did not run.
func (r result) ratio(peer int) float64 {
	if peer >= len(r.samples) {
		return math.NaN()
	}
	var ratios []float64
	for round, s := range r.samples[peer] {
		ratios = append(ratios, r.samples[0][round].opsPerSecond/s.opsPerSecond)
	}
	return rig.Median(ratios)
}

// measureSpeed lets the contenders take turns in every cell.
func measureSpeed(ctx context.Context, o options) ([]result, error) {
	for _, c := range o.contenders {
		if err := c.start(ctx, maxConns); err != nil {
			return nil, err
		}
		defer c.server.Stop()
	}
	progress := rig.NewProgress(len(o.cells) * o.rounds * len(o.contenders))
	defer progress.Clear()

	var results []result
	for _, cell := range o.cells {
		r := result{cell: cell, samples: make([][]sample, len(o.contenders))}
		for round := range o.rounds {
			for turn := range o.contenders {
				i := (round + turn) % len(o.contenders) // none is always the first, after a pause
				c := o.contenders[i]
				progress.Step(fmt.Sprintf("%s: %s, round %d", cell.name(), c.label, round+1))
				if c.redis && !cell.suitsRedis() {
					continue
				}
				s, err := o.measureCell(ctx, c, cell, round)
				if err != nil {
					return nil, fmt.Errorf("%s: %s: %w", c.label, cell.name(), err)
				}
				r.samples[i] = append(r.samples[i], s)
			}
		}
		results = append(results, r)
	}
	return results, nil
}

// measureCell has one server do a cell's work for a round.
func (o options) measureCell(ctx context.Context, contender *contender, c cell, round int) (sample, error) {
	server, w := contender.server, c.workload(contender.redis, round)
	if err := doAll(server.Addr, w.prepare); err != nil {
		return sample{}, err
	}
	crew, err := newCrew(server.Addr, o.loadThreads, w.cycles)
	if err != nil {
		return sample{}, err
	}
	defer crew.close()

	s, err := observe(crew.start(ctx), server, crew, o.duration)
	if stopErr := crew.stop(); err == nil {
		err = stopErr
	}
	return s, errors.Join(err, doAll(server.Addr, w.cleanUp))
}

// errUnanswered is returned for a round that says nothing about speed.
var errUnanswered = errors.New("no request was answered")

// observe measures for d, after a tenth of it to get up to speed.
func observe(ctx context.Context, server *rig.Server, crew *crew, d time.Duration) (sample, error) {
	if err := rig.Sleep(ctx, d/10); err != nil {
		return sample{}, err
	}
	before, err := look(server, crew)
	if err != nil {
		return sample{}, err
	}
	if err := rig.Sleep(ctx, d); err != nil {
		return sample{}, err
	}
	after, err := look(server, crew)
	if err != nil {
		return sample{}, err
	}
	elapsed, ops := after.at.Sub(before.at), after.ops-before.ops
	if ops == 0 {
		return sample{}, fmt.Errorf("%w in %v", errUnanswered, elapsed)
	}
	return sample{
		opsPerSecond: float64(ops) / elapsed.Seconds(),
		cpuPerOp:     (after.cpu - before.cpu) / time.Duration(ops),
		machinePerOp: (after.machine - before.machine) / time.Duration(ops),
	}, nil
}

// counts is what is known at a moment of a round.
type counts struct {
	at           time.Time
	ops          uint64
	cpu, machine time.Duration
}

func look(server *rig.Server, crew *crew) (c counts, err error) {
	c.at, c.ops = time.Now(), crew.ops()
	if c.cpu, err = server.CPU(); err != nil {
		return c, err
	}
	c.machine, err = rig.MachineCPU()
	return c, err
}
