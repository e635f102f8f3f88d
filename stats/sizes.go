package stats

import "iter"

// Sizes counts numbers by fixed bounds, as Tally does durations. The zero value is empty and
// ready for use.
type Sizes struct {
	counts [len(sizeBounds) + 1]uint64 // the last counts what is larger than all bounds
	sum    uint64
}

// sizeBounds are inclusive.
var sizeBounds = [...]int{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000}

// Add counts n.
func (s *Sizes) Add(n int) {
	i := 0
	for i < len(sizeBounds) && n > sizeBounds[i] {
		i++
	}
	s.counts[i]++
	s.sum += uint64(n)
}

// Count is how many numbers there are.
func (s *Sizes) Count() (n uint64) {
	for _, count := range s.counts {
		n += count
	}
	return n
}

// Sum is the sum of all numbers.
func (s *Sizes) Sum() uint64 { return s.sum }

// UpTo iterates over the bounds, each with how many numbers are no larger.
func (s *Sizes) UpTo() iter.Seq2[int, uint64] {
	return func(yield func(int, uint64) bool) {
		n := uint64(0)
		for i, bound := range sizeBounds {
			if n += s.counts[i]; !yield(bound, n) {
				return
			}
		}
	}
}
