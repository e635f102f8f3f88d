//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

// What a cluster promises, as multiples of etcd's mutex in the same round.
const (
	leastHandoffs = 3.5 // 10 clients on one key
	leastGrants   = 6   // 200 clients on a key each
)

// A line has the medians of one system under one load.
type line struct {
	Load      string     `json:"load"` // clients/keys
	System    string     `json:"system"`
	PerSecond rig.Number `json:"grants_per_second"`
	ToEtcd    rig.Number `json:"to_etcd"`
	ToSingle  rig.Number `json:"to_single"`
	P50       rig.Number `json:"p50_ms"`
	P99       rig.Number `json:"p99_ms"`
	CPU       rig.Number `json:"server_cpu_us"`
}

func report(w io.Writer, o options, results []result) error {
	var lines []line
	var targets []rig.Target
	for _, r := range results {
		for _, l := range launches {
			lines = append(lines, r.line(l.name))
		}
		ratio := r.ratio("cluster", "etcd")
		switch r.load {
		case oneKey:
			targets = append(targets, rig.AtLeast("hand-offs/s to etcd's mutex, "+r.load.name(), ratio, leastHandoffs))
		case manyKeys:
			targets = append(targets, rig.AtLeast("grants/s to etcd's mutex, "+r.load.name(), ratio, leastGrants))
		}
	}
	if o.asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(map[string]any{"rounds": o.rounds, "lines": lines, "targets": targets})
	}
	var table rig.Table
	table.Row("clients/keys system", "grants/s", "to etcd", "to single", "p50 ms", "p99 ms", "servers us")
	for _, l := range lines {
		table.Row(l.Load+" "+l.System, l.PerSecond.Text(0), l.ToEtcd.Text(2), l.ToSingle.Text(2), l.P50.Text(2), l.P99.Text(2), l.CPU.Text(0))
	}
	table.Print(w)
	fmt.Fprintln(w)
	rig.PrintTargets(w, targets)
	return nil
}

func (r result) line(system string) line {
	median := func(of func(sample) float64) rig.Number {
		var values []float64
		for _, s := range r.samples[system] {
			values = append(values, of(s))
		}
		return rig.Number(rig.Median(values))
	}
	return line{
		Load: r.load.name(), System: system,
		PerSecond: median(func(s sample) float64 { return s.perSecond }),
		ToEtcd:    rig.Number(r.ratio(system, "etcd")),
		ToSingle:  rig.Number(r.ratio(system, "single")),
		P50:       median(func(s sample) float64 { return s.p50 }),
		P99:       median(func(s sample) float64 { return s.p99 }),
		CPU:       median(func(s sample) float64 { return s.cpu }),
	}
}

// ratio returns a's grants per second divided by b's: the median over the rounds, since the
// turns of one round met the machine in the same mood.
func (r result) ratio(a, b string) float64 {
	var ratios []float64
	for i := range min(len(r.samples[a]), len(r.samples[b])) {
		ratios = append(ratios, r.samples[a][i].perSecond/r.samples[b][i].perSecond)
	}
	return rig.Median(ratios)
}
