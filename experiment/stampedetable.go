package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// printTable writes the lines for a reader, one table for each demand. With several laws it
// shows the smallest and the largest number of computations and of delayed readers, and the worst
// of every other number.
func (r *stampedeResults) printTable(w io.Writer) {
	for _, d := range r.config.Demands {
		fmt.Fprintf(w, "\n%s: %s; %s\n", d, d.title(), r.pages(d))
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(t, "way\tcomputed\tat once\tdelayed\tfor ms\tp99\tall wait ms\tp99\tmax\toldest s\t")
		for _, way := range r.config.Ways {
			if row := r.of(d.String(), way.name); len(row) > 0 {
				fmt.Fprintln(t, stampedeRow(way.name, row))
			}
		}
		t.Flush()
	}
}

// pages says what is computed.
func (r *stampedeResults) pages(d demand) string {
	var names []string
	for _, l := range r.config.Laws {
		names = append(names, l.Name)
	}
	title := fmt.Sprintf("computing takes %s; mean %v", strings.Join(names, ", "), r.config.Laws[0].Mean)
	if len(r.config.Laws) == 1 {
		title = "computing takes " + r.config.Laws[0].Title
	}
	if d.burst == 0 {
		title += fmt.Sprintf("; TTL %v", r.config.TTL)
	}
	return title
}

// of are the lines of a way under a demand, one for each law.
func (r *stampedeResults) of(demand, way string) (lines []stampedeLine) {
	for _, l := range r.lines {
		if l.Demand == demand && l.Way == way {
			lines = append(lines, l)
		}
	}
	return lines
}

func stampedeRow(way string, lines []stampedeLine) string {
	column := func(of func(*stampedeLine) Number) (least, most Number) {
		for i := range lines {
			n := of(&lines[i])
			if i == 0 {
				least, most = n, n
			}
			if n.known() && (n < least || !least.known()) {
				least = n
			}
			if n.known() && (n > most || !most.known()) {
				most = n
			}
		}
		return least, most
	}
	both := func(of func(*stampedeLine) Number) string {
		least, most := column(of)
		if from, to := three(least), three(most); from != to {
			return from + "-" + to
		}
		return three(most)
	}
	worst := func(of func(*stampedeLine) Number) string {
		_, most := column(of)
		return three(most)
	}
	_, atOnce := column(func(l *stampedeLine) Number { return Number(l.AtOnce) })
	return strings.Join([]string{
		way,
		both(func(l *stampedeLine) Number { return l.Computed }),
		strconv.Itoa(int(atOnce)),
		both(func(l *stampedeLine) Number { return l.Delayed }),
		worst(func(l *stampedeLine) Number { return l.DelayedMeanMS }),
		worst(func(l *stampedeLine) Number { return l.DelayedP99MS }),
		worst(func(l *stampedeLine) Number { return l.WaitMeanMS }),
		worst(func(l *stampedeLine) Number { return l.WaitP99MS }),
		worst(func(l *stampedeLine) Number { return l.WaitMaxMS }),
		worst(func(l *stampedeLine) Number { return l.OldestS }),
		"",
	}, "\t")
}

// stampedeColumns are the columns of the CSV file, which has the fields of stampedeLine in order.
var stampedeColumns = []string{
	"mode", "law", "demand", "way", "readers", "computed_per_expiry", "computed_at_once", "delayed_per_expiry",
	"delayed_wait_mean_ms", "delayed_wait_p99_ms", "wait_mean_ms", "wait_p99_ms", "wait_max_ms", "oldest_s", "expiries",
}

func (l *stampedeLine) columns() []string {
	return []string{
		l.Mode, l.Law, l.Demand, l.Way, strconv.Itoa(l.Readers), l.Computed.text(), strconv.Itoa(l.AtOnce), l.Delayed.text(),
		l.DelayedMeanMS.text(), l.DelayedP99MS.text(), l.WaitMeanMS.text(), l.WaitP99MS.text(), l.WaitMaxMS.text(),
		l.OldestS.text(), l.Expiries.text(),
	}
}

func (r *stampedeResults) writeCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	if err := c.Write(stampedeColumns); err != nil {
		return err
	}
	for i := range r.lines {
		if err := c.Write(r.lines[i].columns()); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

func (r *stampedeResults) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Seed    uint64         `json:"seed"`
		Results []stampedeLine `json:"results"`
	}{r.config.Seed, r.lines})
}
