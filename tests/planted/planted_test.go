// Package planted plants bugs in a cluster's code, which its tests have to find. What is planted
// is compiled over the code, which stays as it is.
package planted_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A bug replaces a piece of a file, which is there once, by another one.
type bug struct {
	name     string
	file     string // below the root of the repository
	old, new string
	found    string // where: a package, as for go test
	by       string // which tests
}

const (
	slots   = "./cluster/slots"
	journal = "./cluster/journal"
	links   = "./cluster/link"
)

// run is set by .ci/run: compiling each bug takes some seconds.
const run = "LOCKCACHED_PLANTED"

const root = "../.."

// TestBugsArePlanted: there is a place for each bug, so that each is what it says.
func TestBugsArePlanted(t *testing.T) {
	for _, b := range bugs {
		if _, err := b.plant(t.TempDir()); err != nil {
			t.Errorf("%s: %v", b.name, err)
		}
	}
}

func TestBugsAreFound(t *testing.T) {
	if os.Getenv(run) == "" {
		t.Skip("compiling takes a while: set " + run + " to do it")
	}
	for _, b := range bugs {
		t.Run(strings.ReplaceAll(b.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			overlay, err := b.plant(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
			defer stop()
			test := exec.CommandContext(ctx, "go", "test", "-overlay", overlay, "-count=1", "-timeout=2m", "-run", b.by, b.found)
			test.Dir = root
			out, err := test.CombinedOutput()
			switch said := string(out); {
			case err == nil:
				t.Errorf("nothing was found: %s", said)
			case !strings.Contains(said, "--- FAIL") && !strings.Contains(said, "\npanic: "):
				t.Errorf("the tests did not run: %v\n%s", err, said)
			}
		})
	}
}

// plant writes the file with the bug, and what tells go to take it for the other one.
func (b *bug) plant(dir string) (overlay string, err error) {
	path, err := filepath.Abs(filepath.Join(root, b.file))
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), b.old); n != 1 {
		return "", &notOnce{b.file, b.old, n}
	}
	planted := filepath.Join(dir, "planted.go")
	if err := os.WriteFile(planted, []byte(strings.Replace(string(text), b.old, b.new, 1)), 0o666); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: planted}})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o666)
}
