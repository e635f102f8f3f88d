package stats

import (
	"math"
	"time"
)

// Scene is what advice depends on at one moment. Times are on the caller's clock, whatever
// its zero. Any value is safe: one that makes no sense counts as unknown.
type Scene struct {
	Now     time.Duration
	Since   time.Duration // when the present hold was granted
	Expires time.Duration // when its lease ends; <= 0: never

	Law    *Hazard       // nil: nothing known
	Mean   float64       // mean hold time in nanoseconds, of the key or its class
	Weight float64       // how many observations that rests on
	Cycle  time.Duration // mean time from grant to grant while contended; 0: unknown

	// Spacing is the least time between two tries at this lock; 0: none. Slots respect it,
	// except for the check at the end of the lease; ranked advice respects it on average.
	Spacing  time.Duration
	Overload float64       // factor on prices for the load of the whole server; below 1: 1
	Max      time.Duration // longest advice; 0: a minute

	Queued int     // waiters that will be handed the lock before anybody who polls
	Absent float64 // share of promises not kept, from 0 to 1; matters to ranked advice
}

const (
	// kappa is the price of a try, in mean holds of idle time divided by the number of
	// waiters: idle time hurts them all, a try costs one.
	kappa = 0.5
	// rankedKappa is kappa for ranked advice, whose order costs some idle time.
	rankedKappa = 0.25
	// perHold is how many tries are planned for a mean hold at most.
	perHold = 8
	// ageShare keeps the price in proportion to the age of a hold that is older than
	// everything seen, so that tries grow with the logarithm of its age.
	ageShare = 16
	// unknownMean is the hold time assumed where nothing is known. It counts as one
	// observation; if the age of the present hold is longer, that counts instead.
	unknownMean = 25 * time.Millisecond
	// longestGap is the longest time between two checks of a hold, unless holds are
	// so long that half a mean hold is more: laws may change.
	longestGap = 5 * time.Second

	soonest    = time.Millisecond
	defaultMax = time.Minute
	farthest   = time.Duration(math.MaxInt64 / 4) // keeps sums of two from overflowing
)

// view is a Scene brought within bounds, for n waiters.
type view struct {
	Scene
	age     time.Duration // of the present hold
	hazard  float64       // the cumulative hazard at that age
	mean    time.Duration // of holds, the present one included
	price   time.Duration // of one try, in idle time
	least   time.Duration // between two tries
	longest time.Duration // between two checks of this hold
	far     time.Duration // between two tries after this hold
	latest  time.Duration // Now + Max
}

func (s *Scene) view(n int, kappa float64) view {
	v := view{Scene: *s}
	v.Now = clamp(s.Now, -farthest, farthest)
	v.Since = clamp(s.Since, -farthest, farthest)
	v.Expires = min(s.Expires, 2*farthest)
	v.Spacing = clamp(s.Spacing, 0, s.max())
	v.Queued = min(max(s.Queued, 0), maxPromises)
	v.latest = v.Now + s.max()
	v.age = clamp(v.Now-v.Since, 0, oldest)
	v.hazard = v.Law.At(v.age)

	weight := within(s.Weight, 0, math.MaxUint32)
	mean := within(s.Mean, 0, float64(horizon))
	overload := within(s.Overload, 1, 1e6)
	itself := max(unknownMean, v.age)
	mean = (weight*mean + float64(itself)) / (weight + 1)
	price := kappa * max(mean, float64(v.age)/ageShare) / float64(n) * overload
	cycle := float64(s.Cycle)
	if s.Cycle <= 0 {
		cycle = mean
	}

	v.mean = time.Duration(mean)
	v.price = time.Duration(max(price, float64(time.Microsecond)))
	v.least = v.spacing(mean / perHold * math.Sqrt(overload))
	v.longest = max(longestGap, v.mean/2, v.least)
	v.far = clamp(v.spacing(math.Sqrt(2*float64(v.price)*cycle)), v.least, v.longest)
	return v
}

// max is how far ahead advice may lie.
func (s *Scene) max() time.Duration {
	if s.Max <= 0 {
		return defaultMax
	}
	return clamp(s.Max, soonest, farthest)
}

// spacing is ns as the time between two tries: at least Spacing, at most Max.
func (s *Scene) spacing(ns float64) time.Duration {
	return clamp(time.Duration(min(ns, float64(farthest))), s.Spacing, s.max())
}

func clamp(x, lo, hi time.Duration) time.Duration { return min(max(x, lo), hi) }

// NextCycle returns the mean time from grant to grant, so far cycle, after one more of
// length last: an exponential mean in which the latest counts for 1/64. The first counts in
// full.
func NextCycle(cycle, last time.Duration) time.Duration {
	if cycle <= 0 {
		return max(last, 0)
	}
	return cycle + (max(last, 0)-cycle)/64
}

// RetryMs returns the advice to come back at that time as a number of milliseconds from
// now: rounded up, so that the client is not early, but from 1 to limit, or to a minute if
// limit is 0 or less.
func RetryMs(now, at, limit time.Duration) int64 {
	if limit <= 0 {
		limit = defaultMax
	}
	if at <= now {
		return 1
	}
	ns := uint64(at - now) // right even where the difference overflows an int64
	ms := ns / uint64(time.Millisecond)
	if ns%uint64(time.Millisecond) > 0 {
		ms++
	}
	return int64(min(ms, uint64(max(limit, soonest)/time.Millisecond)))
}
