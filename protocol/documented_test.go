package protocol

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// tableRows returns the cells of the rows in binary.md whose first cell is an 8-bit number.
func tableRows(t *testing.T) (rows [][]string) {
	t.Helper()
	page, err := os.ReadFile("binary.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "| 0x") {
			continue
		}
		line = strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|\n")
		cells := strings.Split(line, "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

// TestOpcodesAreDocumented compares the table of commands in binary.md with the code.
func TestOpcodesAreDocumented(t *testing.T) {
	length := regexp.MustCompile(`\((\d+)\)`)
	documented := 0
	for _, row := range tableRows(t) {
		if len(row) != 6 {
			continue
		}
		extras := 0
		for _, n := range length.FindAllStringSubmatch(row[3], -1) {
			bytes, _ := strconv.Atoi(n[1])
			extras += bytes
		}
		for column, quiet := range []bool{false, true} {
			if row[column] == "" {
				continue
			}
			opcode, err := strconv.ParseUint(row[column], 0, 8)
			if err != nil {
				t.Fatalf("%q: %v", row, err)
			}
			documented++
			form := commands[opcode]
			if form.verb == 0 || form.quiet != quiet || int(form.extras) != extras || form.value != (row[4] != "") {
				t.Errorf("%s: %+v is documented as %q", row[column], form, row)
			}
		}
	}
	known := 0
	for _, form := range commands {
		if form.verb != 0 {
			known++
		}
	}
	if documented != known {
		t.Errorf("%d opcodes are documented, %d are known", documented, known)
	}
}

// TestStatusesAreDocumented looks for the texts of all statuses in binary.md.
func TestStatusesAreDocumented(t *testing.T) {
	texts := make(map[string]bool)
	for _, row := range tableRows(t) {
		if len(row) < 6 {
			texts[row[0]+" "+row[1]] = true
		}
	}
	for s, text := range statusTexts {
		if row := "0x" + strconv.FormatUint(uint64(s)+0x100, 16)[1:] + " `" + text + "`"; !texts[row] {
			t.Errorf("no row %s", row)
		}
	}
}
