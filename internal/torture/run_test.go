//go:build linux

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var errEnough = errors.New("enough")

// countTo is a scenario that ends the run after so many rounds.
func countTo(limit int) *scenario {
	rounds := 0
	return &scenario{name: "count", share: 1, round: func(context.Context, *trial) (o outcome, err error) {
		if rounds++; rounds > limit {
			return o, errEnough
		}
		o.count("apples", 500)
		o.most("largest, g", float64(100-rounds))
		return o, nil
	}}
}

// A run that was interrupted goes on where it was, and its report covers both parts.
func TestResume(t *testing.T) {
	o := options{
		program: tinyTrial(t).program, form: long, duration: time.Hour, dir: t.TempDir(), seed: 1,
		scenarios: []*scenario{countTo(1)},
	}
	play := func() *runner {
		t.Helper()
		r, err := newRunner(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer r.close()
		if err := r.run(t.Context()); !errors.Is(err, errEnough) {
			t.Fatalf("run ended with %v", err)
		}
		return r
	}
	play()
	o.resume, o.scenarios = true, []*scenario{countTo(2)}
	r := play()
	var table strings.Builder
	if err := r.report(&table); err != nil {
		t.Fatal(err)
	}
	summary, err := os.ReadFile(filepath.Join(o.dir, "report.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| `count` | 3 |", "| apples | 1,500 |", "| largest, g | 99 |", "No promise was broken."} {
		if !strings.Contains(string(summary), want) {
			t.Errorf("the summary lacks %q:\n%s", want, summary)
		}
	}
}

func TestReportTellsFindings(t *testing.T) {
	dir := t.TempDir()
	s := &state{path: filepath.Join(dir, stateFile)}
	var round outcome
	for range mostFindings + 1 {
		round.find("two <holders>")
	}
	s.of("fence").Rounds = 7
	s.of("fence").merge(round, 7)
	if err := s.verdict(); err == nil || !strings.Contains(err.Error(), "fence: FAILED, 21 findings") {
		t.Errorf("verdict: %v", err)
	}
	r := &runner{options: options{dir: dir}, state: s}
	var table strings.Builder
	if err := r.report(&table); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Not every scenario was passed", "round 7: two &lt;holders&gt;", "and 1 more"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestUndecidedIsNotPassed(t *testing.T) {
	s := &score{Rounds: 1, outcome: outcome{Undecided: 1}}
	if s.Verdict() == passed {
		t.Error("passed")
	}
}

func TestFigures(t *testing.T) {
	for value, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", 1234.567: "1,234.57"} {
		if got := (figure{Value: value}).Text(); got != want {
			t.Errorf("%v: %s, want %s", value, got, want)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"-scenarios fence,none", `-scenarios: "none" is none of`},
		{"-for 0", "-for 0s: has to be above 0"},
		{"-soak -1s", "-soak -1s: has to be above 0"},
		{"-short -resume", "-resume is for long runs"},
		{"again", `unexpected argument "again"`},
	} {
		if _, err := parseOptions(strings.Fields(test.args)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.args, err, test.want)
		}
	}
	o, err := parseOptions([]string{"-short", "-scenarios", "term"})
	if err != nil || o.form != short || len(o.scenarios) != 1 || o.seed == 0 {
		t.Errorf("got %+v, %v", o, err)
	}
}
