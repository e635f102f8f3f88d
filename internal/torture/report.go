//go:build linux

package main

import (
	_ "embed"
	"fmt"
	htmltemplate "html/template"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	texttemplate "text/template"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

var (
	//go:embed report.html.tmpl
	pageText string
	//go:embed report.md.tmpl
	summaryText string
)

// page is what the templates show.
type page struct {
	*state
	Sections []section
}

// section is a scenario in a report.
type section struct {
	*score
	Promise string
}

// report writes the run down: a page, a summary in Markdown, and a table to w.
func (r *runner) report(w io.Writer) error {
	p := page{state: r.state}
	for _, score := range r.state.Scores {
		p.Sections = append(p.Sections, section{score, promiseOf(score.Scenario)})
	}
	if err := p.write(filepath.Join(r.dir, "report.html"), p.page); err != nil {
		return err
	}
	if err := p.write(filepath.Join(r.dir, "report.md"), p.summary); err != nil {
		return err
	}
	p.print(w)
	_, err := fmt.Fprintf(w, "\nThe report is %s.\n", filepath.Join(r.dir, "report.html"))
	return err
}

func promiseOf(name string) string {
	for _, s := range allScenarios {
		if s.name == name {
			return s.promise
		}
	}
	return "" // of a run by a version that knew more scenarios
}

func (p page) write(path string, to func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := to(f); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return f.Close()
}

func (p page) page(w io.Writer) error {
	t, err := htmltemplate.New("page").Parse(pageText)
	if err != nil {
		return err
	}
	return t.Execute(w, p)
}

func (p page) summary(w io.Writer) error {
	t, err := texttemplate.New("summary").Parse(summaryText)
	if err != nil {
		return err
	}
	return t.Execute(w, p)
}

// print writes a table for people in front of a terminal.
func (p page) print(w io.Writer) {
	var table rig.Table
	table.Row("scenario", "rounds", "time", "verdict")
	for _, s := range p.Scores {
		table.Row(s.Scenario, strconv.Itoa(s.Rounds), s.Took(), s.Verdict())
	}
	table.Print(w)
	for _, s := range p.Scores {
		for _, f := range s.Findings {
			fmt.Fprintf(w, "%s, round %d: %s\n", s.Scenario, f.Round, f.What)
		}
	}
}

// Passed reports whether every scenario passed.
func (p page) Passed() bool { return p.verdict() == nil }

// Total is the time that all rounds have taken.
func (p page) Total() string { return p.spent().Round(time.Second).String() }

// Date is the day of the latest round.
func (p page) Date() string { return p.Ended.Format(time.DateOnly) }

// Took is the time that the scenario's rounds have taken.
func (s *score) Took() string { return s.Spent.Round(time.Second).String() }

// Text is the value of a figure with its thousands apart, and decimals where
// there are any.
func (f figure) Text() string {
	whole, part, _ := strings.Cut(strconv.FormatFloat(f.Value, 'f', -1, 64), ".")
	if f.Value != float64(int64(f.Value)) {
		_, part, _ = strings.Cut(strconv.FormatFloat(f.Value, 'f', 2, 64), ".")
	}
	var text strings.Builder
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			text.WriteByte(',')
		}
		text.WriteRune(digit)
	}
	if part != "" {
		text.WriteString("." + part)
	}
	return text.String()
}
