//go:build linux

// Loadgen compares the speed and the memory of servers: lockcached and others that speak memcached's
// protocol, in text and in the binary protocol, and Redis where it does the same work. It starts them
// and lets them take turns, so that whatever else the machine does affects all of them.
// scripts/bench builds what it needs and runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

// options is what the command line says.
type options struct {
	contenders  []*contender // the first is compared with each of the others
	cells       []cell
	rounds      int
	duration    time.Duration
	loadThreads int
	memory      bool
	format      string // "", "json" or "csv"
	picture     string // file for one; "" for none
}

// A contender is one of the servers to compare.
type contender struct {
	label  string
	path   string
	redis  bool
	server *rig.Server
}

func (c *contender) start(ctx context.Context, conns int) (err error) {
	if !c.redis {
		c.server, err = rig.StartMemcached(ctx, c.path, conns)
		return err
	}
	if c.server, err = rig.StartRedis(ctx, c.path); err != nil {
		return err
	}
	return doAll(c.server.Addr, []batch{loadRelease()})
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
	results, err := measureSpeed(ctx, o)
	if err != nil {
		return err
	}
	return reportSpeed(os.Stdout, o, results)
}

func parseOptions(args []string) (options, error) {
	var (
		o       options
		flags   = flag.NewFlagSet("bench", flag.ExitOnError)
		ours    = flags.String("a", "lockcached", "the server to compare with the others: `path`, or name to look up in PATH")
		peers   = flags.String("b", "memcached", "servers that speak memcached's protocol: `paths` or names, separated by commas; several versions, for instance")
		redis   = flags.String("redis", "", "compare with this Redis, too: `path`, or name to look up in PATH, such as redis-server")
		only    = flags.String("only", "", "run one `server`, by the name of its program")
		pattern = flags.String("cells", "", "run the cells whose name matches `regexp`, such as ^add-delete/16/ or ^binary-")
		seconds = flags.Float64("seconds", 1, "length of a round in `seconds`")
		asJSON  = flags.Bool("json", false, "print JSON")
		asCSV   = flags.Bool("csv", false, "print comma-separated values")
	)
	flags.StringVar(peers, "memcached", *peers, "the same as -b")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds per cell and server; the median counts")
	flags.IntVar(&o.loadThreads, "load-threads", 1, "threads that make the load; they share the processors with the servers, which have two each")
	flags.StringVar(&o.picture, "picture", "", "draw the ratios into this PNG `file`, too")
	flags.BoolVar(&o.memory, "memory", false, "measure memory, not speed")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.rounds < 1:
		return o, fmt.Errorf("-rounds %d: at least 1 is needed", o.rounds)
	case o.loadThreads < 1:
		return o, fmt.Errorf("-load-threads %d: at least 1 is needed", o.loadThreads)
	case !(*seconds >= 0.05 && *seconds <= lease/10): // NaN is refused, too
		return o, fmt.Errorf("-seconds %v: 0.05 to %d are possible", *seconds, lease/10)
	case *asJSON && *asCSV:
		return o, fmt.Errorf("-json or -csv: one at a time")
	case o.memory && (*redis != "" || o.picture != ""):
		return o, fmt.Errorf("-memory does not know -redis and -picture")
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
	o.contenders, err = chooseContenders(*ours, *peers, *redis, *only)
	return o, err
}

// chooseContenders finds the servers, or only the one of them that is wanted.
func chooseContenders(ours, peers, redis, only string) ([]*contender, error) {
	all := []*contender{{path: ours}}
	for path := range strings.SplitSeq(peers, ",") {
		all = append(all, &contender{path: path})
	}
	if redis != "" {
		all = append(all, &contender{path: redis, redis: true})
	}
	label(all)
	if only != "" {
		all = slices.DeleteFunc(all, func(c *contender) bool { return c.label != only })
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("-only %s: no server is called so", only)
	}
	for _, c := range all {
		path, err := exec.LookPath(c.path)
		if err != nil {
			return nil, err
		}
		c.path = path
	}
	return all, nil
}

// label gives each contender a name of its own: its program's, and a letter if there are several.
func label(all []*contender) {
	count := make(map[string]int)
	for _, c := range all {
		count[filepath.Base(c.path)]++
	}
	for i, c := range all {
		c.label = filepath.Base(c.path)
		if count[c.label] > 1 {
			c.label += "-" + string(rune('a'+i))
		}
	}
}
