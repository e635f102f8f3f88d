//go:build linux

package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A trial is what a round of a scenario works with.
type trial struct {
	program program
	form    form
	rng     *rand.Rand
	soak    time.Duration // of a round of soak in its long form
	dir     string        // for files that are gone after the round
	keep    string        // for what is kept of findings
	name    string        // of the round, to name files after
}

// pick returns the value for the form of the trial.
func pick[T any](t *trial, tiny, short, long T) T { return [...]T{tiny, short, long}[t.form] }

// split returns a source of random numbers for a goroutine of its own.
func (t *trial) split() *rand.Rand { return rand.New(rand.NewPCG(t.rng.Uint64(), t.rng.Uint64())) }

// within returns a random duration below d.
func within(rng *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(d)))
}

// chance is true once in so many times.
func chance(rng *rand.Rand, once int) bool { return rng.IntN(once) == 0 }

// An outcome is the result of a round, or of all rounds of a scenario together.
type outcome struct {
	Figures   []figure  `json:"figures"`
	Undecided int       `json:"undecided"` // histories that were too hard to judge
	Findings  []finding `json:"findings"`
	Omitted   int       `json:"omitted"` // findings beyond the first of a scenario
}

// mostFindings is how many findings of a scenario are reported one by one: where there are
// more, they most likely have one cause.
const mostFindings = 20

// A figure is a number of the report. Over several rounds it is the sum, or the largest if
// Most.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Most  bool    `json:"most,omitempty"`
}

// A finding is a promise that was broken.
type finding struct {
	Round int    `json:"round"`
	What  string `json:"what"`
	File  string `json:"file,omitempty"` // below the report's directory, with more about it
}

func (o *outcome) count(name string, n int) { o.add(figure{Name: name, Value: float64(n)}) }

// most keeps the largest value of a figure. NaN does not count.
func (o *outcome) most(name string, value float64) {
	if math.IsNaN(value) {
		return
	}
	o.add(figure{Name: name, Value: value, Most: true})
}

func (o *outcome) add(f figure) {
	for i := range o.Figures {
		old := &o.Figures[i]
		switch {
		case old.Name != f.Name:
			continue
		case f.Most:
			old.Value = max(old.Value, f.Value)
		default:
			old.Value += f.Value
		}
		return
	}
	o.Figures = append(o.Figures, f)
}

func (o *outcome) find(format string, args ...any) {
	o.Findings = append(o.Findings, finding{What: fmt.Sprintf(format, args...)})
}

// merge adds the outcome of a round.
func (o *outcome) merge(round outcome, number int) {
	for _, f := range round.Figures {
		o.add(f)
	}
	o.Undecided += round.Undecided
	for _, f := range round.Findings {
		if len(o.Findings) == mostFindings {
			o.Omitted++
			continue
		}
		f.Round = number
		o.Findings = append(o.Findings, f)
	}
}

// keepFile makes a file that stays beside the report.
func (t *trial) keepFile(name string) (*os.File, error) {
	if err := os.MkdirAll(t.keep, 0o777); err != nil {
		return nil, err
	}
	return os.Create(filepath.Join(t.keep, t.name+"-"+name))
}

// fileName makes a file name from a key.
func fileName(key string) string { return strings.ReplaceAll(key, ":", "-") }
