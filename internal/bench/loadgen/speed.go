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
const maxConns = 4096

// A sample is what one server did in one round of a cell.
type sample struct {
	opsPerSecond float64
	cpuPerOp     time.Duration
}

// A result is a cell's samples by contender and round.
type result struct {
	cell    cell
	samples [][]sample
}

// opsPerSecond returns the median of a contender's rounds.
func (r result) opsPerSecond(contender int) float64 {
	var values []float64
	for _, s := range r.samples[contender] {
		values = append(values, s.opsPerSecond)
	}
	return rig.Median(values)
}

// cpuMicros returns the median of the CPU microseconds per request.
func (r result) cpuMicros(contender int) float64 {
	var values []float64
	for _, s := range r.samples[contender] {
		values = append(values, float64(s.cpuPerOp)/float64(time.Microsecond))
	}
	return rig.Median(values)
}

// ratio returns how many times the second contender's speed the first one reached: the
// median over the rounds, since the two turns of one round met the machine in the same
// mood. It is NaN if only one ran.
func (r result) ratio() float64 {
	if len(r.samples) < 2 {
		return math.NaN()
	}
	var ratios []float64
	for round, a := range r.samples[0] {
		ratios = append(ratios, a.opsPerSecond/r.samples[1][round].opsPerSecond)
	}
	return rig.Median(ratios)
}

// measureSpeed lets the contenders take turns in every cell.
func measureSpeed(ctx context.Context, o options, contenders []*contender) ([]result, error) {
	for _, c := range contenders {
		if err := c.start(ctx, maxConns); err != nil {
			return nil, err
		}
		defer c.server.Stop()
	}
	progress := rig.NewProgress(len(o.cells) * o.rounds * len(contenders))
	defer progress.Clear()

	var results []result
	for _, cell := range o.cells {
		r := result{cell: cell, samples: make([][]sample, len(contenders))}
		for round := range o.rounds {
			for i, c := range contenders {
				progress.Step(fmt.Sprintf("%s: %s, round %d", cell.name(), c.label, round+1))
				s, err := measureCell(ctx, c.server, cell, o.duration)
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

// measureCell has one server do a cell's work for d.
func measureCell(ctx context.Context, server *rig.Memcached, c cell, d time.Duration) (sample, error) {
	w := c.workload()
	if err := doAll(server.Addr, w.prepare); err != nil {
		return sample{}, err
	}
	crew, err := newCrew(server.Addr, w.cycles)
	if err != nil {
		return sample{}, err
	}
	defer crew.close()

	s, err := observe(crew.start(ctx), server, crew, d)
	if stopErr := crew.stop(); err == nil {
		err = stopErr
	}
	return s, errors.Join(err, doAll(server.Addr, w.cleanUp))
}

// errUnanswered is returned for a round that says nothing about speed.
var errUnanswered = errors.New("no request was answered")

// observe measures for d, after a tenth of it to get up to speed.
func observe(ctx context.Context, server *rig.Memcached, crew *crew, d time.Duration) (sample, error) {
	if err := rig.Sleep(ctx, d/10); err != nil {
		return sample{}, err
	}
	start, opsBefore := time.Now(), crew.ops()
	cpuBefore, err := server.CPU()
	if err != nil {
		return sample{}, err
	}
	if err := rig.Sleep(ctx, d); err != nil {
		return sample{}, err
	}
	elapsed, ops := time.Since(start), crew.ops()-opsBefore
	cpuAfter, err := server.CPU()
	if err != nil {
		return sample{}, err
	}
	if ops == 0 {
		return sample{}, fmt.Errorf("%w in %v", errUnanswered, elapsed)
	}
	return sample{
		opsPerSecond: float64(ops) / elapsed.Seconds(),
		cpuPerOp:     (cpuAfter - cpuBefore) / time.Duration(ops),
	}, nil
}
