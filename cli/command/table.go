package command

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
)

// columnGap is the number of spaces between two columns of a table.
const columnGap = 2

// A table aligns its columns as a terminal shows them, where some characters are two columns wide
// and others none. Its first row may be a heading.
type table struct{ rows [][]string }

func newTable() *table { return new(table) }

func (t *table) row(columns ...string) { t.rows = append(t.rows, columns) }

func (t *table) String() string {
	widths := t.widths()
	var b strings.Builder
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-runewidth.StringWidth(cell)+columnGap))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// widths returns the widths of the columns.
func (t *table) widths() (widths []int) {
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], runewidth.StringWidth(cell))
		}
	}
	return widths
}

// An elastic column may be cut, but not below its least width while other columns can be left out.
type elastic struct {
	heading string
	least   int
}

// fit makes the table at most width characters wide. First it leaves out as many dispensable
// columns as it has to, in their order; then it cuts the cells of the elastic columns in the middle.
func (t *table) fit(width int, dispensable []string, cut []elastic) {
	for _, heading := range dispensable {
		if t.leastWidth(cut) <= width {
			break
		}
		t.leaveOut(heading)
	}
	widths := t.widths()
	for total(widths) > width {
		widest := -1
		for _, e := range cut {
			if i := t.column(e.heading); i >= 0 && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 || widths[widest] <= 1 {
			break
		}
		widths[widest]--
	}
	for _, row := range t.rows {
		for i := range row {
			row[i] = cutMiddle(row[i], widths[i])
		}
	}
}

// leastWidth is how wide the table is when all elastic columns are cut.
func (t *table) leastWidth(cut []elastic) int {
	widths := t.widths()
	for _, e := range cut {
		if i := t.column(e.heading); i >= 0 {
			widths[i] = min(widths[i], e.least)
		}
	}
	return total(widths)
}

// total is the width of a table with columns of those widths.
func total(widths []int) (sum int) {
	for _, w := range widths {
		sum += w + columnGap
	}
	return sum - columnGap
}

// column is the index of the column with that heading, -1 if there is none.
func (t *table) column(heading string) int { return slices.Index(t.rows[0], heading) }

func (t *table) leaveOut(heading string) {
	i := t.column(heading)
	if i < 0 {
		return
	}
	for j, row := range t.rows {
		t.rows[j] = slices.Delete(row, i, i+1)
	}
}

const ellipsis = "…"

// cutMiddle makes a text at most that many columns wide. Its beginning and its end stay, since keys
// differ there.
func cutMiddle(text string, width int) string {
	if runewidth.StringWidth(text) <= width {
		return text
	}
	room := width - runewidth.StringWidth(ellipsis)
	if room <= 0 {
		return runewidth.Truncate(text, width, "")
	}
	return runewidth.Truncate(text, room-room/2, "") + ellipsis + lastColumns(text, room/2)
}

// lastColumns is the end of a text, at most that many columns wide.
func lastColumns(text string, width int) string {
	runes := []rune(text)
	first := len(runes)
	for used := 0; first > 0; first-- {
		if used += runewidth.RuneWidth(runes[first-1]); used > width {
			break
		}
	}
	for first < len(runes) && runewidth.RuneWidth(runes[first]) == 0 { // it belongs to a character that was cut off
		first++
	}
	return string(runes[first:])
}

// about is a duration as people write it: 12ms, 3.2s, 4m10s, 3h20m, 12d.
func about(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 2*day:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%dd", d/day)
}
