package stats

import (
	"iter"
	"math"
	"slices"
	"time"
	"unsafe"
)

// Histogram is how long things took, in buckets: the law behind the Moments. Recent
// observations weigh more, with a half-life of HalfLife observations; the latest weighs 1.
// For some observations only a lower bound is known; these are censored. The zero value is
// empty and ready for use.
//
// A quantile sketch from a library would not do: a t-digest has no fixed edges, so
// censoring and hazards become guesswork, and DDSketch is the same buckets with a
// map and a logarithm, and without the decay.
//
// It takes 64 bytes for each octave from the shortest to the longest observation: about
// half a kilobyte for a lock whose holds are within a factor of a hundred, at most 1.9 kB,
// and twice that where holds are censored.
type Histogram struct {
	released counts
	censored counts
	count    uint64  // observations ever
	total    float64 // sum of both counts
	unit     float64 // what the latest observation added to the counts; 0 means 1
	rescaled float64 // logarithm of what rescale has divided the counts by, in all
}

// Bytes is the memory that the Histogram takes.
func (h *Histogram) Bytes() int64 {
	return int64(unsafe.Sizeof(*h)) + int64(cap(h.released.n)+cap(h.censored.n))*int64(unsafe.Sizeof(float32(0)))
}

// Both are far from where float32 counts would lose the old beside the new.
const (
	largestUnit = 1e12
	leastWeight = 1e-9 // what Fade leaves of all observations at least, however old they are
)

// Add records an observation of length x.
func (h *Histogram) Add(x time.Duration) {
	h.grow()
	h.released.add(bucketOf(x), float32(h.unit))
}

// Censor records an observation known only to be at least x long, such as a hold
// that was ended by its lease.
func (h *Histogram) Censor(x time.Duration) {
	h.grow()
	h.censored.add(bucketOf(x), float32(h.unit))
}

// grow makes the next observation weigh more, rather than all others less.
func (h *Histogram) grow() {
	h.count++
	h.unit = max(h.unit, 1) / decay
	if h.unit > largestUnit {
		h.rescale()
	}
	h.total += h.unit
}

// rescale expresses the counts in units of the latest observation.
func (h *Histogram) rescale() {
	f := 1 / h.unit
	h.released.scale(float32(f))
	h.censored.scale(float32(f))
	h.total *= f
	h.rescaled += math.Log(h.unit)
	h.unit = 1
}

// Fade multiplies the weights of all observations so far by factor, from 0 to 1.
// It is the decay by time, see FadeFactor. The quantiles stay what they are, but
// count for less in whatever they are merged with.
func (h *Histogram) Fade(factor float64) {
	factor = fading(factor, h.Weight())
	if factor == 1 {
		return
	}
	h.unit = max(h.unit, 1) / factor
	if h.unit > largestUnit {
		h.rescale()
	}
}

// Merge adds what o observed, as when the shards of a class are summed up. The
// latest observations of both are taken to be equally recent.
func (h *Histogram) Merge(o *Histogram) {
	if o.count == 0 {
		return
	}
	h.unit = max(h.unit, 1)
	f := h.unit / max(o.unit, 1)
	h.released.merge(&o.released, float32(f))
	h.censored.merge(&o.censored, float32(f))
	h.total += o.total * f
	h.count += o.count
}

// Clone returns a copy that shares no memory with h, or nil if h is nil.
func (h *Histogram) Clone() *Histogram {
	if h == nil {
		return nil
	}
	c := *h
	c.released.n = slices.Clone(h.released.n)
	c.censored.n = slices.Clone(h.censored.n)
	return &c
}

// Count is the number of observations, censored ones included and old ones counting in
// full. It is 0 if h is nil.
func (h *Histogram) Count() uint64 {
	if h == nil {
		return 0
	}
	return h.count
}

// Weight is the decayed number of observations, censored ones included: at most
// 185, since older ones have decayed. Merged Histograms add up.
func (h *Histogram) Weight() float64 { return h.total / max(h.unit, 1) }

