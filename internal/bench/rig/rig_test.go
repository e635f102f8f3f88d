//go:build linux

package rig

import (
	"errors"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	for _, test := range []struct {
		name   string
		values []float64
		p      float64
		want   float64
	}{
		{"one", []float64{7}, 99, 7},
		{"odd-median", []float64{9, 1, 5}, 50, 5},
		{"even-median", []float64{4, 1, 3, 2}, 50, 2.5},
		{"min", []float64{3, 1, 2}, 0, 1},
		{"max", []float64{3, 1, 2}, 100, 3},
		{"between", []float64{0, 10}, 90, 9},
	} {
		if got := Percentile(test.values, test.p); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
	if got := Percentile(nil, 50); !math.IsNaN(got) {
		t.Errorf("none: got %v, want NaN", got)
	}
}

func TestGeometricMeanOfTwiceAndHalf(t *testing.T) {
	if got := GeometricMean([]float64{2, 0.5}); math.Abs(got-1) > 1e-12 {
		t.Errorf("got %v, want 1", got)
	}
}

func TestTable(t *testing.T) {
	var table Table
	table.Row("cell", "ops/s", "µs")
	table.Row("add-delete", "7", "12.5")
	var got strings.Builder
	table.Print(&got)
	want := "cell        ops/s    µs\n" +
		"add-delete      7  12.5\n"
	if got.String() != want {
		t.Errorf("got:\n%swant:\n%s", got.String(), want)
	}
}

func TestProcessCostsUntilStopped(t *testing.T) {
	p, err := Start(exec.Command("sh", "-c", "while :; do :; done"))
	if err != nil {
		t.Fatal(err)
	}
	busy := func() error {
		if cpu, err := p.CPU(); err != nil || cpu < time.Millisecond {
			return errors.Join(err, errors.New("no CPU used yet"))
		}
		return nil
	}
	if err := p.WaitReady(t.Context(), busy); err != nil {
		t.Error(err)
	}
	if rss, err := p.RSS(); err != nil || rss < 4096 {
		t.Errorf("RSS: %v bytes, %v", rss, err)
	}
	p.Stop()
	if _, err := p.CPU(); err == nil {
		t.Error("still there after Stop")
	}
}

func TestFailureSaysWhatTheProcessPrinted(t *testing.T) {
	p, err := Start(exec.Command("sh", "-c", "echo bad flag; exit 3"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	err = p.WaitReady(t.Context(), func() error { return errors.New("no answer") })
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "bad flag") {
		t.Errorf("got %v", err)
	}
}
