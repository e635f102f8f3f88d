package stats

import (
	"math"
	"time"
	"unsafe"
)

// Hazard is the law of hold times in the form that advice needs: the cumulative
// hazard H(t) = -ln P(a hold exceeds t). The chance that a hold of age a lasts
// another g is exp(H(a)-H(a+g)), so the age needs no further care.
//
// The zero value, as well as a nil Hazard, is the law of a lock of which nothing is
// known. A rebuilt one takes 1.9 kB.
type Hazard struct {
	table  *cumulative // nil: the law of a lock of which nothing is known
	seen   uint64      // observations at the last Rebuild
	last   int         // the bucket after the longest hold that was seen to end; 0: no hold was
	smooth bool
}

// cumulative is the cumulative hazard at the edges of the buckets. It is linear in
// between: G. Rodriguez, "The piece-wise exponential model" (Princeton lecture
// notes on generalized linear models, 7.4).
type cumulative [buckets + 1]float32

// HazardBytes is what a Hazard takes in memory, in bytes, once it was built.
const HazardBytes = int64(unsafe.Sizeof(Hazard{}) + unsafe.Sizeof(cumulative{}))

var unknownTable = func() (t cumulative) {
	unknown.integrate(&t)
	return t
}()

// A law is rebuilt for every observation of the first few, and later for several
// at a time: a rebuild costs as much as twenty pieces of advice.
const fewObservations = 32

// Stale tells whether the histograms have observed enough since the last Rebuild to do it
// again. If there is one for the key, it looks at that alone.
func (h *Hazard) Stale(key, class *Histogram) bool {
	n := observations(key, class)
	if n < fewObservations {
		return n != h.seen
	}
	return n-h.seen >= fewObservations // also if it was reset, and n is the smaller
}

func observations(key, class *Histogram) uint64 {
	if key != nil {
		return key.Count()
	}
	return class.Count()
}

// Rebuild derives the law from what was observed. Beside the observations of the key, those
// of the class count for at most eight, or in full if key is nil. Either may be nil; key
// should be nil until it has eight observations of its own, and these should not be among
// those of the class: see Share.
//
// The moments, of key or class, give a lognormal law that counts for at most sixteen
// further observations. It is left out if hold is nil, or if the holds clearly have two
// modes: it would fill the hole between them.
func (h *Hazard) Rebuild(key, class *Histogram, hold *Moments) {
	var s sample
	if key == nil {
		key, class = class, nil
	}
	if key != nil && key.total > 0 {
		s.observe(key, 1/key.unit)
	}
	if class != nil && class.total > 0 {
		s.observe(class, min(1/class.unit, shrinkage/class.total))
	}
	h.seen, h.last = observations(key, class), s.last()
	s.doubtExpiries()
	smoothness := s.smoothness()
	h.smooth = smoothness >= smoothFrom
	if hold != nil && (smoothness == 0 || smoothness > twoModes) {
		s.believeLognormal(hold)
	}
	s.believeUnknown()
	if h.table == nil {
		h.table = new(cumulative)
	}
	s.integrate(h.table)
}

// integrate sums up the hazard: occurrence over exposure in each bucket, where
// what is censored within the bucket is taken as exposed for half of it.
func (s *sample) integrate(t *cumulative) {
	const certain = 1 - 1e-9 // only rounding errors come near it
	atRisk := s.beyond
	for b := buckets - 1; b >= 0; b-- {
		atRisk += s.ended[b] + s.censored[b]
		t[b+1] = 0
		if s.ended[b] > 0 {
			p := s.ended[b] / (atRisk - s.censored[b]/2)
			t[b+1] = float32(-math.Log1p(-min(p, certain)))
		}
	}
	sum := 0.0
	for b := range t {
		sum += float64(t[b])
		t[b] = float32(sum)
	}
}

func (h *Hazard) cumulative() *cumulative {
	if h == nil || h.table == nil {
		return &unknownTable
	}
	return h.table
}

// At is H(t), the cumulative hazard: 0 for t <= 0, never falling, and constant from
// 72 minutes on.
func (h *Hazard) At(t time.Duration) float64 { return h.cumulative().at(t) }

func (c *cumulative) at(t time.Duration) float64 {
	if t <= 0 {
		return 0
	}
	if t >= horizon {
		return float64(c[buckets])
	}
	b, from, width := bucketAt(t)
	part := float64(t-from) / float64(width)
	return float64(c[b]) + part*float64(c[b+1]-c[b])
}

// lastEvent is the longest hold that was seen to end, or a little more; 0 if none was.
func (h *Hazard) lastEvent() time.Duration {
	if h == nil {
		return 0
	}
	return edge(h.last)
}

// Survival is the chance that a hold exceeds t.
func (h *Hazard) Survival(t time.Duration) float64 { return math.Exp(-h.At(t)) }

// Residual is the time within which a hold of that age ends with probability q, the median
// if q is 0.5: H(age+r) - H(age) = -ln(1-q). It does not go beyond the horizon.
func (h *Hazard) Residual(age time.Duration, q float64) time.Duration {
	age = min(max(age, 0), horizon)
	c := h.cumulative()
	goal := c.at(age) - math.Log1p(-within(q, 0, 1))
	b := bucketOf(age)
	for above := buckets; b < above; { // the first bucket at whose end the goal is reached
		mid := (b + above) / 2
		if float64(c[mid+1]) >= goal {
			above = mid
		} else {
			b = mid + 1
		}
	}
	if b == buckets {
		return horizon - age
	}
	from, to := edge(b), edge(b+1)
	part := (goal - float64(c[b])) / float64(c[b+1]-c[b])
	return max(from+time.Duration(within(part, 0, 1)*float64(to-from))-age, 0)
}

// Smooth tells whether ranked advice can rely on the observed holds: most last about
// equally long, rather than a few very much longer. It is false until at least 32 have
// ended. It compares two widths of the law, J >= 0.7 standard deviations, where
//
//	J = (integral of sqrt(density * survival))^2
//
// bounds what polling can reach (tries times idle time is at least J/2, by Keller's
// density of checks and Cauchy-Schwarz) and ignores how far apart the parts of a law
// lie, unlike the deviation. J is 1.9 deviations for a normal law, 1.6 for a lognormal
// with cv 0.35, 1 for the exponential, but 0.2 to 0.6 in samples of a Pareto law
// without a variance, and 0.03 for two modes a hundred times apart.
func (h *Hazard) Smooth() bool { return h != nil && h.smooth }

const (
	smoothFrom    = 0.7
	twoModes      = 0.1
	smoothAtLeast = 32 // observations
)

// smoothness is J in standard deviations, of the releases alone, and 0 if there are too few
// to tell.
func (s *sample) smoothness() float64 {
	const coarse = 4 // buckets taken together, lest a small sample look ragged
	total := 0.0
	for _, n := range s.ended {
		total += n
	}
	if total < smoothAtLeast {
		return 0
	}
	root, mean, square, survival := 0.0, 0.0, 0.0, 1.0
	for b := 0; b < buckets; b += coarse {
		p := (s.ended[b] + s.ended[b+1] + s.ended[b+2] + s.ended[b+3]) / total
		if p == 0 {
			continue
		}
		from, to := float64(edge(b)), float64(edge(b+coarse))
		root += math.Sqrt(p * max(survival-p/2, 0) * (to - from))
		mean += p * (from + to) / 2
		square += p * (from*from + from*to + to*to) / 3
		survival -= p
	}
	return root * root / math.Sqrt(square-mean*mean)
}
