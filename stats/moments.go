package stats

import (
	"math"
	"time"
)

// HalfLife is the number of further observations after which one weighs half as much: long
// enough for a steady tail, short enough to follow a change of hold times within a few
// hundred holds.
const HalfLife = 128

// decay is what one further observation leaves of a weight: 2^(-1/HalfLife).
const decay = 0.99459942348363317565

// Moments is a running count, mean, variance, minimum and maximum. In mean and
// variance recent observations weigh more, with a half-life of HalfLife
// observations; count, minimum and maximum are of all observations ever.
// The zero value is empty and ready for use.
type Moments struct {
	count    uint64
	weight   float64 // sum of the weights; the latest observation weighs 1
	weight2  float64 // sum of the squared weights
	mean     float64 // nanoseconds
	m2       float64 // weighted sum of squared deviations from the mean
	min, max time.Duration
}

// Add records an observation.
//
// Weighted mean and variance in one pass: T. Finch, "Incremental calculation of
// weighted mean and variance" (2009). Deviations are taken from the mean, so
// nothing cancels when they are small beside it, and the new mean lies between
// the old one and x, so what is added to m2 is never negative.
func (m *Moments) Add(x time.Duration) {
	if m.count == 0 {
		m.min, m.max = x, x
	}
	m.count++
	m.min, m.max = min(m.min, x), max(m.max, x)

	m.weight = decay*m.weight + 1
	m.weight2 = decay*decay*m.weight2 + 1
	d := float64(x) - m.mean
	m.mean += d / m.weight
	m.m2 = decay*m.m2 + d*(float64(x)-m.mean)
}

// Fade multiplies the weights of all observations so far by factor, from 0 to 1.
// It is the decay by time, see FadeFactor. Mean and deviation stay what they are,
// but the next observation moves them further.
func (m *Moments) Fade(factor float64) {
	factor = fading(factor, m.weight)
	m.weight *= factor
	m.weight2 *= factor * factor
	m.m2 *= factor
}

// Merge adds what o observed, as when the shards of a class are summed up. The
// latest observations of both are taken to be equally recent.
//
// T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise
// algorithm for computing sample variances" (1979), with weights for counts.
func (m *Moments) Merge(o *Moments) {
	if o.count == 0 {
		return
	}
	if m.count == 0 {
		*m = *o
		return
	}
	d := o.mean - m.mean
	weight := m.weight + o.weight
	*m = Moments{
		count:   m.count + o.count,
		weight:  weight,
		weight2: m.weight2 + o.weight2,
		mean:    m.mean + d*(o.weight/weight),
		m2:      m.m2 + o.m2 + d*d*(m.weight*o.weight/weight),
		min:     min(m.min, o.min),
		max:     max(m.max, o.max),
	}
}

// Count is the number of observations, old ones counting in full.
func (m *Moments) Count() uint64 { return m.count }

// Weight is the decayed number of observations that mean and deviation rest on: at
// most 185, since older ones have decayed. Merged Moments add up.
func (m *Moments) Weight() float64 { return m.weight }

// Mean is the weighted mean in nanoseconds, 0 when there is no observation.
func (m *Moments) Mean() float64 { return m.mean }

// Stddev is the weighted sample standard deviation in nanoseconds, 0 when there
// are fewer than two observations.
//
// The weights say how far an observation is to be trusted, not how often it was made, so
// the unbiased divisor is W - W2/W; with equal weights that is n-1.
func (m *Moments) Stddev() float64 {
	if m.count < 2 {
		return 0
	}
	return math.Sqrt(m.m2 / (m.weight - m.weight2/m.weight))
}

// Min is the shortest observation ever, 0 when there is none.
func (m *Moments) Min() time.Duration { return m.min }

// Max is the longest observation ever, 0 when there is none.
func (m *Moments) Max() time.Duration { return m.max }
