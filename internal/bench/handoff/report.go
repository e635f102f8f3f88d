//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

// What lockcached promises.
const (
	leastSpeed  = 1.0 // times PoolCounter's hand-offs per second, 10 clients, no hold
	mostGap     = 1.0 // times PoolCounter's median gap, the same
	mostIdle    = 1.0 // times PoolCounter's idle part of the time, 10 clients, 1 ms hold
	mostCrowded = 1.5 // with 1000 clients, times our own median gap with 10
	mostBytes   = 6 << 10
)

// A report is the results of a run for a program to read.
type report struct {
	Systems []systemReport `json:"systems,omitempty"`
	Rounds  int            `json:"rounds,omitempty"`
	Seconds float64        `json:"seconds,omitempty"`
	Loads   []loadReport   `json:"loads,omitempty"`
	Memory  *memoryReport  `json:"memory,omitempty"`
	Targets []rig.Target   `json:"targets"`
}

type systemReport struct {
	Name string `json:"name"`
	Path string `json:"path"` // "" if it is absent
}

type loadReport struct {
	Clients int          `json:"clients"`
	HoldMS  int64        `json:"hold_ms"`
	Lines   []lineReport `json:"systems"`

	name string
}

// A lineReport has the medians of one system.
type lineReport struct {
	System    string     `json:"system"`
	WhyNot    string     `json:"not_run,omitempty"`
	PerSecond rig.Number `json:"handoffs_per_second"`
	Ratio     rig.Number `json:"to_poolcounter"`
	P50       rig.Number `json:"gap_p50_us"`
	P90       rig.Number `json:"gap_p90_us"`
	P99       rig.Number `json:"gap_p99_us"`
	Longest   rig.Number `json:"longest_wait_ms"`
	Idle      rig.Number `json:"idle"`
	Same      rig.Number `json:"same_holder_again"`
	CPU       rig.Number `json:"server_cpu_us"`
}

type memoryReport struct {
	Waiters int        `json:"waiters"`
	Bytes   rig.Number `json:"bytes_per_waiter"`
	InOrder int        `json:"served_in_order"`
	Seconds float64    `json:"seconds"`
	P50     rig.Number `json:"gap_p50_us"`
	P99     rig.Number `json:"gap_p99_us"`
}

// The numbers of a sample, to be chosen from.
var (
	perSecond = func(s sample) float64 { return s.perSecond }
	p50       = func(s sample) float64 { return s.p50 }
	p90       = func(s sample) float64 { return s.p90 }
	p99       = func(s sample) float64 { return s.p99 }
	longest   = func(s sample) float64 { return s.longest }
	idle      = func(s sample) float64 { return s.idle }
	same      = func(s sample) float64 { return s.same }
	cpu       = func(s sample) float64 { return s.cpu }
)

func reportSpeed(w io.Writer, o options, results []result) error {
	r := report{Rounds: o.rounds, Seconds: o.duration.Seconds(), Targets: speedTargets(o.systems, results)}
	for _, s := range o.systems {
		r.Systems = append(r.Systems, systemReport{s.name, s.path})
	}
	for _, result := range results {
		l := loadReport{Clients: result.load.clients, HoldMS: result.load.hold.Milliseconds(), name: result.load.name()}
		for i, s := range o.systems {
			l.Lines = append(l.Lines, newLine(o.systems, s, result, i))
		}
		r.Loads = append(r.Loads, l)
	}
	return r.print(w, o.asJSON)
}

func newLine(systems []*system, s *system, r result, i int) lineReport {
	median := func(of func(sample) float64) rig.Number { return rig.Number(r.median(i, of)) }
	return lineReport{
		System: s.name, WhyNot: s.whyNot(r.load),
		PerSecond: median(perSecond), Ratio: rig.Number(ratioOf(systems, r, s.name, perSecond)),
		P50: median(p50), P90: median(p90), P99: median(p99),
		Longest: median(longest), Idle: median(idle), Same: median(same), CPU: median(cpu),
	}
}

