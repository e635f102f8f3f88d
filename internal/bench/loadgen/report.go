//go:build linux

package main

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

// What lockcached promises, as ratios to the speed of a memcached ...
const (
	leastRatio  = 1.05 // in every text cell
	leastMean   = 1.4  // geometric mean of all text cells
	leastBinary = 1.0  // in every cell of the binary protocol
)

// ... and in bytes.
const (
	mostPerLock = 180
	mostPerConn = 4 << 10
)

// A report is the results of a run for a program to read.
type report struct {
	Servers []serverReport `json:"servers"`
	Rounds  int            `json:"rounds,omitempty"`
	Seconds float64        `json:"seconds,omitempty"`
	Cells   []cellReport   `json:"cells,omitempty"`
	Memory  []memoryReport `json:"memory,omitempty"`
	Targets []rig.Target   `json:"targets,omitempty"`
}

type serverReport struct {
	Label   string `json:"label"`
	Path    string `json:"path"`
	Version string `json:"version"`
}

// A cellReport has one number per server in each list, and one per server but the first in Ratios.
type cellReport struct {
	Cell          string       `json:"cell"`
	OpsPerSecond  []rig.Number `json:"ops_per_second"`
	CPUMicros     []rig.Number `json:"cpu_us_per_op"`
	MachineMicros []rig.Number `json:"machine_us_per_op"`
	Ratios        []rig.Number `json:"ratios,omitempty"`
}

// A memoryReport has one number per server.
type memoryReport struct {
	What  string       `json:"what"`
	Bytes []rig.Number `json:"bytes"`
}

func newReport(o options) report {
	r := report{}
	for _, c := range o.contenders {
		r.Servers = append(r.Servers, serverReport{c.label, c.path, c.server.Version})
	}
	return r
}

func reportSpeed(w io.Writer, o options, results []result) error {
	r := newReport(o)
	r.Rounds, r.Seconds = o.rounds, o.duration.Seconds()
	for _, result := range results {
		r.Cells = append(r.Cells, newCellReport(result))
	}
	for i, c := range o.contenders {
		if i > 0 && !c.redis {
			r.Targets = append(r.Targets, speedTargets(results, i, c.label)...)
		}
	}
	if o.picture != "" && len(r.Servers) > 1 {
		if err := drawRatios(o.picture, r); err != nil {
			return err
		}
	}
	return r.print(w, o.format)
}

func newCellReport(r result) cellReport {
	line := cellReport{Cell: r.cell.name()}
	for i := range r.samples {
		median := func(of func(sample) float64) rig.Number { return rig.Number(r.median(i, of)) }
		line.OpsPerSecond = append(line.OpsPerSecond, median(func(s sample) float64 { return s.opsPerSecond }))
		line.CPUMicros = append(line.CPUMicros, median(func(s sample) float64 { return micros(s.cpuPerOp) }))
		line.MachineMicros = append(line.MachineMicros, median(func(s sample) float64 { return micros(s.machinePerOp) }))
		if i > 0 {
			line.Ratios = append(line.Ratios, rig.Number(r.ratio(i)))
		}
	}
	return line
}

func reportMemory(w io.Writer, o options, footprints []footprint) error {
	r := newReport(o)
	for i, what := range []string{"held lock", "connection, silent", "connection, used once"} {
		line := memoryReport{What: what}
		for _, f := range footprints {
			line.Bytes = append(line.Bytes, rig.Number([...]float64{f.heldLock, f.silentConn, f.usedConn}[i]))
		}
		r.Memory = append(r.Memory, line)
	}
	ours := footprints[0]
	r.Targets = []rig.Target{
		rig.AtMost("bytes per held lock", ours.heldLock, mostPerLock),
		rig.AtMost("bytes per idle connection", max(ours.silentConn, ours.usedConn), mostPerConn),
	}
	return r.print(w, o.format)
}

// speedTargets judges what was run, all cells or those that were chosen, against a peer.
func speedTargets(results []result, peer int, label string) []rig.Target {
	text := where(results, func(c cell) bool { return !c.binary })
	binary := where(results, func(c cell) bool { return c.binary })

	var targets []rig.Target
	if len(text) > 0 {
		mean := fmt.Sprintf("geometric mean of %d text ratios to %s", len(text), label)
		targets = append(targets,
			leastTarget("text", text, peer, label, leastRatio),
			rig.AtLeast(mean, rig.GeometricMean(ratios(text, peer)), leastMean))
	}
	if len(binary) > 0 {
		targets = append(targets, leastTarget("binary", binary, peer, label, leastBinary))
	}
	return targets
}

// leastTarget is the target that no ratio falls below limit; it names the cell of the least one.
func leastTarget(which string, results []result, peer int, label string, limit float64) rig.Target {
	least := slices.MinFunc(results, func(a, b result) int { return cmp.Compare(a.ratio(peer), b.ratio(peer)) })
	return rig.AtLeast(fmt.Sprintf("least %s ratio to %s, %s", which, label, least.cell.name()), least.ratio(peer), limit)
}

func where(results []result, holds func(cell) bool) []result {
	var matching []result
	for _, r := range results {
		if holds(r.cell) {
			matching = append(matching, r)
		}
	}
	return matching
}

func ratios(results []result, peer int) []float64 {
	var ratios []float64
	for _, r := range results {
		ratios = append(ratios, r.ratio(peer))
	}
	return ratios
}

func (r report) print(w io.Writer, format string) error {
	switch format {
	case "json":
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	case "csv":
		return csv.NewWriter(w).WriteAll(r.rows(number))
	}
	for _, s := range r.Servers {
		fmt.Fprintf(w, "%s: %s, version %s\n", s.Label, s.Path, s.Version)
	}
	fmt.Fprintln(w)
	printRows(w, r.rows(rig.Number.Text))
	if len(r.Targets) > 0 {
		fmt.Fprintln(w)
		rig.PrintTargets(w, r.Targets)
	}
	return nil
}

func printRows(w io.Writer, rows [][]string) {
	var table rig.Table
	for _, row := range rows {
		table.Row(row...)
	}
	table.Print(w)
}

// rows returns the measurements as text below a line of headings. Microseconds are those of the whole
// machine: what the kernel does for a process is not all in that process's time.
func (r report) rows(text func(v rig.Number, decimals int) string) [][]string {
	if r.Memory != nil {
		return r.memoryRows(text)
	}
	headings := []string{"cell"}
	for _, unit := range []string{" ops/s", " us/op"} {
		for _, s := range r.Servers {
			headings = append(headings, s.Label+unit)
		}
	}
	for _, s := range r.Servers[1:] {
		headings = append(headings, "to "+s.Label)
	}
	rows := [][]string{headings}
	for _, c := range r.Cells {
		row := []string{c.Cell}
		for _, v := range c.OpsPerSecond {
			row = append(row, text(v, 0))
		}
		for _, v := range slices.Concat(c.MachineMicros, c.Ratios) {
			row = append(row, text(v, 2))
		}
		rows = append(rows, row)
	}
	return rows
}

func (r report) memoryRows(text func(v rig.Number, decimals int) string) [][]string {
	headings := []string{"bytes per"}
	for _, s := range r.Servers {
		headings = append(headings, s.Label)
	}
	rows := [][]string{headings}
	for _, m := range r.Memory {
		row := []string{m.What}
		for _, v := range m.Bytes {
			row = append(row, text(v, 0))
		}
		rows = append(rows, row)
	}
	return rows
}

// number is for programs, which round as they like.
func number(v rig.Number, _ int) string { return strconv.FormatFloat(float64(v), 'f', -1, 64) }
