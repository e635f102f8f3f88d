//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

// A sample is what one system did in one round of a load.
type sample struct {
	perSecond float64 // grants
	p50, p99  float64 // milliseconds, of what a lockedKey measures
	cpu       float64 // of all processes per grant, microseconds
}

// A result is a load's samples by system and round.
type result struct {
	load    load
	samples map[string][]sample
}

// measure lets the systems take turns in every load.
func measure(ctx context.Context, o options) ([]result, error) {
	systems, err := startAll(ctx, o.dir)
	for _, s := range systems {
		defer s.stop()
	}
	if err != nil {
		return nil, err
	}
	progress := rig.NewProgress(len(o.loads) * o.rounds * len(systems))
	defer progress.Clear()

	var results []result
	for _, l := range o.loads {
		r := result{load: l, samples: make(map[string][]sample)}
		for round := range o.rounds {
			for _, s := range systems {
				progress.Step(fmt.Sprintf("%s: %s, round %d", l.name(), s.name, round+1))
				got, err := measureRound(ctx, s, l, o.duration)
				if err != nil {
					return nil, fmt.Errorf("%s: %s: %w; %s", s.name, l.name(), err, s.printed())
				}
				r.samples[s.name] = append(r.samples[s.name], got)
			}
		}
		results = append(results, r)
	}
	return results, nil
}

// A round is the clients of a load at work.
type round struct {
	load     load
	keys     []lockedKey
	counting atomic.Bool // between the warming up and the end
	ending   atomic.Bool
}

// A lockedKey is one lock, as the clients see it.
type lockedKey struct {
	name string

	mu    sync.Mutex
	freed time.Time // when its holder began to release it
	times []float64 // milliseconds: from a release to the next holder's knowing, or for a client's own lock, the whole cycle
}

// measureRound makes the clients of a load want their locks for d, after a tenth of it for
// lines to form.
func measureRound(ctx context.Context, s *system, l load, d time.Duration) (sample, error) {
	r := &round{load: l, keys: make([]lockedKey, l.keys)}
	for i := range r.keys {
		r.keys[i].name = fmt.Sprintf("bench:%d", i)
	}
	lockers, err := connectAll(s, l.clients)
	defer func() {
		for _, l := range lockers {
			l.close()
		}
	}()
	if err != nil {
		return sample{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, d+leaseSeconds*time.Second)
	defer cancel()
	var group errgroup.Group
	for i, l := range lockers {
		group.Go(func() error { return r.cycle(ctx, l, &r.keys[i%len(r.keys)]) })
	}
	got, err := r.observe(ctx, s, d)
	r.ending.Store(true)
	if failed := group.Wait(); failed != nil {
		err = failed
	}
	return got, err
}

// connectAll spreads clients over the members.
func connectAll(s *system, n int) (all []locker, err error) {
	for i := range n {
		l, err := s.connect(i % len(s.processes))
		if err != nil {
			return all, err
		}
		all = append(all, l)
	}
	return all, nil
}

// cycle takes and frees a lock until the round ends.
func (r *round) cycle(ctx context.Context, l locker, key *lockedKey) error {
	for !r.ending.Load() {
		began := time.Now()
		if err := l.lock(ctx, key.name); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
		shared := r.load.clients > r.load.keys
		if shared {
			key.granted(time.Now(), r.counting.Load())
		}
		if err := l.unlock(ctx, key.name); err != nil {
			return fmt.Errorf("unlock: %w", err)
		}
		if !shared {
			key.cycled(began, r.counting.Load())
		}
	}
	return nil
}

// granted records a hand-off, whose gap ends now. The next one's begins.
func (k *lockedKey) granted(now time.Time, counts bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if counts && !k.freed.IsZero() {
		k.times = append(k.times, millis(now.Sub(k.freed)))
	}
	k.freed = time.Now()
}

// cycled records a lock taken and freed.
func (k *lockedKey) cycled(began time.Time, counts bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if counts {
		k.times = append(k.times, millis(time.Since(began)))
	}
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// observe counts for d.
func (r *round) observe(ctx context.Context, s *system, d time.Duration) (sample, error) {
	if err := rig.Sleep(ctx, d/10); err != nil {
		return sample{}, err
	}
	before, err := s.cpu()
	if err != nil {
		return sample{}, err
	}
	start := time.Now()
	r.counting.Store(true)
	err = rig.Sleep(ctx, d)
	r.counting.Store(false)
	elapsed := time.Since(start)
	if err != nil {
		return sample{}, err
	}
	after, err := s.cpu()
	if err != nil {
		return sample{}, err
	}
	var times []float64
	for i := range r.keys {
		k := &r.keys[i]
		k.mu.Lock()
		times = append(times, k.times...)
		k.mu.Unlock()
	}
	return sample{
		perSecond: float64(len(times)) / elapsed.Seconds(),
		p50:       rig.Percentile(times, 50),
		p99:       rig.Percentile(times, 99),
		cpu:       1000 * millis(after-before) / float64(len(times)),
	}, nil
}
