//go:build linux

package rig

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Table lines up rows of text: the first column to the left, the others, which
// are numbers, to the right.
type Table struct {
	rows   [][]string
	widths []int
}

// Row adds a row.
func (t *Table) Row(columns ...string) {
	for i, text := range columns {
		if i == len(t.widths) {
			t.widths = append(t.widths, 0)
		}
		t.widths[i] = max(t.widths[i], utf8.RuneCountInString(text))
	}
	t.rows = append(t.rows, columns)
}

// Print writes the rows to w.
func (t *Table) Print(w io.Writer) {
	for _, row := range t.rows {
		var line strings.Builder
		for i, text := range row {
			if i == 0 {
				fmt.Fprintf(&line, "%-*s", t.widths[i], text)
			} else {
				fmt.Fprintf(&line, "  %*s", t.widths[i], text)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}
