//go:build linux

// Contention compares the strategies of package client: processes that want one lock get it
// in lockcached's line, by its advice, by calculating on memcached, or by exponential
// backoff on memcached. All take turns in one run. With --herd it shows instead how many
// requests a thousand clients make when they lose their server together.
// scripts/bench-contention builds what it needs and runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

// options is what the command line says.
type options struct {
	processes int
	hold      time.Duration
	pause     time.Duration // between a release and the next claim
	duration  time.Duration // of a turn
	rounds    int
	herd      bool
	clients   int // in the herd
}

func main() {
	if text := os.Getenv(workerVariable); text != "" {
		rig.Main("contention", func([]string) (worker, error) { return parseWorker(text) }, runWorker)
		return
	}
	rig.Main("contention", parseOptions, run)
}

func run(ctx context.Context, o options) error {
	if o.herd {
		return loseServer(ctx, o)
	}
	return compare(ctx, o)
}

func parseOptions(args []string) (options, error) {
	var (
		o       options
		flags   = flag.NewFlagSet("bench-contention", flag.ExitOnError)
		seconds = flags.Float64("seconds", 10, "length of a turn in `seconds`")
	)
	flags.IntVar(&o.processes, "processes", 100, "processes that want the lock")
	flags.DurationVar(&o.hold, "hold", 20*time.Millisecond, "how long each holds it")
	flags.DurationVar(&o.pause, "pause", 200*time.Millisecond, "how long it does not want it after that, on average")
	flags.IntVar(&o.rounds, "rounds", 3, "turns of each strategy; the median counts")
	flags.BoolVar(&o.herd, "herd", false, "show the requests of clients that lose their server together")
	flags.IntVar(&o.clients, "clients", 1000, "clients in the herd")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.processes < 1 || o.processes > 1000:
		return o, fmt.Errorf("-processes %d: 1 to 1000 are possible", o.processes)
	case o.clients < 1 || o.clients > 5000:
		return o, fmt.Errorf("-clients %d: 1 to 5000 are possible", o.clients)
	case o.hold < 0 || o.hold > time.Minute:
		return o, fmt.Errorf("-hold %v: 0s to 1m are possible", o.hold)
	case o.pause < 0 || o.pause > time.Minute:
		return o, fmt.Errorf("-pause %v: 0s to 1m are possible", o.pause)
	case o.rounds < 1:
		return o, fmt.Errorf("-rounds %d: at least 1 is needed", o.rounds)
	case !(*seconds >= 0.5 && *seconds <= 3600): // NaN is refused, too
		return o, fmt.Errorf("-seconds %v: 0.5 to 3600 are possible", *seconds)
	}
	o.duration = time.Duration(*seconds * float64(time.Second))
	return o, nil
}
