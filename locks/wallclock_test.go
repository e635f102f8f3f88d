package locks

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Setting the wall clock must not change a lease, and no test can set it. But one can see
// which code reads a clock: only the functions below do, and the Manager's clock is
// monotonic.
func TestNobodyReadsTheWallClock(t *testing.T) {
	allowed := []string{
		"manager.go NewManager Now", // the first token
		"manager.go now Since",
		"manager.go startClock Now", // epoch, of which only the monotonic part is used
	}
	var got []string
	for _, dir := range []string{".", "../store", "../waitqueue", "../stats"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		must(t, err)
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				got = append(got, clockReaders(t, file)...)
			}
		}
	}
	if !slices.Equal(got, allowed) {
		t.Errorf("clocks are read by %q, want %q", got, allowed)
	}
	if m := NewManager(Config{}); !strings.Contains(m.epoch.String(), " m=") {
		t.Errorf("the Manager's clock is not monotonic: it began at %v", m.epoch)
	}
}

// clockReaders lists where a file asks package time for the time.
func clockReaders(t *testing.T, file string) (readers []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	must(t, err)
	for _, decl := range parsed.Decls {
		where := filepath.ToSlash(file)
		if f, ok := decl.(*ast.FuncDecl); ok {
			where += " " + f.Name.Name
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && isPackageTime(s.X) {
				switch s.Sel.Name {
				case "Now", "Since", "Until":
					readers = append(readers, fmt.Sprint(where, " ", s.Sel.Name))
				}
			}
			return true
		})
	}
	return readers
}

func isPackageTime(x ast.Expr) bool {
	name, ok := x.(*ast.Ident)
	return ok && name.Name == "time"
}
