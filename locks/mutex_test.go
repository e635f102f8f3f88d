package locks

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// functions returns those of the package, without its tests.
func functions(t *testing.T) (all []*ast.FuncDecl) {
	t.Helper()
	entries, err := os.ReadDir(".")
	must(t, err)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		must(t, err)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				all = append(all, f)
			}
		}
	}
	return all
}

// receiver is the type whose method a function is, "" if it is not a method.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	x := f.Recv.List[0].Type
	if star, ok := x.(*ast.StarExpr); ok {
		x = star.X
	}
	name, _ := x.(*ast.Ident)
	if name == nil {
		return ""
	}
	return name.Name
}

// calls lists the calls in a function, such as "sh.mu.Lock", in order.
func calls(f *ast.FuncDecl) (names []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			names = append(names, pathOf(call.Fun))
		}
		return true
	})
	return names
}

func pathOf(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return pathOf(x.X) + "." + x.Sel.Name
	}
	return "?"
}

// Methods of shard expect its mutex; none locks it, and only unlock and yield unlock it.
func TestShardMethodsExpectTheMutex(t *testing.T) {
	methods := 0
	for _, f := range functions(t) {
		if receiver(f) != "shard" {
			continue
		}
		methods++
		if f.Name.Name == "unlock" || f.Name.Name == "yield" {
			continue
		}
		for _, name := range calls(f) {
			if strings.HasSuffix(name, ".mu.Lock") || strings.HasSuffix(name, ".mu.Unlock") || strings.HasSuffix(name, ".unlock") {
				t.Errorf("shard.%s calls %s", f.Name.Name, name)
			}
		}
	}
	if methods == 0 {
		t.Error("shard has no methods")
	}
}

// The order of mutexes is that of doc.go: a function that has locked Manager.waits locks
// no other mutex after it, and calls nothing that could. Two shards are never locked
// together: a function that locks one calls no method of Manager that locks another.
func TestMutexOrder(t *testing.T) {
	takes := make(map[string]bool) // methods of Manager that lock a shard
	for _, f := range functions(t) {
		if receiver(f) == "Manager" {
			for _, name := range calls(f) {
				if strings.HasSuffix(name, ".mu.Lock") {
					takes[f.Name.Name] = true
				}
			}
		}
	}
	if len(takes) == 0 {
		t.Fatal("nobody locks a shard")
	}
	for _, f := range functions(t) {
		called := calls(f)
		waits := false
		for _, name := range called {
			waits = waits || name == "m.waits.Lock"
		}
		for _, name := range called {
			last := name[strings.LastIndex(name, ".")+1:]
			if waits && (strings.HasSuffix(name, ".mu.Lock") || strings.Contains(name, "journal.") || strings.Contains(name, "ledger.") || takes[last]) {
				t.Errorf("%s has taken waits, and calls %s", f.Name.Name, name)
			}
			if receiver(f) == "shard" && f.Name.Name != "unlock" && strings.Contains(name, ".m.") && takes[last] {
				t.Errorf("shard.%s, whose mutex is held, calls %s, which locks a shard", f.Name.Name, name)
			}
		}
	}
}
