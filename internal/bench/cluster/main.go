//go:build linux

// Cluster measures what a lock costs that a majority of three machines has to know: with
// three lockcached nodes and with etcd's own concurrency.Mutex on three members, which take
// turns in one run, and with one lockcached that writes to its own disk only. All write to
// the same disk and wait for it. scripts/bench-cluster builds what it needs and runs it.
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
	loads    []load
	rounds   int
	duration time.Duration
	dir      string
	asJSON   bool

	footprint bool
}

// A load is how many clients want how many locks. Each client wants one, and lets it go at
// once.
type load struct{ clients, keys int }

func (l load) name() string { return fmt.Sprintf("%d/%d", l.clients, l.keys) }

var (
	oneKey   = load{clients: 10, keys: 1}
	manyKeys = load{clients: 200, keys: 200}
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == memberCommand {
		serveMember(os.Args[2:])
		return
	}
	rig.Main("cluster", parseOptions, run)
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp(o.dir, "bench-cluster-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.footprint {
		f, err := measureFootprint(ctx, dir)
		if err != nil {
			return err
		}
		return reportFootprint(os.Stdout, o, f)
	}
	o.dir = dir
	results, err := measure(ctx, o)
	if err != nil {
		return err
	}
	return report(os.Stdout, o, results)
}

func parseOptions(args []string) (options, error) {
	var (
		o       options
		flags   = flag.NewFlagSet("bench-cluster", flag.ExitOnError)
		pattern = flags.String("loads", "", "run the loads, clients/keys, whose name matches `regexp`, such as /1$")
		seconds = flags.Float64("seconds", 3, "length of a round in `seconds`")
	)
	flags.IntVar(&o.rounds, "rounds", 5, "rounds per load and system; the median counts")
	flags.StringVar(&o.dir, "dir", os.TempDir(), "the servers write below this `directory`; its disk is measured, too")
	flags.BoolVar(&o.footprint, "footprint", false, "measure what a cluster costs at rest, and how long a take-over lasts, not speed")
	flags.BoolVar(&o.asJSON, "json", false, "print JSON")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.rounds < 1:
		return o, fmt.Errorf("-rounds %d: at least 1 is needed", o.rounds)
	case !(*seconds >= 0.1 && *seconds <= leaseSeconds/2): // NaN is refused, too
		return o, fmt.Errorf("-seconds %v: 0.1 to %d are possible", *seconds, leaseSeconds/2)
	}
	o.duration = time.Duration(*seconds * float64(time.Second))

	var err error
	o.loads, err = rig.Matching("-loads", *pattern, []load{oneKey, manyKeys}, load.name)
	return o, err
}
