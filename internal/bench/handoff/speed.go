//go:build linux

package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

// spareConns is how many connections servers have room for besides the clients'.
const spareConns = 100

// A log records the grants of a round.
type log struct {
	start    time.Time
	gaps     []float64     // microseconds from a release sent to the next holder's grant read
	idle     time.Duration // sum of the gaps, including those before a grant to the same holder
	returned int           // grants to the client that had just released
	longest  time.Duration // wait
}

// grant notes that holder got the lock that former had freed; former is nil if nobody had
// held it before. A client that at once gets back what it has just released was not handed
// anything.
func (l *log) grant(former, holder *client, freed, now time.Time) {
	l.waited(holder, now)
	if former == nil {
		return
	}
	l.free(freed, now)
	if former == holder {
		l.returned++
		return
	}
	l.gaps = append(l.gaps, micros(now.Sub(freed)))
}

// free adds the time for which the lock was free, as far as it lies in the round.
func (l *log) free(freed, now time.Time) {
	if freed.Before(l.start) {
		freed = l.start
	}
	l.idle += now.Sub(freed)
}

func (l *log) waited(c *client, now time.Time) { l.longest = max(l.longest, now.Sub(c.since)) }

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// A sample is what one system did in one round of a load.
type sample struct {
	perSecond     float64 // hand-offs
	p50, p90, p99 float64 // gap, microseconds
	longest       float64 // wait, milliseconds, until the end of the round if it was not over
	idle          float64 // share of the time for which the lock was free though wanted
	same          float64 // share of the grants that went to the client that had just released
	cpu           float64 // of the server per hand-off, microseconds
}

// A result is a load's samples by system and round; none for a system that did
// not run.
type result struct {
	load    load
	samples [][]sample
}

// median returns the median of a system's rounds.
func (r result) median(system int, of func(sample) float64) float64 {
	var values []float64
	for _, s := range r.samples[system] {
		values = append(values, of(s))
	}
	return rig.Median(values)
}

// ratio returns a's number divided by b's: the median over the rounds, since the turns of
// one round met the machine in the same mood. It is NaN unless both ran.
func (r result) ratio(a, b int, of func(sample) float64) float64 {
	var ratios []float64
	for round := range min(len(r.samples[a]), len(r.samples[b])) {
		ratios = append(ratios, of(r.samples[a][round])/of(r.samples[b][round]))
	}
	return rig.Median(ratios)
}

// measureSpeed lets the systems take turns in every load.
func measureSpeed(ctx context.Context, o options) ([]result, error) {
	most := 0
	for _, l := range o.loads {
		most = max(most, l.clients)
	}
	for _, s := range o.systems {
		defer s.stop()
		if err := s.start(ctx, most+spareConns); err != nil {
			return nil, err
		}
	}
	progress := rig.NewProgress(len(o.loads) * o.rounds * len(o.systems))
	defer progress.Clear()

	var results []result
	for _, l := range o.loads {
		r := result{load: l, samples: make([][]sample, len(o.systems))}
		for round := range o.rounds {
			for i, s := range o.systems {
				progress.Step(fmt.Sprintf("%s: %s, round %d", l.name(), s.name, round+1))
				if s.whyNot(l) != "" {
					continue
				}
				got, err := measureRound(ctx, s, l, o.duration)
				if err != nil {
					return nil, fmt.Errorf("%s: %s: %w", s.name, l.name(), err)
				}
				r.samples[i] = append(r.samples[i], got)
			}
		}
		results = append(results, r)
	}
	return results, nil
}

// measureRound makes the clients of a load want one lock for d, after a tenth of it for the
// line to form.
func measureRound(ctx context.Context, s *system, l load, d time.Duration) (sample, error) {
	cs, err := newClients(s, l)
	if err != nil {
		return sample{}, err
	}
	defer cs.close()
	for _, c := range cs.all {
		if err := cs.want(c, time.Now()); err != nil {
			return sample{}, err
		}
	}
	if err := cs.drive(ctx, time.Now().Add(d/10)); err != nil {
		return sample{}, err
	}
	cpuBefore, err := s.server.CPU()
	if err != nil {
		return sample{}, err
	}
	cs.log = log{start: time.Now()}
	if err := cs.drive(ctx, cs.log.start.Add(d)); err != nil {
		return sample{}, err
	}
	end := time.Now()
	cpuAfter, err := s.server.CPU()
	if err != nil {
		return sample{}, err
	}
	return cs.sum(end, cpuAfter-cpuBefore), cs.finish(ctx)
}

// sum returns what the round has shown so far.
func (cs *clients) sum(now time.Time, cpu time.Duration) sample {
	l := &cs.log
	if cs.holder == nil {
		l.free(cs.freed, now)
	}
	for _, c := range cs.all {
		if c.state == claiming || c.state == pausing {
			l.waited(c, now)
		}
	}
	elapsed := now.Sub(l.start)
	s := sample{
		perSecond: float64(len(l.gaps)) / elapsed.Seconds(),
		p50:       rig.Percentile(l.gaps, 50),
		p90:       rig.Percentile(l.gaps, 90),
		p99:       rig.Percentile(l.gaps, 99),
		longest:   float64(l.longest) / float64(time.Millisecond),
		idle:      l.idle.Seconds() / elapsed.Seconds(),
		same:      float64(l.returned) / float64(l.returned+len(l.gaps)),
		cpu:       micros(cpu) / float64(len(l.gaps)),
	}
	if len(l.gaps) == 0 {
		s.cpu = math.NaN()
	}
	return s
}
