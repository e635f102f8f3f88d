package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// simulateStampede plays one cell of the table, of a page that takes 200 ms and is good for 10 s.
func simulateStampede(t *testing.T, name, load string) stampedeLine {
	t.Helper()
	law, err := NewLaw("constant", DefaultMean, 0)
	if err != nil {
		t.Fatal(err)
	}
	w, err := parseWay(name)
	if err != nil {
		t.Fatal(err)
	}
	d, err := parseDemand(load)
	if err != nil {
		t.Fatal(err)
	}
	c := stampedeConfig{Simulate: true, Seed: 1, TTL: 10 * time.Second, Expiries: 10, Rounds: 2}
	c.setDefaults()
	trial := stampedeTrial{&c, w, law, d}
	s := newStampedeSim(trial)
	if err := s.play(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s.line("simulated", &trial)
}

func TestStampede(t *testing.T) {
	for _, tt := range []struct {
		way              string
		computed         [2]float64 // for each expiry, from and to
		delayed          [2]float64
		longest, oldestS float64 // ms and s
	}{
		{"plain", [2]float64{5, 20}, [2]float64{5, 20}, 202, 10},
		{"add-lock", [2]float64{0.8, 1.1}, [2]float64{5, 30}, 410, 10},
		{"dogpile", [2]float64{0.8, 1.1}, [2]float64{0.8, 1.1}, 203, 10.3},
		{"xfetch", [2]float64{1, 10}, [2]float64{1, 10}, 202, 10},
		{"mg-n30", [2]float64{0.8, 1.1}, [2]float64{5, 30}, 310, 10},
		{"coalesce", [2]float64{0.8, 1.1}, [2]float64{5, 20}, 202, 10},
		{"stale", [2]float64{0.8, 1.1}, [2]float64{0.8, 1.1}, 202, 10.3},
		{"early", [2]float64{0.8, 1.4}, [2]float64{0.8, 1.4}, 202, 10},
	} {
		t.Run(tt.way, func(t *testing.T) {
			t.Parallel()
			got := simulateStampede(t, tt.way, "r50")
			for _, number := range []struct {
				name     string
				got      Number
				from, to float64
			}{
				{"computed", got.Computed, tt.computed[0], tt.computed[1]},
				{"delayed", got.Delayed, tt.delayed[0], tt.delayed[1]},
				{"longest wait", got.WaitMaxMS, 1, tt.longest},
				{"oldest", got.OldestS, 9, tt.oldestS},
			} {
				if float64(number.got) < number.from || float64(number.got) > number.to {
					t.Errorf("%s: %v, want %v to %v", number.name, number.got, number.from, number.to)
				}
			}
		})
	}
}

// TestYardstick: one of a thousand computes, and ten thousand requests are one query.
func TestYardstick(t *testing.T) {
	for _, load := range []string{"b1000", "b10000"} {
		t.Run(load, func(t *testing.T) {
			t.Parallel()
			got := simulateStampede(t, "coalesce", load)
			if got.Computed != 1 || got.AtOnce != 1 || got.WaitMaxMS > 202 {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestStampedeCommand(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, args := range []string{
		"--simulate --expiries 2 --rounds 1 --load r20 --load r5 --load b10 --law normal --ttl 5s",
		"--load b20 --compute 20ms --rounds 2 --way plain --way add-lock --way mg-n30 --way xfetch --way coalesce",
		"--load r20 --duration 1s --ttl 1s --compute 20ms --way coalesce --way early",
	} {
		var stdout, stderr bytes.Buffer
		line := append([]string{stampedeName}, append(strings.Fields(args), "--out", folder)...)
		if code := command(t.Context(), line, &stdout, &stderr); code != 0 {
			t.Fatalf("%s: exit %d, %s", args, code, &stderr)
		}
		if !strings.Contains(stdout.String(), "coalesce") {
			t.Errorf("%s: %s", args, &stdout)
		}
	}
	for _, name := range []string{"stampede.csv", "stampede.json", "stampede-origin.svg", "stampede-waits.png", "stampede-rates.svg", "stampede-live.csv", "stampede-live-origin.png"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestStampedeRefusals(t *testing.T) {
	tests := []struct{ args, want string }{
		{"--foo", "--foo: unknown flag"},
		{"--way lease", `--way lease: "lease" is none of plain, `},
		{"--load b1", "--load b1: a demand is r100"},
		{"--load r0", "--load r0: a demand is r100"},
		{"--ttl 1500ms", "--ttl 1500ms: should be whole seconds"},
		{"--law gamma", `--law gamma: "gamma" is none of normal, `},
		{"--simulate --duration 3s", "--duration: is for live runs only"},
		{"--expiries 3", "--expiries: is for simulated runs only"},
		{"now", "now: belongs to no flag"},
	}
	for _, tt := range tests {
		var stdout, stderr bytes.Buffer
		code := command(t.Context(), append([]string{stampedeName}, strings.Fields(tt.args)...), &stdout, &stderr)
		if code != exitRefused || stdout.Len() > 0 || !strings.HasPrefix(stderr.String(), "experiment: "+tt.want) {
			t.Errorf("%s: exit %d, %q, %q", tt.args, code, &stdout, &stderr)
		}
	}
}

func TestStampedeHelp(t *testing.T) {
	help := stampedeHelp()
	for _, f := range stampedeFlags {
		if !strings.Contains(help, "--"+f.name+" <") {
			t.Errorf("the help lacks --%s", f.name)
		}
	}
	for line := range strings.Lines(help) {
		if utf8.RuneCountInString(line) > 115 {
			t.Errorf("too wide: %s", line)
		}
	}
}