// ratioOf compares a system with PoolCounter; NaN unless both ran.
func ratioOf(systems []*system, r result, name string, of func(sample) float64) float64 {
	a, b := indexOf(systems, name), indexOf(systems, "poolcounter")
	if a < 0 || b < 0 {
		return math.NaN()
	}
	return r.ratio(a, b, of)
}

func indexOf(systems []*system, name string) int {
	return slices.IndexFunc(systems, func(s *system) bool { return s.name == name })
}

// speedTargets judges the loads that were run.
func speedTargets(systems []*system, results []result) []rig.Target {
	const ours = "lockcached"
	if indexOf(systems, ours) < 0 {
		return nil
	}
	gaps := make(map[load]float64)
	for _, r := range results {
		gaps[r.load] = r.median(indexOf(systems, ours), p50)
	}
	var targets []rig.Target
	for _, r := range results {
		against := func(of func(sample) float64) float64 { return ratioOf(systems, r, ours, of) }
		at := ", " + r.load.name()
		switch r.load {
		case free:
			targets = append(targets, rig.AtLeast("hand-offs/s to PoolCounter's"+at, against(perSecond), leastSpeed),
				rig.AtMost("p50 gap to PoolCounter's"+at, against(p50), mostGap))
		case short:
			targets = append(targets, rig.AtMost("idle part to PoolCounter's"+at, against(idle), mostIdle))
		case crowd:
			few, ok := gaps[free]
			if !ok {
				few = math.NaN()
			}
			targets = append(targets, rig.AtMost("p50 gap to ours of "+free.name()+at, gaps[crowd]/few, mostCrowded))
		}
	}
	return targets
}

func reportMemory(w io.Writer, o options, f footprint) error {
	return report{
		Memory: &memoryReport{
			Waiters: queuedWaiters, Bytes: rig.Number(f.bytes), InOrder: f.inOrder,
			Seconds: f.took.Seconds(), P50: rig.Number(f.p50), P99: rig.Number(f.p99),
		},
		Targets: []rig.Target{
			rig.AtMost("bytes per queued waiter", f.bytes, mostBytes),
			rig.AtLeast("waiters served in order", float64(f.inOrder), queuedWaiters),
		},
	}.print(w, o.asJSON)
}

func (r report) print(w io.Writer, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	for _, s := range r.Systems {
		if s.Path == "" {
			s.Path = "absent"
		}
		fmt.Fprintf(w, "%s: %s\n", s.Name, s.Path)
	}
	for _, l := range r.Loads {
		fmt.Fprintln(w)
		l.print(w)
	}
	if m := r.Memory; m != nil {
		fmt.Fprintf(w, "%d waiters on one lock: %s bytes each; %d served in order in %.2f s, gap p50 %s us, p99 %s us\n",
			m.Waiters, m.Bytes.Text(0), m.InOrder, m.Seconds, m.P50.Text(1), m.P99.Text(1))
	}
	if len(r.Targets) > 0 {
		fmt.Fprintln(w)
		rig.PrintTargets(w, r.Targets)
	}
	return nil
}

func (l loadReport) print(w io.Writer) {
	var table rig.Table
	table.Row("clients/hold "+l.name, "hand-offs/s", "ratio", "gap p50 us", "p90 us", "p99 us",
		"longest wait ms", "idle %", "same again %", "server us")
	for _, s := range l.Lines {
		if s.WhyNot != "" {
			table.Row(s.System, s.WhyNot)
			continue
		}
		table.Row(s.System, s.PerSecond.Text(0), s.Ratio.Text(2), s.P50.Text(1), s.P90.Text(1), s.P99.Text(1),
			s.Longest.Text(1), (100 * s.Idle).Text(1), (100 * s.Same).Text(1), s.CPU.Text(1))
	}
	table.Print(w)
}
