package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"
)

// An Output is where a run reports its progress and its results.
type Output struct {
	Report   io.Writer           // the table
	Notes    io.Writer           // what the reader ought to know besides
	Progress func(status string) // called now and then, and with "" at the end; may be nil
}

func (o *Output) progress(format string, args ...any) {
	if o.Progress != nil {
		o.Progress(fmt.Sprintf(format, args...))
	}
}

// Run runs the experiment. If ctx ends first, it reports the results so far, and
// says so.
func Run(ctx context.Context, c Config, out Output) error {
	c.setDefaults()
	if c.Out != "" { // better to learn now that it cannot be written
		if err := os.MkdirAll(c.Out, 0o777); err != nil {
			return err
		}
	}
	r := &results{config: c}
	began := time.Now()
	var err error
	if c.Simulate {
		err = runSimulated(ctx, &c, r, &out)
	} else {
		err = runLive(ctx, &c, r, &out)
	}
	out.progress("")
	if err != nil && ctx.Err() == nil {
		return err
	}
	if ctx.Err() != nil {
		fmt.Fprintln(out.Notes, "interrupted: what follows is what was finished until then")
	}
	r.targets = r.judgeAll(ctx)
	r.printTable(out.Report)
	r.printTargets(out.Report)
	fmt.Fprintf(out.Notes, "took %v\n", time.Since(began).Round(100*time.Millisecond))
	if c.Out == "" || len(r.lines) == 0 {
		return nil
	}
	return r.write(context.WithoutCancel(ctx), c.Out, &out)
}

// results are the lines of a run, and the samples of those that pictures show.
type results struct {
	config  Config
	lines   []Summary
	targets []verdict
	shown   map[string]*ledger // by policy
}

// A place is a table of its own: a law and a load.
type place struct{ law, load string }

// line makes a line of what was counted. The samples are kept only for the place
// that pictures show.
func (r *results) line(mode string, t *trial, l *ledger) *Summary {
	s := l.summarise(t.load)
	s.Mode, s.Law, s.Policy = mode, t.law.Name, t.policy.Name
	if (place{s.Law, s.Load}) == r.picturePlace() {
		if r.shown == nil {
			r.shown = make(map[string]*ledger)
		}
		r.shown[s.Policy] = l
	}
	return &s
}

// picturePlace is the first law, and the burst of ten if it is run, or else the first
// load. Ten clients are few enough for every policy to finish.
func (r *results) picturePlace() place {
	c := &r.config
	load := c.Loads[0]
	for _, l := range c.Loads {
		if l.Kind == burst && l.Clients == 10 {
			load = l
		}
	}
	return place{c.Laws[0].Name, load.String()}
}

// trials are all cells of the table, in its order.
func (c *Config) trials() []trial {
	var all []trial
	for _, law := range c.Laws {
		for _, load := range c.Loads {
			for _, policy := range c.Policies {
				all = append(all, trial{policy: policy, law: law, load: load, seed: c.Seed, faults: c.faultsOf(&law)})
			}
		}
	}
	return all
}

// perTrial is how many acquisitions a trial measures.
func (c *Config) perTrial(l Load) int {
	if c.Rounds > 0 && l.Kind == burst {
		return c.Rounds * l.Clients
	}
	return c.Acquisitions
}

// runSimulated plays the trials on all processors. Each has its own sources of
// chance, so their order does not matter.
func runSimulated(ctx context.Context, c *Config, r *results, out *Output) error {
	trials := c.trials()
	lines := make([]*Summary, len(trials))
	var wg sync.WaitGroup
	var mu sync.Mutex // for next, done and r
	next, done := 0, 0
	work := func() {
		mu.Lock()
		defer mu.Unlock()
		for next < len(trials) && ctx.Err() == nil {
			i := next
			next++
			t := &trials[i]
			out.progress("[%d/%d] %s %s %s", done, len(trials), t.law.Name, t.load, t.policy.Name)
			mu.Unlock()
			l, err := simulate(ctx, *t, c.perTrial(t.load))
			mu.Lock()
			done++
			if err == nil && len(l.acquired) > 0 {
				lines[i] = r.line("simulated", t, l)
			}
		}
	}
	for range runtime.GOMAXPROCS(0) {
		wg.Go(work)
	}
	wg.Wait()
	for _, s := range lines {
		if s != nil {
			r.lines = append(r.lines, *s)
		}
	}
	return ctx.Err()
}
