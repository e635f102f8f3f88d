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
		if modules := modulesOf(t, path); !slices.Equal(modules, want) {
			t.Errorf("%s needs %q, want %q", path, modules, want)
		}
	}
}

// TestModulesOfServer: what drives a browser in tests is not in the server.
func TestModulesOfServer(t *testing.T) {
	t.Parallel()
	for _, module := range modulesOf(t, ".") {
		if strings.Contains(module, "chromedp") {
			t.Errorf("the server needs %s", module)
		}
	}
}

// modulesOf are the modules that a package needs.
func modulesOf(t *testing.T, path string) []string {
	t.Helper()
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", path)
	out, err := list.Output()
	if err != nil {
		t.Fatalf("%v: %v", list, err)
	}
	modules := strings.Fields(string(out))
	slices.Sort(modules)
	return slices.Compact(modules)
}
