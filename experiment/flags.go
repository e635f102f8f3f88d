package main

import (
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"
)

// A flag is a row of the table below.
type flag struct {
	name string
	many bool // can be repeated, or given a list separated by commas
	set  func(c *options, value string) error
}

// flagTable has all flags that take a value. Values stay text until
// here, so that all errors read alike.
var flagTable = []flag{
	{name: "policy", many: true, set: func(c *options, value string) error {
		p, err := ParsePolicy(value)
		c.Policies = append(c.Policies, p)
		return err
	}},
	{name: "hold", set: func(c *options, value string) error { return holdTime(&c.hold, value) }},
	{name: "stddev", set: func(c *options, value string) error { return holdTime(&c.stddev, value) }},
	{name: "law", many: true, set: (*options).addLaw},
	{name: "load", many: true, set: func(c *options, value string) error {
		l, err := ParseLoad(value)
		c.Loads = append(c.Loads, l)
		return err
	}},
	{name: "clients", set: func(c *options, value string) error {
		l, err := ParseLoad("b" + value)
		c.Loads = append(c.Loads, l)
		if err != nil {
			return errors.New("should be a number of clients from 2 to 100000")
		}
		return nil
	}},
	{name: "seed", set: func(c *options, value string) (err error) {
		if c.Seed, err = strconv.ParseUint(value, 10, 64); err != nil {
			return errors.New("a seed is a whole number, 0 or more")
		}
		return nil
	}},
	{name: "acquisitions", set: func(c *options, value string) error { return countOf(&c.Acquisitions, value) }},
	{name: "dying", set: func(c *options, value string) error {
		percent, err := strconv.ParseFloat(strings.TrimSuffix(value, "%"), 64)
		if err != nil || !(percent >= 0 && percent <= mostDying) {
			return fmt.Errorf("should be a percentage from 0 to %d", mostDying)
		}
		c.Dying = percent / 100
		return nil
	}},
	{name: "rounds", set: func(c *options, value string) error { return countOf(&c.Rounds, value) }},
	{name: "duration", set: func(c *options, value string) error {
		d, err := parseDuration(value)
		if err == nil && d < time.Second {
			err = errors.New("should be at least 1s")
		}
		c.Duration = d
		return err
	}},
	{name: "server", set: func(c *options, value string) error {
		c.Server = value
		_, _, err := net.SplitHostPort(value)
		if err != nil && !strings.Contains(value, "/") { // a Unix socket
			return errors.New("should be an address such as localhost:11211")
		}
		return nil
	}},
	{name: "out", set: func(c *options, value string) error {
		c.Out = value
		if value == "" {
			return errors.New("needs the name of a folder")
		}
		return nil
	}},
}

// mostDying is the largest --dying, in per cent. It leaves enough holders that
// release the lock.
const mostDying = 90

var switches = []string{"simulate", "quick", "cold", "progress"}

func allFlags() []urfave.Flag {
	var list []urfave.Flag
	for _, name := range switches {
		list = append(list, &urfave.BoolFlag{Name: name})
	}
	for _, f := range flagTable {
		if f.many {
			list = append(list, &urfave.StringSliceFlag{Name: f.name})
		} else {
			list = append(list, &urfave.StringFlag{Name: f.name})
		}
	}
	return list
}

// options are the command line, parsed and checked.
type options struct {
	Config
	hold, stddev time.Duration
}

// parseFlags reads the flags in the order of the table, where a flag follows
// those that it needs: --law needs --hold and --stddev.
func parseFlags(ctx *urfave.Context) (Config, error) {
	c := options{hold: DefaultMean}
	c.Simulate, c.Quick, c.Cold, c.Seed = ctx.Bool("simulate"), ctx.Bool("quick"), ctx.Bool("cold"), 1
	if word := ctx.Args().First(); word != "" {
		return c.Config, misuse{word, "belongs to no flag; experiment -h lists them"}
	}
	for _, f := range flagTable {
		for _, value := range valuesOf(ctx, f.name, f.many) {
			if err := f.set(&c, value); err != nil {
				return c.Config, misuse{"--" + f.name + " " + value, err.Error()}
			}
		}
	}
	return c.Config, c.check(ctx)
}

// valuesOf are the values that a flag was given; many says that it may have several.
func valuesOf(ctx *urfave.Context, flag string, many bool) []string {
	switch {
	case !ctx.IsSet(flag):
		return nil
	case many:
		return ctx.StringSlice(flag)
	}
	return []string{ctx.String(flag)}
}

