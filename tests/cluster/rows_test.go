package cluster_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rows are what docs/cluster.md says about failures, and the tests that play them.
var rows = map[string][]string{
	"a node is killed":                                        {"TestOwnerKilled"},
	"a node is paused, and goes on later":                     {"TestOwnerStopped", "TestBareDeleteAtStoppedNode"},
	"a node is cut off from the others, not from its clients": {"TestNodeCutOff"},
	"two nodes are cut from each other only":                  {"TestTwoNodesCut"},
	"no majority is left":                                     {"TestNoQuorum"},
	"all are killed, or the power is cut":                     {"TestAllKilled"},
	"a node is told to stop (SIGTERM)":                        {"TestRollingRestart"},
	"a request is under way when its owner is lost":           {"TestRequestsUnderWay"},
	"a client waits in line":                                  {"TestOwnerKilled"},
	"a wall clock is wrong":                                   {"TestNobodyReadsTheWallClock"},
	"a directory is lost":                                     {"TestReplaceEach"},
	"the engine's database is full":                           {"TestFullEngine"},
	"the disk of a node is full":                              {"TestDiskFull"},
}

// TestRows: each row is played by a test, and each of these tests is there.
func TestRows(t *testing.T) {
	documented := rowsOf(t, "docs/cluster.md", "## What happens when")
	if listed := slices.Sorted(maps.Keys(rows)); !slices.Equal(documented, listed) {
		t.Errorf("docs/cluster.md has the rows\n%q, and tests are named for\n%q", documented, listed)
	}
	tests := testsHere(t)
	for row, names := range rows {
		if len(names) == 0 {
			t.Errorf("%q is played by nothing", row)
		}
		for _, name := range names {
			if !tests[name] {
				t.Errorf("%q is to be played by %s, which is not there", row, name)
			}
		}
	}
}

// rowsOf returns the first cells of the table in a section of a document, in order.
func rowsOf(t *testing.T, file, section string) (cells []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), section+"\n")
	if !found {
		t.Fatalf("%s has no %q", file, section)
	}
	table, _, _ := strings.Cut(rest, "\n## ")
	for line := range strings.SplitSeq(table, "\n") {
		if cell, _, found := strings.Cut(strings.TrimPrefix(line, "| "), " |"); found && strings.HasPrefix(line, "| ") && cell != "|" {
			cells = append(cells, cell)
		}
	}
	slices.Sort(cells)
	return slices.DeleteFunc(cells, func(cell string) bool { return cell == "" })
}

// testsHere are the names of the tests of this package.
func testsHere(t *testing.T) map[string]bool {
	t.Helper()
	tests := make(map[string]bool)
	for _, f := range parsed(t, "tests/cluster/*_test.go") {
		for _, d := range f.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Test") {
				tests[f.Name.Name] = true
			}
		}
	}
	return tests
}

func parsed(t *testing.T, pattern string) (files []*ast.File) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
	}
	for _, path := range paths {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// wall are the methods of a time that show the wall clock.
var wall = []string{
	"Unix", "UnixMilli", "UnixMicro", "UnixNano", "Format", "AppendFormat", "Date", "Clock", "Year", "YearDay", "Weekday",
}

// TestNobodyReadsTheWallClock: no test can set a machine's clock, but one can see that the code of a
// cluster does not look at it. (A test of package locks does that for the locks.)
func TestNobodyReadsTheWallClock(t *testing.T) {
	for _, dir := range []string{"cluster", "cluster/slots", "cluster/journal", "cluster/link", "cluster/engine"} {
		for _, f := range parsed(t, dir+"/*.go") {
			ast.Inspect(f, func(n ast.Node) bool {
				call, _ := n.(*ast.CallExpr)
				if call == nil {
					return true
				}
				method, _ := call.Fun.(*ast.SelectorExpr)
				if method == nil || !slices.Contains(wall, method.Sel.Name) {
					return true
				}
				if of, ok := method.X.(*ast.CallExpr); ok && isTimeNow(of) || method.Sel.Name == "UnixNano" {
					t.Errorf("package %s calls %s", f.Name.Name, method.Sel.Name)
				}
				return true
			})
		}
	}
}

func isTimeNow(call *ast.CallExpr) bool {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || f.Sel.Name != "Now" {
		return false
	}
	of, ok := f.X.(*ast.Ident)
	return ok && of.Name == "time"
}
