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

// What lockcached promises, as ratios to memcached's speed ...
const (
	leastRatio     = 0.95 // in every text cell
	leastMean      = 1.2  // geometric mean of all text cells
	leastPipelined = 1.5  // in the add-delete cells with 16 in flight
	leastBinary    = 1.0  // in every cell of the binary protocol
)

// ... and in bytes.
const (
	mostPerLock = 250
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

// A cellReport has one number per server in each list.
type cellReport struct {
	Cell         string    `json:"cell"`
	OpsPerSecond []float64 `json:"ops_per_second"`
	CPUMicros    []float64 `json:"cpu_us_per_op"`
	Ratio        float64   `json:"ratio,omitempty"`
}

// A memoryReport has one number per server.
type memoryReport struct {
	What  string    `json:"what"`
	Bytes []float64 `json:"bytes"`
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
		line := cellReport{Cell: result.cell.name()}
		for i := range o.contenders {
			line.OpsPerSecond = append(line.OpsPerSecond, result.opsPerSecond(i))
			line.CPUMicros = append(line.CPUMicros, result.cpuMicros(i))
		}
		if len(o.contenders) == 2 {
			line.Ratio = result.ratio()
		}
		r.Cells = append(r.Cells, line)
	}
	if len(o.contenders) == 2 {
		r.Targets = speedTargets(results)
	}
	return r.print(w, o.format)
}

func reportMemory(w io.Writer, o options, footprints []footprint) error {
	r := newReport(o)
	for i, what := range []string{"held lock", "connection, silent", "connection, used once"} {
		line := memoryReport{What: what}
		for _, f := range footprints {
			line.Bytes = append(line.Bytes, [...]float64{f.heldLock, f.silentConn, f.usedConn}[i])
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

// speedTargets judges what was run: all cells, or those that were chosen.
func speedTargets(results []result) []rig.Target {
	text := where(results, func(c cell) bool { return !c.binary })
	pipelined := where(text, func(c cell) bool { return c.command == "add-delete" && c.inFlight == 16 })
	binary := where(results, func(c cell) bool { return c.binary })

	var targets []rig.Target
	if len(text) > 0 {
		mean := fmt.Sprintf("geometric mean of %d text ratios", len(text))
		targets = append(targets,
			leastTarget("text", text, leastRatio),
			rig.AtLeast(mean, rig.GeometricMean(ratios(text)), leastMean))
	}
	if len(pipelined) > 0 {
		targets = append(targets, leastTarget("add-delete/16", pipelined, leastPipelined))
	}
	if len(binary) > 0 {
		targets = append(targets, leastTarget("binary", binary, leastBinary))
	}
	return targets
}

// leastTarget is the target that no ratio falls below limit; it names the cell of the least one.
func leastTarget(which string, results []result, limit float64) rig.Target {
	least := slices.MinFunc(results, func(a, b result) int { return cmp.Compare(a.ratio(), b.ratio()) })
	return rig.AtLeast(fmt.Sprintf("least %s ratio, %s", which, least.cell.name()), least.ratio(), limit)
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

func ratios(results []result) []float64 {
	var ratios []float64
	for _, r := range results {
		ratios = append(ratios, r.ratio())
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
	printRows(w, r.rows(rounded))
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

// rows returns the measurements as text below a line of headings.
func (r report) rows(text func(v float64, decimals int) string) [][]string {
	if r.Memory != nil {
		return r.memoryRows(text)
	}
	headings := []string{"cell"}
	for _, s := range r.Servers {
		headings = append(headings, s.Label+" ops/s")
	}
	for _, s := range r.Servers {
		headings = append(headings, s.Label+" us/op")
	}
	if len(r.Servers) == 2 {
		headings = append(headings, "ratio")
	}
	rows := [][]string{headings}
	for _, c := range r.Cells {
		row := []string{c.Cell}
		for _, v := range c.OpsPerSecond {
			row = append(row, text(v, 0))
		}
		for _, v := range c.CPUMicros {
			row = append(row, text(v, 2))
		}
		if len(r.Servers) == 2 {
			row = append(row, text(c.Ratio, 2))
		}
		rows = append(rows, row)
	}
	return rows
}

func (r report) memoryRows(text func(v float64, decimals int) string) [][]string {
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

// rounded is for people.
func rounded(v float64, decimals int) string { return fmt.Sprintf("%.*f", decimals, v) }

// number is for programs, which round as they like.
func number(v float64, _ int) string { return strconv.FormatFloat(v, 'f', -1, 64) }