// Quantile is the time that a share q of the observations, from 0 to 1, does not exceed,
// within 3.2 % or 0.5 us: the middle of a bucket. It is 0 if everything was censored or
// nothing was observed. Where censoring hides the quantile, it is the longest observation
// that is not censored: beyond its last event the law is unknown.
//
// Censored observations count for as long as they lasted: the product limit of E. L. Kaplan
// and P. Meier (1958), with half of what is censored within a bucket taken as at risk there
// (the actuarial estimate).
func (h *Histogram) Quantile(q float64) time.Duration {
	if len(h.released.n) == 0 {
		return 0
	}
	const rounding = 1e-6 // of float32 counts that add up to one
	target := 1 - within(q, 0, 1) + rounding
	from, to := h.span()
	atRisk, survival, last := h.total, 1.0, 0
	for b := from; b < to; b++ {
		d, m := float64(h.released.at(b)), float64(h.censored.at(b))
		if d > 0 {
			last = b
			survival *= 1 - d/max(atRisk-m/2, d)
			if survival <= target {
				return middle(b)
			}
		}
		atRisk -= d + m
	}
	return middle(last)
}

// Bar is a bucket that is not empty.
type Bar struct {
	From, To           time.Duration // the last one goes on for ever
	Released, Censored float64       // shares of all observations
}

// Bars yields the buckets that are not empty, the shortest times first; none if h is nil.
func (h *Histogram) Bars() iter.Seq[Bar] {
	return func(yield func(Bar) bool) {
		if h == nil || h.total == 0 {
			return
		}
		from, to := h.span()
		for b := from; b < to; b++ {
			bar := Bar{edge(b), edge(b + 1), float64(h.released.at(b)) / h.total, float64(h.censored.at(b)) / h.total}
			if bar.Released+bar.Censored > 0 && !yield(bar) {
				return
			}
		}
	}
}

// span is the range of buckets that may not be empty.
func (h *Histogram) span() (from, to int) {
	r, c := &h.released, &h.censored
	switch {
	case len(c.n) == 0:
		return r.from, r.from + len(r.n)
	case len(r.n) == 0:
		return c.from, c.from + len(c.n)
	}
	return min(r.from, c.from), max(r.from+len(r.n), c.from+len(c.n))
}

// counts are the buckets of whole octaves, from the first to the last that occurred.
type counts struct {
	from int // bucket of n[0]
	n    []float32
}

func (c *counts) at(b int) float32 {
	if i := b - c.from; uint(i) < uint(len(c.n)) {
		return c.n[i]
	}
	return 0
}

func (c *counts) add(b int, n float32) {
	if uint(b-c.from) >= uint(len(c.n)) {
		c.cover(b, b+1)
	}
	c.n[b-c.from] += n
}

// cover widens the range to whole octaves that include the buckets [from, to).
func (c *counts) cover(from, to int) {
	if len(c.n) > 0 {
		from, to = min(from, c.from), max(to, c.from+len(c.n))
	}
	from, to = from&^(perOctave-1), (to+perOctave-1)&^(perOctave-1)
	if from == c.from && to == c.from+len(c.n) {
		return
	}
	n := make([]float32, to-from)
	if len(c.n) > 0 {
		copy(n[c.from-from:], c.n)
	}
	c.from, c.n = from, n
}

func (c *counts) merge(o *counts, factor float32) {
	if len(o.n) == 0 {
		return
	}
	c.cover(o.from, o.from+len(o.n))
	for i, n := range o.n {
		c.n[o.from-c.from+i] += n * factor
	}
}

// subtract takes away what o counted, times factor, but leaves no count below 0.
func (c *counts) subtract(o *counts, factor float32) {
	for i := range c.n {
		c.n[i] = max(c.n[i]-factor*o.at(c.from+i), 0)
	}
}

func (c *counts) scale(factor float32) {
	for i := range c.n {
		c.n[i] *= factor
	}
}
