package harness

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// goToRoot makes the root of the repository the working directory, so that tests name
// the project's files as its documents do.
func goToRoot() error {
	folder, err := os.Getwd()
	if err != nil {
		return err
	}
	for ; ; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return os.Chdir(folder)
		}
		if folder == filepath.Dir(folder) {
			return errors.New("the tests have to run in a folder of the repository")
		}
	}
}

// ReadFile is the text of a file.
func ReadFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(absolute(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Glob is filepath.Glob, but fails the test if nothing matches.
func Glob(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(absolute(t, pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no %s (%v)", pattern, err)
	}
	return paths
}

// absolute makes go test notice a change of the file and run the test anew: it does not
// know that Main has changed the working directory.
func absolute(t testing.TB, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
