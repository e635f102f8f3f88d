package stats

import (
	"math/bits"
	"time"
)

// Durations are sorted into buckets that double in width with every octave:
// sixteen of 1 us each, and from 16 us on sixteen an octave. That is the indexing
// of G. Tene's HdrHistogram, and to a logarithm's precision that of DDSketch
// (Masson, Rim, Lee 2019), but it takes two shifts where those take a logarithm.
//
// A bucket is at most 1/16 of its lower edge wide, so its middle is within 3.2 %
// of everything in it, or within 0.5 us where that is more.
const (
	perOctave = 1 << octaveBits // buckets an octave
	buckets   = 464             // 28 octaves above the first 16 us

	octaveBits = 4
)

// horizon is the upper edge of the last bucket: 2^32 us, just under 72 minutes.
const horizon = time.Duration(1<<32) * time.Microsecond

// bucketOf is the bucket in which x is counted, from 0 to buckets-1. The first and the last
// one also count what is shorter or longer than the buckets reach.
func bucketOf(x time.Duration) int {
	if x < 0 {
		return 0
	}
	us := min(uint64(x/time.Microsecond), 1<<32-1)
	octave := max(bits.Len64(us)-octaveBits-1, 0)
	return octave<<octaveBits + int(us>>octave)
}

// bucketAt is bucketOf with the bucket's lower edge and its width, for x from 0 up to the horizon.
func bucketAt(x time.Duration) (b int, from, width time.Duration) {
	us := uint64(x / time.Microsecond)
	octave := max(bits.Len64(us)-octaveBits-1, 0)
	us >>= octave
	return octave<<octaveBits + int(us), time.Duration(us<<octave) * time.Microsecond, time.Microsecond << octave
}

// edge is the lower edge of bucket b, and for b = buckets the horizon.
func edge(b int) time.Duration {
	octave := max(b>>octaveBits-1, 0)
	return time.Duration(uint64(b-octave<<octaveBits)<<octave) * time.Microsecond
}

// middle is the middle of bucket b.
func middle(b int) time.Duration {
	return (edge(b) + edge(b+1)) / 2
}