// addLaw adds a law with the mean and the deviation that were asked for.
func (c *options) addLaw(name string) error {
	stddev := c.stddev
	if stddev == 0 {
		stddev = time.Duration(float64(c.hold) * float64(DefaultStddev) / float64(DefaultMean))
	}
	l, err := NewLaw(name, c.hold, stddev)
	c.Laws = append(c.Laws, l)
	return err
}

// check refuses flags that do not go together.
func (c *options) check(ctx *urfave.Context) error {
	only := func(mode string, names ...string) error {
		for _, name := range names {
			if ctx.IsSet(name) {
				return misuse{"--" + name, "is for " + mode + " runs only"}
			}
		}
		return nil
	}
	if ctx.IsSet("load") && ctx.IsSet("clients") {
		return misuse{"--clients", "give either --clients or --load"}
	}
	if len(c.Laws) == 0 && (ctx.IsSet("hold") || ctx.IsSet("stddev")) {
		names := LawNames
		if !c.Simulate {
			names = names[:1]
		}
		for _, name := range names {
			if err := c.addLaw(name); err != nil {
				return err
			}
		}
	}
	if c.Simulate {
		return only("live", "duration", "server")
	}
	for _, l := range c.Loads {
		if !l.Live() {
			return misuse{"--load " + l.String(), "chance arrivals are simulated only: add --simulate, or use b10 or c10"}
		}
	}
	return only("simulated", "acquisitions", "dying", "cold")
}

func holdTime(to *time.Duration, value string) error {
	d, err := parseDuration(value)
	if err == nil && (d < time.Millisecond || d > time.Hour) {
		err = errors.New("should be from 1ms to 1h")
	}
	*to = d
	return err
}

func countOf(to *int, value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return errors.New("should be a number greater than 0")
	}
	*to = n
	return nil
}

const help = `experiment compares ways to ask for a lock that is held: exponential backoff and
its relatives, what the server advises, and waiting in line. It counts tries, waits, and the
time the lock stood idle though somebody wanted it.

Without --simulate it is live: connections to a server, real sleeping, all policies side by
side, each with a lock of its own.

  experiment                            live, 10 clients, half a minute
  experiment --clients 100 --law bimodal --out results
  experiment --server cache:11211       on another server; memcached will do
  experiment --simulate --quick         simulated, a first look in seconds
  experiment --simulate --out results   simulated, the whole table, in minutes
  experiment --simulate --law normal --load b10 --policy exp100 --policy queue
  experiment stampede -h                the other experiment: a cache whose pages expire

Both:
  --policy <name>        a way to ask again; can be repeated (default: all)
  --law <name>           how long holds take; can be repeated: normal, lognormal, exponential,
                         bimodal, constant, pareto (default: normal; simulated: all)
  --load <load>          who comes when; can be repeated: b10 is a burst of 10, c10 a closed loop
                         of 10 that think 200ms, p0.5 chance arrivals (simulated only)
                         (default: b10; simulated: b2 b10 b100 b1000 p0.5 p0.9 c2 c10 c100 c1000)
  --hold <duration>      mean hold time (default: 200ms)
  --stddev <duration>    its standard deviation, with normal and lognormal (default: 0.35 of --hold)
  --seed <num>           of all that happens by chance (default: 1)
  --rounds <num>         bursts of each policy (default: as many as there is time for)
  --quick                less of everything
  --out <folder>         write results.csv, results.json and pictures there
  --progress             show progress even if the standard error is no terminal
Simulated:
  --simulate             in virtual time: the same seed gives the same numbers
  --acquisitions <num>   to measure for each line of the report (default: 20000)
  --dying <percent>      of the holders that die instead of releasing the lock, which stays held
                         until a lease of 25 mean holds ends (default: 0)
  --cold                 the server knows nothing of the lock when a burst begins
Live:
  --clients <num>        short for --load b<num>
  --duration <duration>  of each table (default: 30s)
  --server <addr>        use this server (default: start one for the time being)

A <duration> is like 500ms, 5s or 1m30s.
Ctrl-C ends a run with a report of what there is until then.

Policies:
`

// helpText returns the help with a list of the policies.
func helpText() string {
	var b strings.Builder
	b.WriteString(help)
	for _, p := range Policies {
		fmt.Fprintf(&b, "  %-14s %s\n", p.Name, p.About)
	}
	return b.String()
}

// parseDuration reads a Go duration of 0 or more.
func parseDuration(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 {
		return 0, errors.New("should be a duration such as 500ms, 5s or 1m30s")
	}
	return d, nil
}
