//go:build linux

// Loadgen compares the speed and the memory of two servers that speak memcached's protocol:
// lockcached and memcached, unless told otherwise; speed in text and in the binary protocol.
// It starts both and lets them take turns, so that whatever else the machine does affects
// both. scripts/bench builds what it needs and runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

// options is what the command line says.
type options struct {
	contenders []*contender
	cells      []cell
	rounds     int
	duration   time.Duration
	memory     bool
	format     string // "", "json" or "csv"
}

// A contender is one of the servers to compare.
type contender struct {
	label  string
	path   string
	server *rig.Memcached
}

func (c *contender) start(ctx context.Context, conns int) (err error) {
	c.server, err = rig.StartMemcached(ctx, c.path, conns)
	return err
}

func main() { rig.Main("loadgen", parseOptions, run) }

func run(ctx context.Context, o options) error {
	if o.memory {
		footprints, err := measureMemory(ctx, o.contenders)
		if err != nil {
			return err
		}
		return reportMemory(os.Stdout, o, footprints)
	}
	results, err := measureSpeed(ctx, o, o.contenders)
	if err != nil {
		return err
	}
	return reportSpeed(os.Stdout, o, results)
}

func parseOptions(args []string) (options, error) {
	var (
		o       options
		flags   = flag.NewFlagSet("bench", flag.ExitOnError)
		a       = flags.String("a", "lockcached", "first server: `path`, or name to look up in PATH")
		b       = flags.String("b", "memcached", "second server: `path`, or name to look up in PATH")
		only    = flags.String("only", "", "run one `server`: a or b")
		pattern = flags.String("cells", "", "run the cells whose name matches `regexp`, such as ^add-delete/16/ or ^binary-")
		seconds = flags.Float64("seconds", 1, "length of a round in `seconds`")
		asJSON  = flags.Bool("json", false, "print JSON")
		asCSV   = flags.Bool("csv", false, "print comma-separated values")
	)
	flags.StringVar(b, "memcached", *b, "the same as -b: `path`, or name")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds per cell and server; the median counts")
	flags.BoolVar(&o.memory, "memory", false, "measure memory, not speed")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.rounds < 1:
		return o, fmt.Errorf("-rounds %d: at least 1 is needed", o.rounds)
	case !(*seconds >= 0.05 && *seconds <= lease/10): // NaN is refused, too
		return o, fmt.Errorf("-seconds %v: 0.05 to %d are possible", *seconds, lease/10)
	case *asJSON && *asCSV:
		return o, fmt.Errorf("-json or -csv: one at a time")
	case *asJSON:
		o.format = "json"
	case *asCSV:
		o.format = "csv"
	}
	o.duration = time.Duration(*seconds * float64(time.Second))

	var err error
	if o.cells, err = rig.Matching("-cells", *pattern, allCells(), cell.name); err != nil {
		return o, err
	}
	o.contenders, err = chooseContenders(*a, *b, *only)
	return o, err
}

// chooseContenders finds the servers at paths a and b, or only the one of them that is
// wanted.
func chooseContenders(a, b, only string) ([]*contender, error) {
	first := &contender{label: filepath.Base(a), path: a}
	second := &contender{label: filepath.Base(b), path: b}
	if first.label == second.label {
		first.label, second.label = "a", "b"
	}
	contenders := []*contender{first, second}
	switch only {
	case "":
	case "a", first.label:
		contenders = contenders[:1]
	case "b", second.label:
		contenders = contenders[1:]
	default:
		return nil, fmt.Errorf("-only %s: is neither a nor b", only)
	}
	for _, c := range contenders {
		path, err := exec.LookPath(c.path)
		if err != nil {
			return nil, err
		}
		c.path = path
	}
	return contenders, nil
}
