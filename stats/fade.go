package stats

import (
	"math"
	"time"
)

// fadeHalfLife is the time after which an observation weighs half as much even if none
// followed: what a lock did this morning says little about a night job.
const fadeHalfLife = time.Hour

// FadeFactor is the share of their weight that observations keep after a time without new
// ones, for Fade: 2^(-elapsed/1h), and 1 if no time elapsed or the clock went backwards.
func FadeFactor(elapsed time.Duration) float64 {
	if elapsed <= 0 {
		return 1
	}
	return math.Exp2(-float64(elapsed) / float64(fadeHalfLife))
}

// fading is the factor to apply to observations of that weight: at most 1, 1 if factor is
// not a number, and not so small that they would vanish altogether.
func fading(factor, weight float64) float64 {
	if !(factor < 1) || weight <= leastWeight {
		return 1
	}
	return max(factor, leastWeight/weight)
}

// within is x limited to lo..hi, and lo if x is not a number.
func within(x, lo, hi float64) float64 {
	if !(x > lo) {
		return lo
	}
	return min(x, hi)
}
