package documents_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lockcached/lockcached/internal/harness"
)

// A documentedFlag is a row of the help or of the table of flags.
type documentedFlag struct{ names, standard string }

var (
	flagNames   = regexp.MustCompile(`-[a-zA-Z], --[a-z-]+|--[a-z-]{2,}`)
	flagRow     = regexp.MustCompile("(?m)^\\| (`-[^|]*) \\| ([^|]*?) ?\\| .*$")
	flagDefault = regexp.MustCompile(`\(default: ([^,)]+).*?\)`)
)

// TestDocumentedFlags: docs/flags.md has every flag of the help, and no other, with
// the same default.
func TestDocumentedFlags(t *testing.T) {
	t.Parallel()
	offered, shown := flagsOfHelp(t), flagsOfTable(t)
	if len(offered) == 0 {
		t.Error("the help has no flags")
	}
	for _, f := range offered {
		i := slices.IndexFunc(shown, func(g documentedFlag) bool { return g.names == f.names })
		if i < 0 {
			t.Errorf("%s is not in the table", f.names)
			continue
		}
		if !sameDefault(f.standard, shown[i].standard) {
			t.Errorf("%s: the help has the default %q, the table %q", f.names, f.standard, shown[i].standard)
		}
		shown = slices.Delete(shown, i, i+1)
	}
	if len(shown) > 0 {
		t.Errorf("not in the help: %q", shown)
	}
}

// sameDefault allows the table to put it more plainly than the help.
func sameDefault(help, table string) bool {
	return table == help || table == "off" && help == "" || table+"s" == help
}

func flagsOfHelp(t *testing.T) (flags []documentedFlag) {
	t.Helper()
	help, err := harness.Lockcached("--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(help)) {
		if strings.HasPrefix(line, "  ") && strings.HasPrefix(strings.TrimSpace(line), "-") {
			f := documentedFlag{names: flagNames.FindString(line)}
			if found := flagDefault.FindStringSubmatch(line); found != nil {
				f.standard = found[1]
			}
			flags = append(flags, f)
		}
	}
	return flags
}

// flagsOfTable returns the flags of docs/flags.md. A row may have several.
func flagsOfTable(t *testing.T) (flags []documentedFlag) {
	t.Helper()
	for _, row := range flagRow.FindAllStringSubmatch(harness.ReadFile(t, "docs/flags.md"), -1) {
		for _, names := range flagNames.FindAllString(strings.ReplaceAll(row[1], "`", ""), -1) {
			flags = append(flags, documentedFlag{names, strings.Trim(row[2], "`")})
		}
	}
	return flags
}
