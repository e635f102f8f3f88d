//go:build linux

package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/internal/bench/rig"
)

// A contestant is a strategy with the server that it needs.
type contestant struct {
	strategy client.Strategy
	server   string // name of the program
}

func (c contestant) name() string { return fmt.Sprintf("%v, %s", c.strategy, c.server) }

var contestants = []contestant{
	{client.Queue, "lockcached"},
	{client.Advice, "lockcached"},
	{client.Local, "memcached"},
	{client.Exponential, "memcached"},
}

// warmUp is how long the workers run before they begin to count: the statistics need a few
// holds.
const warmUp = 2 * time.Second

// spareConns is how many connections servers have room for beyond three per client.
const spareConns = 100

// compare gives each strategy its turns.
func compare(ctx context.Context, o options) error {
	samples := make([][]sample, len(contestants))
	progress := rig.NewProgress(o.rounds * len(contestants))
	defer progress.Clear()
	for range o.rounds {
		for i, c := range contestants {
			progress.Step(fmt.Sprintf("%s: %v", c.name(), warmUp+o.duration))
			s, err := turn(ctx, c, o)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", c.name(), err)
			}
			samples[i] = append(samples[i], s)
		}
	}
	progress.Clear()
	report(os.Stdout, o, samples)
	return nil
}

// turn runs the workers of one strategy.
func turn(ctx context.Context, c contestant, o options) (s sample, err error) {
	path, err := exec.LookPath(c.server)
	if err != nil {
		return s, err
	}
	server, err := rig.StartMemcached(ctx, path, 3*o.processes+spareConns)
	if err != nil {
		return s, err
	}
	defer server.Stop()
	text, err := json.Marshal(worker{
		Server: server.Addr, Strategy: c.strategy.String(), Hold: o.hold, Pause: o.pause, Duration: o.duration,
	})
	if err != nil {
		return s, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all []*colleague
	for range o.processes {
		w, err := hire(ctx, string(text))
		if err != nil {
			return s, err
		}
		defer w.dismiss()
		all = append(all, w)
	}
	return direct(all, o)
}

// A colleague is a worker that this process has started.
type colleague struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// hire starts a worker. It ends with ctx, and also when this process is killed, since its
// standard input ends then.
func hire(ctx context.Context, text string) (*colleague, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), workerVariable+"="+text, "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &colleague{cmd, in, bufio.NewReader(out)}, cmd.Start()
}

// dismiss ends a worker, if it has not ended by itself.
func (w *colleague) dismiss() {
	_ = w.in.Close()
	_ = w.cmd.Wait() // it has already printed all it had to
}

// direct tells the workers when to begin, and collects what they counted.
func direct(all []*colleague, o options) (s sample, err error) {
	for _, w := range all {
		if line, err := w.out.ReadString('\n'); err != nil {
			return s, fmt.Errorf("a process said %q, want ready: %w", line, err)
		}
	}
	begin := time.Now().Add(warmUp)
	for _, w := range all {
		if _, err := fmt.Fprintln(w.in, begin.UnixNano()); err != nil {
			return s, err
		}
	}
	tallies := make([]tally, len(all))
	failures := make([]error, len(all))
	var readers sync.WaitGroup
	for i, w := range all {
		readers.Go(func() { failures[i] = json.NewDecoder(w.out).Decode(&tallies[i]) })
	}
	readers.Wait()
	return sum(tallies, o), errors.Join(failures...)
}

// A sample is what one strategy did in one turn.
type sample struct {
	perSecond float64 // acquisitions
	tries     float64 // per acquisition
	wait      float64 // median, in milliseconds
	longest   float64 // wait in seconds, or how long it had lasted at the end
	idle      float64 // share of the time in which nobody had the lock
	served    float64 // share of the processes that got it at all
}

func sum(tallies []tally, o options) (s sample) {
	var held, longest time.Duration
	var waits []float64
	for _, t := range tallies {
		s.tries += t.Tries
		held += t.Held
		longest = max(longest, t.Pending)
		for _, wait := range t.Waits {
			waits = append(waits, milliseconds(wait))
			longest = max(longest, wait)
		}
		if len(t.Waits) > 0 {
			s.served++
		}
	}
	n := float64(len(waits))
	s.perSecond = n / o.duration.Seconds()
	s.tries /= cmp.Or(n, math.NaN())
	s.wait = rig.Median(waits)
	s.longest = longest.Seconds()
	s.idle = 1 - held.Seconds()/o.duration.Seconds()
	s.served /= float64(len(tallies))
	return s
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// report writes the medians of the turns.
func report(w io.Writer, o options, samples [][]sample) {
	var table rig.Table
	table.Row(fmt.Sprintf("%d processes, %v holds, %v pauses", o.processes, o.hold, o.pause),
		"acquisitions/s", "tries each", "median wait ms", "longest wait s", "idle %", "served %")
	for i, c := range contestants {
		text := func(decimals int, of func(sample) float64) string {
			var values []float64
			for _, s := range samples[i] {
				values = append(values, of(s))
			}
			return rig.Number(rig.Median(values)).Text(decimals)
		}
		table.Row(c.name(),
			text(1, func(s sample) float64 { return s.perSecond }),
			text(2, func(s sample) float64 { return s.tries }),
			text(0, func(s sample) float64 { return s.wait }),
			text(1, func(s sample) float64 { return s.longest }),
			text(1, func(s sample) float64 { return 100 * s.idle }),
			text(0, func(s sample) float64 { return 100 * s.served }))
	}
	table.Print(w)
}
