package cache

import (
	"math"
	"time"
)

// early decides whether a reader refreshes a value before its time is over, so
// that it never is over for everybody at once. It is XFetch, of A. Vattani,
// F. Chierichetti and K. Lowenstein, "Optimal Probabilistic Cache Stampede
// Prevention" (VLDB 2015): the chance grows as the end comes near, and begins to
// grow sooner the longer computing takes. random is from 0 to 1, without 1; the
// larger beta, the earlier, and without it nobody is early.
func (e *envelope) early(beta, random float64, now time.Time) bool {
	if beta <= 0 {
		return false
	}
	ahead := -math.Log(1-random) * beta * float64(e.computed)
	return float64(e.freshUntil.Sub(now)) <= ahead
}
