package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// columns are the columns of results.csv, which has the fields of Summary in order.
var columns = []string{
	"mode", "law", "load", "policy", "acquisitions", "tries_per_acquisition", "idle_ms", "in_use",
	"tries_p50", "tries_p99", "idle_p50_ms", "idle_p99_ms",
	"wait_mean_ms", "wait_p50_ms", "wait_p99_ms", "wait_max_ms",
	"jain", "acquisitions_per_second", "not_served", "seconds",
	"dead", "idle_after_death_ms", "idle_after_death_p99_ms",
}

func (s *Summary) record() []string {
	return []string{
		s.Mode, s.Law, s.Load, s.Policy, strconv.Itoa(s.Acquisitions), s.Tries.text(), s.IdleMS.text(), s.InUse.text(),
		s.TriesP50.text(), s.TriesP99.text(), s.IdleP50.text(), s.IdleP99.text(),
		s.WaitMeanMS.text(), s.WaitP50MS.text(), s.WaitP99MS.text(), s.WaitMaxMS.text(),
		s.Jain.text(), s.PerSecond.text(), strconv.Itoa(s.Waiting), s.Seconds.text(),
		s.Dead.text(), s.AfterDeathMS.text(), s.AfterDeathP99.text(),
	}
}

// write fills the folder with results.csv, results.json and the pictures.
func (r *results) write(ctx context.Context, folder string, out *Output) error {
	err := errors.Join(
		writeTo(filepath.Join(folder, "results.csv"), r.writeCSV),
		writeTo(filepath.Join(folder, "results.json"), r.writeJSON),
	)
	if err != nil {
		return err
	}
	names, err := r.draw(ctx, folder, out)
	if err != nil {
		return err
	}
	fmt.Fprintf(out.Notes, "written to %s: results.csv, results.json and %d pictures, each as SVG and PNG\n", folder, len(names))
	return nil
}

func writeTo(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

func (r *results) writeCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	if err := c.Write(columns); err != nil {
		return err
	}
	for i := range r.lines {
		if err := c.Write(r.lines[i].record()); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

func (r *results) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Seed    uint64    `json:"seed"`
		Results []Summary `json:"results"`
		Targets []verdict `json:"targets,omitempty"`
	}{r.config.Seed, r.lines, r.targets})
}
