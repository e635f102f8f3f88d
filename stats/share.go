package stats

import (
	"math"
	"time"
)

// Share is how much of a Histogram, the whole, comes from one source, such as one of the
// locks of a class. It tells what the others observed: see Others. The zero value is ready
// for use.
//
// The source's own Histogram cannot tell: there an observation fades with further ones of the
// source, but in the whole with further ones of all sources.
type Share struct {
	whole    *Histogram // nil until there is an observation
	weight   float64    // in the units of the whole
	rescaled float64    // Histogram.rescaled of the whole, for those units
}

// Add records an observation in the whole, as one of the source. If s is nil, the source
// has no Share. A Share of another whole begins anew.
func (s *Share) Add(whole *Histogram, x time.Duration) {
	whole.Add(x)
	s.grow(whole)
}

// Censor is Add for an observation known only to be at least x long.
func (s *Share) Censor(whole *Histogram, x time.Duration) {
	whole.Censor(x)
	s.grow(whole)
}

// grow counts the latest observation of the whole.
func (s *Share) grow(whole *Histogram) {
	if s != nil {
		s.follow(whole)
		s.weight += whole.unit
	}
}

// follow brings the weight into the units of the whole.
func (s *Share) follow(whole *Histogram) {
	if s.whole != whole {
		*s = Share{whole: whole, rescaled: whole.rescaled}
	}
	if s.rescaled != whole.rescaled {
		s.weight *= math.Exp(s.rescaled - whole.rescaled)
		s.rescaled = whole.rescaled
	}
}

// Others returns what the other sources observed of the whole. own is what this one has
// observed since the Share began; what the whole has of it is taken to be distributed in the
// same way. To know that exactly would take as much memory as own does.
func (s *Share) Others(whole, own *Histogram) *Histogram {
	s.follow(whole)
	others := whole.Clone()
	if own.total > 0 {
		factor := float32(s.weight / own.total)
		others.released.subtract(&own.released, factor)
		others.censored.subtract(&own.censored, factor)
		others.total = others.released.sum() + others.censored.sum()
	}
	return others
}
