package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestHelp(t *testing.T) {
	var help bytes.Buffer
	if code := command(t.Context(), []string{"-h"}, &help, &help); code != 0 {
		t.Errorf("exit %d", code)
	}
	for _, f := range flagTable {
		if !strings.Contains(help.String(), "--"+f.name+" <") {
			t.Errorf("the help lacks --%s", f.name)
		}
	}
	for _, word := range append(switches, PolicyNames()...) {
		if !strings.Contains(help.String(), word) {
			t.Errorf("the help lacks %s", word)
		}
	}
	for line := range strings.Lines(help.String()) {
		if utf8.RuneCountInString(line) > 110 {
			t.Errorf("too wide: %s", line)
		}
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct{ args, want string }{
		{"--foo", "--foo: unknown flag"},
		{"--policy", "--policy: needs a value"},
		{"--policy exp", `--policy exp: "exp" is none of exp100, `},
		{"--law gamma", `--law gamma: "gamma" is none of normal, `},
		{"--load 10", "--load 10: a load is b10"},
		{"--load p0.5", "--load p0.5: chance arrivals are simulated only"},
		{"--clients 1", "--clients 1: should be a number of clients from 2"},
		{"--clients 5 --load b5", "--clients: give either"},
		{"--seed -1", "--seed -1: a seed is a whole number"},
		{"--hold 0", "--hold 0: should be from 1ms to 1h"},
		{"--hold soon", "--hold soon: should be a duration"},
		{"--rounds 0", "--rounds 0: should be a number greater than 0"},
		{"--acquisitions 100", "--acquisitions: is for simulated runs only"},
		{"--simulate --duration 3s", "--duration: is for live runs only"},
		{"--simulate --server localhost:1", "--server: is for live runs only"},
		{"--server localhost", "--server localhost: should be an address such as localhost:11211"},
		{"--duration 1ms", "--duration 1ms: should be at least 1s"},
		{"--simulate --out=", "--out : needs the name of a folder"},
		{"--simulate=maybe", "--simulate=maybe: takes no value"},
		{"--dying 5", "--dying: is for simulated runs only"},
		{"--cold", "--cold: is for simulated runs only"},
		{"--simulate --dying 91", "--dying 91: should be a percentage from 0 to 90"},
		{"--simulate --dying few", "--dying few: should be a percentage from 0 to 90"},
		{"--simulate now", "now: belongs to no flag"},
		{"simulate", "simulate: belongs to no flag"},
	}
	for _, tt := range tests {
		var stdout, stderr bytes.Buffer
		code := command(t.Context(), strings.Fields(tt.args), &stdout, &stderr)
		if code != exitRefused || stdout.Len() > 0 || !strings.HasPrefix(stderr.String(), "experiment: "+tt.want) ||
			strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%s: exit %d, %q, %q", tt.args, code, &stdout, &stderr)
		}
	}
}

func TestSimulates(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "results")
	var stdout, stderr bytes.Buffer
	args := "--simulate --acquisitions 50 --law normal --hold 20ms --load b5,c2 --policy slots --policy queue --out"
	if code := command(t.Context(), append(strings.Fields(args), folder), &stdout, &stderr); code != 0 {
		t.Fatalf("exit %d, %s", code, &stderr)
	}
	if !strings.Contains(stdout.String(), "b5: 5 clients come at once; holds normal, mean 20ms, sd 7ms") {
		t.Errorf("%s", &stdout)
	}
	if _, err := os.Stat(filepath.Join(folder, "results.csv")); err != nil {
		t.Error(err)
	}
	if strings.Contains(stderr.String(), "\r") {
		t.Errorf("progress was shown, though %q is no terminal", &stderr)
	}
}

func TestProgressAndSignal(t *testing.T) {
	interrupted, interrupt := context.WithCancel(t.Context())
	interrupt()
	var stdout, stderr bytes.Buffer
	code := command(interrupted, []string{"--simulate", "--progress"}, &stdout, &stderr)
	if code != 0 || !strings.Contains(stderr.String(), "interrupted") || !strings.Contains(stderr.String(), "\r") {
		t.Errorf("exit %d, %q", code, &stderr)
	}
}
