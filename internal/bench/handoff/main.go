//go:build linux

// Handoff measures how fast a lock goes from one holder to the next: with lockcached,
// PoolCounter and etcd, which queue waiters, and with memcached, which is polled. All take
// turns in one run, so that whatever else the machine does affects all.
// scripts/bench-handoff builds what it needs and runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

// options is what the command line says.
type options struct {
	systems  []*system
	loads    []load
	rounds   int
	duration time.Duration
	memory   bool
	asJSON   bool
}

// A load is how many clients want the lock, and for how long each keeps it.
type load struct {
	clients int
	hold    time.Duration
}

func (l load) name() string { return fmt.Sprintf("%d/%v", l.clients, l.hold) }

var (
	free  = load{clients: 10}
	short = load{clients: 10, hold: time.Millisecond}
	long  = load{clients: 10, hold: 20 * time.Millisecond}
	crowd = load{clients: 1000}
)

func main() { rig.Main("handoff", parseOptions, run) }

func run(ctx context.Context, o options) error {
	if o.memory {
		m, err := measureMemory(ctx, o.systems)
		if err != nil {
			return err
		}
		return reportMemory(os.Stdout, o, m)
	}
	results, err := measureSpeed(ctx, o)
	if err != nil {
		return err
	}
	return reportSpeed(os.Stdout, o, results)
}

func parseOptions(args []string) (options, error) {
	var (
		o       options
		flags   = flag.NewFlagSet("bench-handoff", flag.ExitOnError)
		names   = flags.String("systems", "", "run these `names` only, separated by commas: "+strings.Join(systemNames(), ","))
		pattern = flags.String("loads", "", "run the loads, clients/hold, whose name matches `regexp`, such as ^10/")
		seconds = flags.Float64("seconds", 1, "length of a round in `seconds`")
	)
	flags.IntVar(&o.rounds, "rounds", 5, "rounds per load and system; the median counts")
	flags.BoolVar(&o.memory, "memory", false, "measure the memory of queued waiters, not speed")
	flags.BoolVar(&o.asJSON, "json", false, "print JSON")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.rounds < 1:
		return o, fmt.Errorf("-rounds %d: at least 1 is needed", o.rounds)
	case !(*seconds >= 0.05 && *seconds <= leaseSeconds/10): // NaN is refused, too
		return o, fmt.Errorf("-seconds %v: 0.05 to %d are possible", *seconds, leaseSeconds/10)
	}
	o.duration = time.Duration(*seconds * float64(time.Second))

	var err error
	if o.loads, err = rig.Matching("-loads", *pattern, []load{free, short, long, crowd}, load.name); err != nil {
		return o, err
	}
	o.systems, err = chooseSystems(*names)
	return o, err
}

// chooseSystems returns the systems of these names, or all.
func chooseSystems(names string) ([]*system, error) {
	all := allSystems()
	if names == "" {
		return all, nil
	}
	var chosen []*system
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(s *system) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-systems: %q is none of %s", name, strings.Join(systemNames(), ","))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
