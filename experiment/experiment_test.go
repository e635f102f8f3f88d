package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func mustLoad(t *testing.T, s string) Load {
	t.Helper()
	l, err := ParseLoad(s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustPolicy(t *testing.T, name string) *Policy {
	t.Helper()
	p, err := ParsePolicy(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustLaw(t *testing.T, name string) Law {
	t.Helper()
	l, err := NewLaw(name, DefaultMean, DefaultStddev)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// run simulates without writing anything.
func run(t *testing.T, c Config) *results {
	t.Helper()
	c.Simulate = true
	c.setDefaults()
	r := &results{config: c}
	if err := runSimulated(t.Context(), &c, r, &Output{Notes: io.Discard}); err != nil {
		t.Fatal(err)
	}
	return r
}

func loads(t *testing.T, names ...string) []Load {
	var list []Load
	for _, name := range names {
		list = append(list, mustLoad(t, name))
	}
	return list
}

func policies(t *testing.T, names ...string) []*Policy {
	var list []*Policy
	for _, name := range names {
		list = append(list, mustPolicy(t, name))
	}
	return list
}

func TestSameSeedSameNumbers(t *testing.T) {
	c := Config{Seed: 7, Acquisitions: 300, Loads: loads(t, "b10", "p0.5", "c10")}
	first, second := run(t, c), run(t, c)
	var a, b bytes.Buffer
	if err := errors.Join(first.writeCSV(&a), second.writeCSV(&b)); err != nil {
		t.Fatal(err)
	}
	if a.String() != b.String() {
		t.Error("the same seed gave other numbers")
	}
	c.Seed = 8
	b.Reset()
	if err := run(t, c).writeCSV(&b); err != nil {
		t.Fatal(err)
	}
	if a.String() == b.String() {
		t.Error("another seed gave the same numbers")
	}
}

// Policies must meet the same holds, or they could not be compared.
func TestSameHoldsForAllPolicies(t *testing.T) {
	law, load := mustLaw(t, "lognormal"), mustLoad(t, "b10")
	var sums []float64
	for _, name := range []string{"exp100cap1s", "fulljit", "slots", "slots+park50", "queue", "oracle"} {
		l, err := simulate(t.Context(), trial{policy: mustPolicy(t, name), law: law, load: load, seed: 3}, 100)
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, l.inUse.Seconds())
	}
	if slices.Min(sums) != slices.Max(sums) {
		t.Errorf("the lock was in use for %v s", sums)
	}
}

// A burst under exp100 is arithmetic: the k-th client comes back at 100, 300,
// 700 ms and so on.
func TestExponentialBurstByHand(t *testing.T) {
	law := mustLaw(t, "constant")
	l, err := simulate(t.Context(), trial{policy: mustPolicy(t, "exp100"), law: law, load: mustLoad(t, "b10"), seed: 1}, 10)
	if err != nil {
		t.Fatal(err)
	}
	want := []int{1, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	for i, a := range l.acquired {
		if a.tries != want[i] {
			t.Errorf("acquisition %d took %d tries, want %d", i, a.tries, want[i])
		}
	}
	last := l.acquired[9].wait.Seconds()
	if last < 102.3 || last > 102.4 {
		t.Errorf("the tenth client waited %v s, want 102.3 and the round trips", last)
	}
}

// Cells of a table that another program measured: the smallest and the largest
// tries and idle time over the six laws.
var baselines = []struct {
	load, policy                 string
	tries0, tries1, idle0, idle1 float64
}{
	{"b2", "exp100", 1.68, 2.02, 51.6, 86.7},
	{"b10", "exp100cap1s", 6.38, 6.49, 570, 633},
	{"b10", "fulljit", 4.16, 5.23, 268, 334},
	{"b10", "decorr", 3.73, 4.16, 190, 223},
	{"b10", "dogpile", 2.76, 3.12, 351, 635},
	{"b100", "exp100cap1s", 51.3, 57.8, 773, 901},
	{"b100", "linear100", 100, 141, 1.05, 76.5},
	{"p0.5", "exp100cap1s", 2.24, 3.72, 64.9, 82.3},
	{"p0.5", "linear100", 2.54, 11.9, 14.8, 23.6},
	{"p0.9", "fulljit", 10.1, 17.8, 19.9, 23.5},
	{"c2", "exp100cap1s", 1.50, 1.80, 54.5, 93.8},
	{"c10", "exp100cap1s", 4.25, 4.43, 41.5, 47.3},
	{"c10", "fulljit", 2.67, 3.30, 65.2, 71.3},
	{"c10", "article", 5.55, 5.70, 32.1, 36.2},
	{"c100", "fulljit", 8.85, 9.13, 21.5, 23.6},
	{"c100", "queue", 1, 1, 0.5, 0.5},
}

// TestBaselines compares the cells. Pareto holds have no variance, so the
// largest values differ between seeds by more than a few per cent.
func TestBaselines(t *testing.T) {
	for _, b := range baselines {
		r := run(t, Config{Seed: 1, Acquisitions: 6000, Loads: loads(t, b.load), Policies: policies(t, b.policy)})
		near := func(what string, got Number, want, within float64) {
			if d := math.Abs(float64(got)-want) / want; d > within {
				t.Errorf("%s %s: %s %.4g, want %.4g within %.0f %%", b.load, b.policy, what, got, want, 100*within)
			}
		}
		few, many := 0.06, 0.10
		if b.load[0] == 'p' {
			few, many = 0.15, 0.30
		}
		near("least tries", least(r.lines, tries), b.tries0, few)
		near("most tries", most(r.lines, tries), b.tries1, many)
		near("least idle", least(r.lines, idle), b.idle0, max(few, 0.10))
		near("most idle", most(r.lines, idle), b.idle1, max(many, 0.10))
	}
}

// TestTargets is a short version of what the command judges in long runs. The
// margins of the targets are mostly wide enough for it.
func TestTargets(t *testing.T) {
	c := Config{
		Seed: 1, Acquisitions: 4000, Loads: loads(t, "b2", "b10", "b100", "p0.5", "c10"),
		Policies: policies(t, "exp100", "exp100cap1s", "fulljit", "slots", "rank", "slots+park50", "queue", "oracle"),
	}
	r := run(t, c)
	judged := 0
	for i := range promised {
		target := promised[i]
		if target.least {
			target.limit *= 0.99
		} else {
			target.limit *= 1.05
		}
		v, ok := r.judge(&target)
		if !ok {
			continue
		}
		judged++
		if !v.Met {
			t.Errorf("%s %s %s: %.4g in %s, limit %.4g", v.Policy, v.Load, v.What, v.Measured, v.Where, v.Limit)
		}
	}
	if judged < 40 {
		t.Errorf("%d targets were judged, want most of them", judged)
	}
	for _, v := range append(judgeExample(1), r.judgeJump(t.Context())...) {
		if !v.Met {
			t.Errorf("%s %s %s: %.4g in %s, limit %.4g", v.Policy, v.Load, v.What, v.Measured, v.Where, v.Limit)
		}
	}
}

// If holders die, the lock is idle for hardly longer, and hardly at all after the end of a
// dead holder's lease.
func TestTargetsWithDyingHolders(t *testing.T) {
	for _, dying := range []float64{0.05, 0.2, 0.5} {
		r := run(t, Config{
			Seed: 1, Acquisitions: 2000, Dying: dying, Loads: loads(t, "b2", "b10", "b100", "p0.5", "c10"),
			Policies: policies(t, "exp100cap1s", "fulljit", "slots", "slots+park50", "queue"),
		})
		list := r.judgeEach(dyingPromised)
		if len(list) != len(dyingPromised) {
			t.Errorf("%d of %d targets were judged", len(list), len(dyingPromised))
		}
		for _, v := range list {
			if !v.Met {
				t.Errorf("%v die: %s %s %s: %.4g in %s, limit %.4g", dying, v.Policy, v.Load, v.What, v.Measured, v.Where, v.Limit)
			}
		}
	}
}

// A dead holder's lease is lost time, and neither use nor idleness.
func TestDeathByHand(t *testing.T) {
	law, lease := mustLaw(t, "constant"), 5*time.Second
	all := faults{dying: 1, lease: lease}
	l, err := simulate(t.Context(), trial{policy: mustPolicy(t, "oracle"), law: law, load: mustLoad(t, "b10"), seed: 1, faults: all}, 10)
	if err != nil {
		t.Fatal(err)
	}
	if l.inUse != 10*DefaultMean || l.idle != 0 || l.dead != 10*(lease-DefaultMean) || len(l.afterDeath) != 9 {
		t.Errorf("ten holders that die use the lock for %v, leave it idle for %v and block it for %v, %d times",
			l.inUse, l.idle, l.dead, len(l.afterDeath))
	}
	if last := l.acquired[9].wait; last != 9*lease {
		t.Errorf("the tenth waits for %v", last)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var report, notes bytes.Buffer
	err := Run(ctx, Config{Simulate: true}, Output{Report: &report, Notes: &notes})
	if err != nil || !strings.Contains(notes.String(), "interrupted") {
		t.Errorf("%v, %q", err, &notes)
	}
}

func TestCSVHeader(t *testing.T) {
	r := run(t, Config{Seed: 1, Acquisitions: 100, Loads: loads(t, "b10", "c2"), Policies: policies(t, "queue")})
	var b bytes.Buffer
	if err := r.writeCSV(&b); err != nil {
		t.Fatal(err)
	}
	header, _, _ := strings.Cut(b.String(), "\n")
	const want = "mode,law,load,policy,acquisitions,tries_per_acquisition,idle_ms,in_use,tries_p50,tries_p99,idle_p50_ms,idle_p99_ms," +
		"wait_mean_ms,wait_p50_ms,wait_p99_ms,wait_max_ms,jain,acquisitions_per_second,not_served,seconds," +
		"dead,idle_after_death_ms,idle_after_death_p99_ms"
	if header != want {
		t.Errorf("header %s", header)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != 1+12 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

func TestFiles(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new")
	c := Config{Simulate: true, Seed: 1, Acquisitions: 200, Loads: loads(t, "b10"), Out: folder}
	if err := Run(t.Context(), c, Output{Report: io.Discard, Notes: io.Discard}); err != nil {
		t.Fatal(err)
	}
	var report struct{ Results []Summary }
	b, err := os.ReadFile(filepath.Join(folder, "results.json"))
	if err == nil {
		err = json.Unmarshal(b, &report)
	}
	if err != nil || len(report.Results) != len(LawNames)*len(Policies) {
		t.Errorf("results.json: %d lines, %v", len(report.Results), err)
	}
	for _, name := range []string{"tries", "waits", "idle", "frontier", "timeline", "example"} {
		checkPNG(t, filepath.Join(folder, name+".png"))
		checkSVG(t, filepath.Join(folder, name+".svg"))
	}
}

// checkPNG expects a picture with something on it.
func checkPNG(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := png.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	shades := make(map[uint32]bool)
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			red, green, blue, _ := m.At(x, y).RGBA()
			shades[red] = true
			if red != green || green != blue {
				t.Fatalf("%s is not in black and white", name)
			}
		}
	}
	if m.Bounds().Dx() < 600 || len(shades) < 10 {
		t.Errorf("%s: %v, %d shades", name, m.Bounds(), len(shades))
	}
}

func checkSVG(t *testing.T, name string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

func TestTableAndTargetsArePrinted(t *testing.T) {
	var report bytes.Buffer
	c := Config{Simulate: true, Seed: 1, Acquisitions: enough, Loads: loads(t, "b10"), Laws: []Law{mustLaw(t, "normal")}}
	if err := Run(t.Context(), c, Output{Report: &report, Notes: io.Discard}); err != nil {
		t.Fatal(err)
	}
	for _, p := range Policies {
		if !strings.Contains(report.String(), " "+p.Name+" ") {
			t.Errorf("the table lacks %s", p.Name)
		}
	}
	for _, part := range []string{"b10: 10 clients come at once", "sd 70ms", "Targets", " met\n"} {
		if !strings.Contains(report.String(), part) {
			t.Errorf("the report lacks %q:\n%s", part, &report)
		}
	}
}
