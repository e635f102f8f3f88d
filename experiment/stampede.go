package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// The second experiment is about a cache: many want the same page, it expires, and
// somebody has to compute it anew. It compares the ways in which that is done.

// A stampedeConfig says what to run. setDefaults fills in what is left out.
type stampedeConfig struct {
	Simulate bool
	Quick    bool
	Seed     uint64
	Laws     []Law // of compute times
	Demands  []demand
	Ways     []*way

	TTL      time.Duration // of a page: whole seconds
	Hold     time.Duration // of --coalesce
	Stale    time.Duration // of --stale
	Expiries int           // simulated: how many are measured
	Duration time.Duration // live: of the demands that are a rate
	Rounds   int           // of a burst

	Out string // folder for results and pictures; "" for none
}

// What runs by default. Pages take 200 ms to compute, and ten times as long now and then: that is
// what --coalesce has to have time for.
const (
	simulatedTTL      = time.Minute
	liveTTL           = 10 * time.Second
	stampedeHold      = 3 * time.Second
	stampedeStale     = 30 * time.Second
	simulatedExpiries = 20
	quickExpiries     = 5
	simulatedRounds   = 10
	liveRounds        = 3
)

var (
	simulatedDemands = []string{"r1", "r10", "r100", "r1000", "b1000", "b10000"}
	quickDemands     = []string{"r10", "r100", "b1000"}
	liveDemands      = []string{"r100", "b1000", "b10000"}
)

func (c *stampedeConfig) setDefaults() {
	if len(c.Ways) == 0 {
		c.Ways = ways
	}
	if len(c.Laws) == 0 {
		c.Laws = defaultLaws(c.Simulate)
	}
	if len(c.Demands) == 0 {
		for _, name := range c.defaultDemands() {
			d, err := parseDemand(name)
			if err != nil {
				panic(err) // the lists above have a demand that does not exist
			}
			c.Demands = append(c.Demands, d)
		}
	}
	c.setDefaultTimes()
}

func (c *stampedeConfig) setDefaultTimes() {
	choose := func(to *time.Duration, simulated, live time.Duration) {
		switch {
		case *to != 0:
		case c.Simulate:
			*to = simulated
		default:
			*to = live
		}
	}
	choose(&c.TTL, simulatedTTL, liveTTL)
	choose(&c.Hold, stampedeHold, stampedeHold)
	choose(&c.Stale, stampedeStale, stampedeStale)
	if c.Duration == 0 {
		c.Duration = liveDuration
		if c.Quick {
			c.Duration = quickDuration
		}
	}
	if c.Expiries == 0 {
		c.Expiries = simulatedExpiries
		if c.Quick {
			c.Expiries = quickExpiries
		}
	}
	if c.Rounds == 0 {
		c.Rounds = simulatedRounds
		if !c.Simulate || c.Quick {
			c.Rounds = liveRounds
		}
	}
}

func (c *stampedeConfig) defaultDemands() []string {
	switch {
	case !c.Simulate:
		return liveDemands
	case c.Quick:
		return quickDemands
	}
	return simulatedDemands
}

// runStampede runs the experiment. If ctx ends first, it reports the results so far, and says
// so.
func runStampede(ctx context.Context, c stampedeConfig, out Output) error {
	c.setDefaults()
	if c.Out != "" { // better to learn now that it cannot be written
		if err := os.MkdirAll(c.Out, 0o777); err != nil {
			return err
		}
	}
	r := &stampedeResults{config: c}
	began := time.Now()
	var err error
	if c.Simulate {
		err = r.simulate(ctx, &out)
	} else {
		err = r.play(ctx, &out)
	}
	out.progress("")
	if err != nil && ctx.Err() == nil {
		return err
	}
	if ctx.Err() != nil {
		fmt.Fprintln(out.Notes, "interrupted: what follows is what was finished until then")
	}
	r.printTable(out.Report)
	fmt.Fprintf(out.Notes, "took %v\n", time.Since(began).Round(100*time.Millisecond))
	if c.Out == "" || len(r.lines) == 0 {
		return nil
	}
	return r.write(c.Out, &out)
}

// stampedeResults are the lines of a run, and the records of those that pictures show.
type stampedeResults struct {
	config stampedeConfig
	lines  []stampedeLine
	shown  map[string]*record // by way
}

// add adds a line of what was recorded. The record is kept only if pictures show it: those
// are of the first law, and of 100 readers a second or else the first rate.
func (r *stampedeResults) add(mode string, t *stampedeTrial, rec *record) {
	if len(rec.waits) == 0 {
		return
	}
	r.lines = append(r.lines, rec.line(mode, t))
	if t.law.Name == r.config.Laws[0].Name && t.demand == r.config.shownDemand() {
		if r.shown == nil {
			r.shown = make(map[string]*record)
		}
		r.shown[t.way.name] = rec
	}
}

func (c *stampedeConfig) shownDemand() demand {
	shown := c.Demands[0]
	for _, d := range c.Demands {
		if d.rate == 100 || d.rate > 0 && shown.rate == 0 {
			shown = d
		}
	}
	return shown
}

// A stampedeTrial is one cell of the table.
type stampedeTrial struct {
	config *stampedeConfig
	way    *way
	law    Law
	demand demand
}

// trials are all cells of the table, in its order.
func (c *stampedeConfig) trials() (all []stampedeTrial) {
	for _, d := range c.Demands {
		for _, law := range c.Laws {
			for _, w := range c.Ways {
				all = append(all, stampedeTrial{c, w, law, d})
			}
		}
	}
	return all
}

// write fills the folder with stampede.csv, stampede.json and the pictures.
func (r *stampedeResults) write(folder string, out *Output) error {
	name := "stampede"
	if !r.config.Simulate {
		name += "-live"
	}
	for ending, write := range map[string]func(io.Writer) error{".csv": r.writeCSV, ".json": r.writeJSON} {
		if err := writeTo(filepath.Join(folder, name+ending), write); err != nil {
			return err
		}
	}
	pictures := r.pictures(name)
	for _, p := range pictures {
		out.progress("drawing %s", p.name)
		if err := p.save(folder); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	out.progress("")
	fmt.Fprintf(out.Notes, "written to %s: %s.csv, %s.json and %d pictures, each as SVG and PNG\n", folder, name, name, len(pictures))
	return nil
}
