//go:build linux

package main

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/lockcached/lockcached/cli"
)

// asProgram makes this test binary run as lockcached, so that the scenarios have
// a process to torture that needs no build.
const asProgram = "LOCKCACHED_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(cli.Main(os.Args, os.Stdout, os.Stderr))
	}
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(playRole(role, os.Args[1:]))
	}
	os.Exit(m.Run())
}

func tinyTrial(t *testing.T) *trial {
	t.Helper()
	return &trial{
		program: program{path: os.Args[0], env: []string{asProgram + "=1"}},
		rng:     rand.New(rand.NewPCG(rand.Uint64(), 0)),
		dir:     t.TempDir(), keep: t.TempDir(), name: "trial",
	}
}

// clusterVariable makes TestScenarios play those with clusters, which take longer. CI plays their
// short form instead.
const clusterVariable = "LOCKCACHED_CLUSTER_SCENARIOS"

// Each scenario in its smallest form finds nothing, and has something to show.
func TestScenarios(t *testing.T) {
	for _, s := range allScenarios {
		t.Run(s.name, func(t *testing.T) {
			if strings.HasPrefix(s.name, "cluster-") && os.Getenv(clusterVariable) == "" {
				t.Skip("set " + clusterVariable + " to play it; scripts/torture --short does, too")
			}
			if s.isForRoot() {
				t.Skip("for root")
			}
			t.Parallel()
			o, err := s.round(t.Context(), tinyTrial(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range o.Findings {
				t.Error(f.What)
			}
			if o.Undecided > 0 || len(o.Figures) == 0 {
				t.Errorf("%d undecided, %d figures", o.Undecided, len(o.Figures))
			}
		})
	}
}
