package documents_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestModulesOfClient: docs/go.md says that a program which only locks pays for gomemcache
// and three small modules. More than these are a decision, not an accident.
func TestModulesOfClient(t *testing.T) {
	t.Parallel()
	want := []string{
		"github.com/bradfitz/gomemcache", "github.com/cenkalti/backoff/v5", "github.com/hashicorp/golang-lru/v2",
		"github.com/lockcached/lockcached", "golang.org/x/sync",
	}
	for _, path := range []string{"./client", "./client/cache"} {
		list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", path)
		out, err := list.Output()
		if err != nil {
			t.Fatalf("%v: %v", list, err)
		}
		modules := strings.Fields(string(out))
		slices.Sort(modules)
		if modules = slices.Compact(modules); !slices.Equal(modules, want) {
			t.Errorf("%s needs %q, want %q", path, modules, want)
		}
	}
}
