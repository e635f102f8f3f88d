package stats

import (
	"math"
	"time"
)

// Pseudo-observations: how much is believed before, or beside, what was observed.
const (
	shrinkage       = 8   // of the class, for the law of a key
	lognormalWeight = 16  // of a lognormal law with the moments observed
	unknownWeight   = 0.5 // of the law of a lock of which nothing is known

	// fewExpiries is how many holds count for half as many, if they expired after the
	// longest that was seen to end.
	fewExpiries = 4

	shortest = time.Millisecond // of a lock of which nothing is known
	longest  = time.Minute
)

// sample is a law in the making: how much was observed, or is believed, to end and
// to be censored in each bucket, and how much is believed to last past the horizon.
type sample struct {
	ended, censored [buckets]float64
	beyond          float64
}

// observe adds what h observed, times factor.
func (s *sample) observe(h *Histogram, factor float64) {
	for i, n := range h.released.n {
		s.ended[h.released.from+i] += float64(n) * factor
	}
	for i, n := range h.censored.n {
		s.censored[h.censored.from+i] += float64(n) * factor
	}
}

// unknown is the law of a lock of which nothing is known: its logarithm is uniform from
// shortest to longest, so every order of magnitude is equally likely. Beyond longest it has
// a tail on which the chance to last t falls like 1/t, so that the hazard stays 1/t and no
// wall is put where nobody saw one.
var unknown = func() (s sample) {
	span := math.Log(float64(longest) / float64(shortest))
	lasts := func(t time.Duration) float64 {
		switch {
		case t <= shortest:
			return 1
		case t <= longest:
			return (1 + math.Log(float64(longest)/float64(t))) / (1 + span)
		}
		return float64(longest) / float64(t) / (1 + span)
	}
	for b := range buckets {
		s.ended[b] = unknownWeight * (lasts(edge(b)) - lasts(edge(b+1)))
	}
	s.beyond = unknownWeight * lasts(horizon)
	return s
}()

// believeUnknown adds the law of a lock of which nothing is known.
func (s *sample) believeUnknown() {
	for b := range s.ended {
		s.ended[b] += unknown.ended[b]
	}
	s.beyond += unknown.beyond
}

// believeLognormal adds a lognormal law with the mean and deviation of hold, which fills
// the holes that a small sample leaves. It is lognormal because that law exists for every
// deviation and its hazard falls in the tail; the truncated normal, of maximum entropy, has
// no solution for a deviation above the mean, and its hazard grows.
func (s *sample) believeLognormal(hold *Moments) {
	w := hold.Weight()
	if !(hold.Mean() > 0) {
		return
	}
	// So few observations say little about the deviation: for one observation it is taken
	// to be the mean, as for a memoryless hold.
	variation := math.Hypot(hold.Stddev()/hold.Mean(), 1/w)
	law := newLognormal(hold.Mean()*s.stretch(), variation)
	weight := min(lognormalWeight, w)
	before := 1.0
	for b := range buckets {
		after := law.survivalLog(logEdges[b+1])
		s.ended[b] += weight * (before - after)
		before = after
	}
	s.beyond += weight * before
}

// doubtExpiries gives holds that expired after the longest that was seen to end less
// weight, if they are few. Many of them show that holders die, and that a check before the
// lease ends is useless. One may be an accident, and must not make a heavy tail of a small
// sample.
func (s *sample) doubtExpiries() {
	last, expired := s.last(), 0.0
	for _, n := range s.censored[last:] {
		expired += n
	}
	for b := last; b < buckets; b++ {
		s.censored[b] *= expired / (expired + fewExpiries)
	}
}

// stretch is the factor by which holds are longer than those that were seen to end:
// exposure, censored holds included, over occurrence gives the mean of a memoryless law
// under censoring, and moves others in the right direction.
//
// Exposure counts up to the longest hold that was seen to end. A hold that expired long
// after that was probably left by a holder that had died, and says nothing about how long
// living holders take.
func (s *sample) stretch() float64 {
	last := max(s.last()-1, 0)
	var ended, censored float64
	for b := range buckets {
		if s.ended[b]+s.censored[b] > 0 {
			ended += float64(middle(b)) * s.ended[b]
			censored += float64(middle(min(b, last))) * s.censored[b]
		}
	}
	if !(ended > 0) {
		return 1
	}
	return 1 + censored/ended
}

// last is the bucket after the last in which something ended, 0 if there is none.
func (s *sample) last() int {
	b := buckets
	for b > 0 && s.ended[b-1] == 0 {
		b--
	}
	return b
}

// logEdges are the logarithms of the edges in nanoseconds.
var logEdges = func() (l [buckets + 1]float64) {
	for b := range l {
		l[b] = math.Log(float64(edge(b)))
	}
	return l
}()

// lognormal is a law whose logarithm is normal.
type lognormal struct {
	median float64 // logarithm of nanoseconds
	spread float64 // deviation of the logarithm
}

// newLognormal returns the law with that mean in nanoseconds and that coefficient of
// variation (deviation over mean): spread^2 = ln(1+cv^2), median = ln mean - spread^2/2.
func newLognormal(mean, variation float64) lognormal {
	const narrowest = 1e-3 // a constant would have an infinite hazard
	v := math.Log1p(math.Pow(max(variation, narrowest), 2))
	return lognormal{median: math.Log(mean) - v/2, spread: math.Sqrt(v)}
}

// survivalLog is the chance to exceed a time whose logarithm is given.
func (l lognormal) survivalLog(log float64) float64 {
	z := (log - l.median) / (l.spread * math.Sqrt2)
	switch {
	case z < -6: // 1 - 2e-17
		return 1
	case z > 6:
		return 0
	}
	return math.Erfc(z) / 2
}

// cumulativeHazard is -ln of the chance to exceed t nanoseconds, even where that chance is
// too small for a float64.
func (l lognormal) cumulativeHazard(t float64) float64 {
	if t <= 0 {
		return 0
	}
	z := (math.Log(t) - l.median) / (l.spread * math.Sqrt2)
	if z < 5 {
		return -math.Log(math.Erfc(z) / 2)
	}
	// erfc(z) ~ exp(-z^2) / (z sqrt(pi)) * (1 - 1/(2 z^2)): Abramowitz and Stegun 7.1.23.
	return z*z + math.Log(2*z*math.Sqrt(math.Pi)) - math.Log1p(-1/(2*z*z))
}
