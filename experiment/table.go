package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
)

// printTable writes the lines for a reader, one table for each load. With several
// laws it shows the smallest and the largest tries and idle time, and the worst of
// every other number.
func (r *results) printTable(w io.Writer) {
	for _, load := range r.config.Loads {
		lines := r.of(load.String())
		if len(lines) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s: %s; holds %s\n", load, load.Title(), r.lawTitles())
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		header := "policy\ttries\tidle ms\tin use\twait ms\tp50\tp99\tmax\tfairness\tper s\tnot served\t"
		if r.config.Dying > 0 {
			header += "dead\tidle after\tp99\t"
		}
		fmt.Fprintln(t, header)
		for _, p := range r.config.Policies {
			if row := byPolicy(lines, p.Name); len(row) > 0 {
				line := tableRow(p.Name, row)
				if r.config.Dying > 0 {
					line += deathColumns(row)
				}
				fmt.Fprintln(t, line)
			}
		}
		t.Flush()
	}
}

// of returns the lines of a load.
func (r *results) of(load string) []Summary {
	var lines []Summary
	for _, s := range r.lines {
		if s.Load == load {
			lines = append(lines, s)
		}
	}
	return lines
}

func byPolicy(lines []Summary, policy string) []Summary {
	var found []Summary
	for _, s := range lines {
		if s.Policy == policy {
			found = append(found, s)
		}
	}
	return found
}

func (r *results) lawTitles() string {
	if len(r.config.Laws) == 1 {
		return r.config.Laws[0].Title
	}
	var names []string
	for _, l := range r.config.Laws {
		names = append(names, l.Name)
	}
	return strings.Join(names, ", ") + fmt.Sprintf("; mean %v", r.config.Laws[0].Mean)
}

func tableRow(policy string, s []Summary) string {
	left := 0
	for i := range s {
		left = max(left, s[i].Waiting)
	}
	return strings.Join([]string{
		policy,
		spread(s, func(s *Summary) Number { return s.Tries }),
		spread(s, func(s *Summary) Number { return s.IdleMS }),
		percent(least(s, func(s *Summary) Number { return s.InUse })),
		three(most(s, func(s *Summary) Number { return s.WaitMeanMS })),
		three(most(s, func(s *Summary) Number { return s.WaitP50MS })),
		three(most(s, func(s *Summary) Number { return s.WaitP99MS })),
		three(most(s, func(s *Summary) Number { return s.WaitMaxMS })),
		fraction(least(s, func(s *Summary) Number { return s.Jain })),
		three(least(s, func(s *Summary) Number { return s.PerSecond })),
		strconv.Itoa(left),
		"",
	}, "\t")
}

// deathColumns show the cost of holders that died.
func deathColumns(s []Summary) string {
	return strings.Join([]string{
		percent(most(s, func(s *Summary) Number { return s.Dead })),
		three(most(s, func(s *Summary) Number { return s.AfterDeathMS })),
		three(most(s, func(s *Summary) Number { return s.AfterDeathP99 })),
		"",
	}, "\t")
}

// most and least compare the laws.

func most(s []Summary, of func(*Summary) Number) Number {
	worst := of(&s[0])
	for i := range s {
		worst = max(worst, of(&s[i]))
	}
	return worst
}

func least(s []Summary, of func(*Summary) Number) Number {
	worst := of(&s[0])
	for i := range s {
		worst = min(worst, of(&s[i]))
	}
	return worst
}

func spread(s []Summary, of func(*Summary) Number) string {
	from, to := three(least(s, of)), three(most(s, of))
	if from == to {
		return from
	}
	return from + "-" + to
}

// three is a number with three digits, at most two of them behind the point.
func three(n Number) string {
	x := float64(n)
	switch {
	case !n.known():
		return "-"
	case math.Abs(x) < 9.995:
		return strconv.FormatFloat(x, 'f', 2, 64)
	case math.Abs(x) < 99.95:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'f', 0, 64)
}

func percent(n Number) string {
	if !n.known() {
		return "-"
	}
	return strconv.FormatFloat(100*float64(n), 'f', 1, 64) + "%"
}

func fraction(n Number) string {
	if !n.known() {
		return "-"
	}
	return strconv.FormatFloat(float64(n), 'f', 3, 64)
}
