package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"
)

// stampedeName is the argument that chooses the second experiment.
const stampedeName = "stampede"

// stampedeOptions are its command line, parsed and checked.
type stampedeOptions struct {
	stampedeConfig
	mean time.Duration
}

// stampedeFlag is a row of its table of flags.
type stampedeFlag struct {
	name string
	many bool
	set  func(c *stampedeOptions, value string) error
}

// stampedeFlags has all flags of the second experiment that take a value. A flag follows those
// that it needs: --law needs --compute.
var stampedeFlags = []stampedeFlag{
	{name: "way", many: true, set: func(c *stampedeOptions, value string) error {
		w, err := parseWay(value)
		c.Ways = append(c.Ways, w)
		return err
	}},
	{name: "compute", set: func(c *stampedeOptions, value string) error { return holdTime(&c.mean, value) }},
	{name: "law", many: true, set: (*stampedeOptions).addLaw},
	{name: "load", many: true, set: func(c *stampedeOptions, value string) error {
		d, err := parseDemand(value)
		c.Demands = append(c.Demands, d)
		return err
	}},
	{name: "ttl", set: func(c *stampedeOptions, value string) error { return wholeTime(&c.TTL, value) }},
	{name: "coalesce", set: func(c *stampedeOptions, value string) error { return holdTime(&c.Hold, value) }},
	{name: "stale", set: func(c *stampedeOptions, value string) error { return wholeTime(&c.Stale, value) }},
	{name: "expiries", set: func(c *stampedeOptions, value string) error { return countOf(&c.Expiries, value) }},
	{name: "rounds", set: func(c *stampedeOptions, value string) error { return countOf(&c.Rounds, value) }},
	{name: "duration", set: func(c *stampedeOptions, value string) error { return wholeTime(&c.Duration, value) }},
	{name: "seed", set: func(c *stampedeOptions, value string) (err error) {
		if c.Seed, err = strconv.ParseUint(value, 10, 64); err != nil {
			return errors.New("a seed is a whole number, 0 or more")
		}
		return nil
	}},
	{name: "out", set: func(c *stampedeOptions, value string) error {
		c.Out = value
		if value == "" {
			return errors.New("needs the name of a folder")
		}
		return nil
	}},
}

func (c *stampedeOptions) addLaw(name string) error {
	l, err := NewLaw(name, c.mean, time.Duration(float64(c.mean)*float64(DefaultStddev)/float64(DefaultMean)))
	c.Laws = append(c.Laws, l)
	return err
}

// wholeTime reads what memcached counts in seconds.
func wholeTime(to *time.Duration, value string) error {
	d, err := parseDuration(value)
	if err == nil && (d < time.Second || d > 24*time.Hour || d%time.Second != 0) {
		err = errors.New("should be whole seconds, from 1s to 24h")
	}
	*to = d
	return err
}

// stampedeCommand runs the second experiment as the arguments say.
func stampedeCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var flags []urfave.Flag
	for _, name := range []string{"simulate", "quick", "progress"} {
		flags = append(flags, &urfave.BoolFlag{Name: name})
	}
	for _, f := range stampedeFlags {
		if f.many {
			flags = append(flags, &urfave.StringSliceFlag{Name: f.name})
		} else {
			flags = append(flags, &urfave.StringFlag{Name: f.name})
		}
	}
	act := func(c *urfave.Context) error {
		config, err := parseStampede(c)
		if err != nil {
			return err
		}
		return runStampede(c.Context, config, outputOf(c, stdout, stderr))
	}
	return newApp(flags, act, stampedeHelp(), stdout).RunContext(ctx, append([]string{name + " " + stampedeName}, args...))
}

func parseStampede(ctx *urfave.Context) (stampedeConfig, error) {
	c := stampedeOptions{mean: DefaultMean}
	c.Simulate, c.Quick, c.Seed = ctx.Bool("simulate"), ctx.Bool("quick"), 1
	if word := ctx.Args().First(); word != "" {
		return c.stampedeConfig, misuse{word, "belongs to no flag; experiment stampede -h lists them"}
	}
	for _, f := range stampedeFlags {
		for _, value := range valuesOf(ctx, f.name, f.many) {
			if err := f.set(&c, value); err != nil {
				return c.stampedeConfig, misuse{"--" + f.name + " " + value, err.Error()}
			}
		}
	}
	if len(c.Laws) == 0 && ctx.IsSet("compute") {
		for _, l := range defaultLaws(c.Simulate) {
			if err := c.addLaw(l.Name); err != nil {
				return c.stampedeConfig, err
			}
		}
	}
	switch {
	case c.Simulate && ctx.IsSet("duration"):
		return c.stampedeConfig, misuse{"--duration", "is for live runs only"}
	case !c.Simulate && ctx.IsSet("expiries"):
		return c.stampedeConfig, misuse{"--expiries", "is for simulated runs only"}
	}
	return c.stampedeConfig, nil
}

// stampedeHelp is the help, with a list of the ways.
func stampedeHelp() string {
	var b strings.Builder
	b.WriteString(`experiment stampede compares what happens when a page expires that many want: how often it is computed, how
long its readers wait, and how busy the origin is. --coalesce, --stale and --early of the server are
compared with what clients do by themselves.

Without --simulate it is live: a server in this process, a connection for each reader, real sleeping.

  experiment stampede                            live, two minutes
  experiment stampede --simulate --quick         simulated, a first look in seconds
  experiment stampede --simulate --out results   simulated, the whole table, in minutes

  --way <name>           a way to get the page; can be repeated (default: all)
  --load <load>          who comes when; can be repeated: r100 is 100 readers a second, by chance; b1000 is
                         1000 at once, of a page that is not there
                         (default: r100 b1000 b10000; simulated: r1 r10 r100 r1000 b1000 b10000)
  --law <name>           how long computing takes; can be repeated: normal, lognormal, exponential,
                         bimodal, constant, pareto (default: normal; simulated: all)
  --compute <duration>   its mean (default: 200ms)
  --ttl <duration>       of the page (default: 10s; simulated: 1m)
  --coalesce <duration>  what the server's flag says (default: 3s)
  --stale <duration>     what the server's flag says (default: 30s)
  --rounds <num>         bursts of each way (default: 3; simulated: 10)
  --seed <num>           of all that happens by chance, but for --early, whose dice are the server's (default: 1)
  --quick                less of everything
  --out <folder>         write numbers and pictures there
  --progress             show progress even if the standard error is no terminal
Simulated:
  --simulate             in virtual time; the cache is the server's own code
  --expiries <num>       to measure for each line of the report (default: 20)
Live:
  --duration <duration>  of each table with a rate (default: 30s)

Ways:
`)
	for _, w := range ways {
		fmt.Fprintf(&b, "  %-14s %s\n", w.name, w.about)
	}
	return b.String()
}
