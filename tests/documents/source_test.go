package documents_test

import (
	"go/ast"
	"go/build"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path/filepath"
	"sync"
	"testing"

	"github.com/lockcached/lockcached/internal/harness"
)

// A source knows the constants of a package and of those in folders below it, exported or
// not, by reading the files: a constant need not be exported just because a document names
// it.
type source struct {
	t      *testing.T
	folder string
	values map[string][]constant.Value
}

func readSource(t *testing.T, folder string) *source {
	t.Helper()
	s := &source{t, folder, make(map[string][]constant.Value)}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			s.read(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read adds the constants of one package.
func (s *source) read(folder string) {
	s.t.Helper()
	found, err := build.ImportDir(folder, 0)
	if err != nil {
		return // a folder without Go files
	}
	reading.Lock()
	defer reading.Unlock()
	var files []*ast.File
	for _, name := range found.GoFiles {
		path := filepath.Join(folder, name)
		file, err := parser.ParseFile(positions, path, harness.ReadFile(s.t, path), parser.SkipObjectResolution)
		if err != nil {
			s.t.Fatal(err)
		}
		files = append(files, file)
	}
	config := types.Config{
		IgnoreFuncBodies: true,
		Importer:         fewImports{},
		Error:            func(error) {}, // about packages that are not imported
	}
	checked, _ := config.Check(folder, positions, files, nil)
	for _, name := range checked.Scope().Names() {
		if c, ok := checked.Scope().Lookup(name).(*types.Const); ok {
			s.values[name] = append(s.values[name], c.Val())
		}
	}
}

// number is the value of a constant; a time counts in nanoseconds.
func (s *source) number(name string) float64 {
	s.t.Helper()
	values := s.values[name]
	if len(values) != 1 || values[0].Kind() == constant.Unknown {
		s.t.Fatalf("%s: the constant %s has the values %v, want one", s.folder, name, values)
	}
	n, _ := constant.Float64Val(constant.ToFloat(values[0]))
	return n
}

// All sources share these, so that the standard library is read only once.
var (
	reading   sync.Mutex // guards what follows
	positions = token.NewFileSet()
	standard  = importer.ForCompiler(positions, "source", nil)
)

// fewImports imports only what constants are made of: the units of time, and limits.
type fewImports struct{}

func (fewImports) Import(path string) (*types.Package, error) {
	if path == "time" || path == "math" {
		return standard.Import(path)
	}
	empty := types.NewPackage(path, filepath.Base(path))
	empty.MarkComplete()
	return empty, nil
}
