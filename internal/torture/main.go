//go:build linux

// Torturer tries to break lockcached's promises: with clients that are cut off,
// stopped and killed, with a server that is killed and restarted, with damaged
// files, with thousands of connections that misbehave. What the clients saw is
// judged, and written down in a report. scripts/torture builds what it needs and
// runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

// options is what the command line says.
type options struct {
	program   program
	scenarios []*scenario
	form      form
	duration  time.Duration // of a long run
	dir       string        // of the report, and of what is kept of findings
	soak      time.Duration // length of a long round of soak
	resume    bool
	seed      uint64
}

// A form is how much a round does.
type form int

const (
	tiny  form = iota // for go test
	short             // for every change
	long
)

func main() {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(playRole(role, os.Args[1:]))
	}
	rig.Main("torture", parseOptions, run)
}

func parseOptions(args []string) (options, error) {
	o := options{form: long}
	flags := flag.NewFlagSet("torture", flag.ExitOnError)
	names := flags.String("scenarios", "", "run these `names` only, separated by commas: "+strings.Join(scenarioNames(), ","))
	brief := flags.Bool("short", false, "one short round of each: three minutes in all")
	flags.StringVar(&o.program.path, "server", "lockcached", "`path` of the server to torture")
	flags.DurationVar(&o.duration, "for", time.Hour, "how long to go on; rounds that have begun are finished")
	flags.StringVar(&o.dir, "dir", "torture-report", "`directory` of the report, of the state for -resume and of what is kept of findings")
	flags.DurationVar(&o.soak, "soak", 10*time.Minute, "how long badly behaved clients stay in a round of soak")
	flags.BoolVar(&o.resume, "resume", false, "go on with the run whose state is in -dir, until -for is over in all")
	flags.Uint64Var(&o.seed, "seed", 0, "seed of what the clients choose; 0 is any. Threads and clocks add chance of their own")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.duration <= 0:
		return o, fmt.Errorf("-for %v: has to be above 0", o.duration)
	case o.soak <= 0:
		return o, fmt.Errorf("-soak %v: has to be above 0", o.soak)
	case *brief && o.resume:
		return o, errors.New("-resume is for long runs, without -short")
	}
	if *brief {
		o.form = short
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	var err error
	o.scenarios, err = chooseScenarios(*names)
	return o, err
}

func run(ctx context.Context, o options) error {
	r, err := newRunner(ctx, o)
	if err != nil {
		return err
	}
	defer r.close()
	goOn := r.run(ctx)
	if err := r.report(os.Stdout); err != nil {
		return errors.Join(goOn, err)
	}
	if goOn != nil {
		return goOn
	}
	return r.state.verdict()
}

// A scenario is one way to torture the server.
type scenario struct {
	name    string
	promise string  // what it tries to break
	share   float64 // of the time of a long run
	root    bool    // only root can play it
	round   func(context.Context, *trial) (outcome, error)
}

var allScenarios = append([]*scenario{
	historyScenario, crashScenario, damageScenario, fenceScenario, fillScenario, soakScenario, termScenario,
}, append(clusterScenarios, partScenario)...)

// isForRoot reports whether only root can play it, and this is somebody else.
func (s *scenario) isForRoot() bool { return s.root && os.Geteuid() != 0 }

func scenarioNames() (names []string) {
	for _, s := range allScenarios {
		names = append(names, s.name)
	}
	return names
}

// chooseScenarios returns the scenarios of these names, or all that this user can play.
func chooseScenarios(names string) ([]*scenario, error) {
	if names == "" {
		return slices.DeleteFunc(slices.Clone(allScenarios), func(s *scenario) bool {
			if s.isForRoot() {
				fmt.Fprintf(os.Stderr, "torture: %s is for root, and left out\n", s.name)
			}
			return s.isForRoot()
		}), nil
	}
	var chosen []*scenario
	for name := range strings.SplitSeq(names, ",") {
		i := slices.Index(scenarioNames(), name)
		if i < 0 {
			return nil, fmt.Errorf("-scenarios: %q is none of %s", name, strings.Join(scenarioNames(), ","))
		}
		if allScenarios[i].isForRoot() {
			return nil, fmt.Errorf("-scenarios: %s makes network namespaces, so only root can play it", name)
		}
		chosen = append(chosen, allScenarios[i])
	}
	return chosen, nil
}
