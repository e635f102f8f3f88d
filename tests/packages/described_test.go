//go:build linux

package packages_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"

	"github.com/lockcached/lockcached/internal/harness"
)

// parse reads a file in YAML, which has one document.
func parse(t *testing.T, path string, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(harness.ReadFile(t, path)), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// TestDescriptions reads what nfpm reads, and has a shell read the scripts that are named there.
func TestDescriptions(t *testing.T) {
	type scripts map[string]string
	for _, path := range harness.Glob(t, "scripts/packages/*.yml") {
		var d struct {
			Name, Version string
			Contents      []map[string]string
			Scripts       scripts
			Overrides     map[string]struct{ Scripts scripts }
		}
		if err := yaml.Unmarshal([]byte(harness.ReadFile(t, path)), &d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all := []scripts{d.Scripts}
		for _, o := range d.Overrides {
			all = append(all, o.Scripts)
		}
		n := 0
		for _, s := range all {
			for when, script := range s {
				n++
				path := filepath.Join("scripts/packages", strings.TrimPrefix(script, "scripts/"))
				if out, err := exec.Command("sh", "-n", path).CombinedOutput(); err != nil {
					t.Errorf("%s of %s: %v\n%s", when, d.Name, err, out)
				}
			}
		}
		if d.Version != "${VERSION}" || len(d.Contents) == 0 || n == 0 {
			t.Errorf("%s: %+v", path, d)
		}
	}
}

// workflow is what GitHub runs.
type workflow struct {
	Name        string
	On          any
	Permissions map[string]string
	Jobs        map[string]struct {
		RunsOn  string `yaml:"runs-on"`
		Timeout int    `yaml:"timeout-minutes"`
		Steps   []struct {
			Name, Uses, Run string
			With, Env       map[string]string
		}
	}
}

// TestWorkflows: what the workflows run is there, and a release has passed all tests.
func TestWorkflows(t *testing.T) {
	local := regexp.MustCompile(`(?m)^(\.ci|scripts)/\S+`)
	for _, path := range harness.Glob(t, ".github/workflows/*.yml") {
		var w workflow
		parse(t, path, &w)
		var runs []string
		for _, job := range w.Jobs {
			if job.RunsOn == "" || job.Timeout == 0 {
				t.Errorf("%s: %+v", path, job)
			}
			for _, step := range job.Steps {
				if (step.Run == "") == (step.Uses == "") {
					t.Errorf("%s: %+v", path, step)
				}
				runs = append(runs, step.Run)
			}
		}
		all := strings.Join(runs, "\n")
		for _, script := range local.FindAllString(all, -1) {
			if info, err := os.Stat(script); err != nil || info.Mode()&0o100 == 0 {
				t.Errorf("%s runs %s: %v", path, script, err)
			}
		}
		if tests, _, packs := strings.Cut(all, "scripts/package"); packs && !strings.Contains(tests, ".ci/run") {
			t.Errorf("%s packs what is not tested", path)
		}
	}
}
