package stats

import (
	"iter"
	"time"
)

// Tally counts durations by fixed bounds, for readers that store the history and compare
// two readings, as Prometheus does: nothing in it fades. The zero value is empty and ready
// for use.
type Tally struct {
	counts [len(bounds) + 1]uint64 // the last counts what is longer than all bounds
	sum    float64                 // nanoseconds
}

// bounds are inclusive. They cover the times that a lock is held or waited for, from a
// hand-off on one machine to a batch job.
var bounds = [...]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second,
	10 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute,
}

// Add counts x.
func (t *Tally) Add(x time.Duration) {
	i := 0
	for i < len(bounds) && x > bounds[i] {
		i++
	}
	t.counts[i]++
	t.sum += float64(x)
}

// Merge adds what o counted.
func (t *Tally) Merge(o *Tally) {
	for i, n := range o.counts {
		t.counts[i] += n
	}
	t.sum += o.sum
}

// Count is the number of durations.
func (t *Tally) Count() (n uint64) {
	for _, count := range t.counts {
		n += count
	}
	return n
}

// Seconds is the sum of all durations.
func (t *Tally) Seconds() float64 { return t.sum / float64(time.Second) }

// UpTo iterates over the bounds, each with the number of durations that are no longer.
func (t *Tally) UpTo() iter.Seq2[time.Duration, uint64] {
	return func(yield func(time.Duration, uint64) bool) {
		n := uint64(0)
		for i, bound := range bounds {
			if n += t.counts[i]; !yield(bound, n) {
				return
			}
		}
	}
}
