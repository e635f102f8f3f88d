package main

import (
	"math"
	"time"
)

// The rules of clients that know only that the lock is held.

const (
	base      = 100 * time.Millisecond
	jitterCap = 10 * time.Second
)

// doubling waits 100, 200, 400 ms and so on, up to limit if that is not 0.
func doubling(limit time.Duration) func(*refusal) time.Duration {
	if limit == 0 {
		limit = 1000 * time.Hour
	}
	return func(r *refusal) time.Duration { return min(doubled(r.nth), limit) }
}

// doubled is base for the first refusal, and twice as much for each further one.
func doubled(nth int) time.Duration { return base << min(nth-1, 30) }

// fullJitter and decorrelated are from M. Brooker, "Exponential Backoff And
// Jitter", AWS Architecture Blog (2015).
func fullJitter(r *refusal) time.Duration {
	return time.Duration(r.rand.Float64() * float64(min(doubled(r.nth), jitterCap)))
}

func decorrelated(r *refusal) time.Duration {
	last := max(r.last, base)
	return min(base+time.Duration(r.rand.Float64()*float64(3*last-base)), jitterCap)
}

// dogpile is what MemcachedLock.acquire of dogpile.cache does.
func dogpile(r *refusal) time.Duration {
	i := min(r.nth-1, 15)
	s := (float64(i+1)*r.rand.Float64() + math.Exp2(float64(i))) / 2.5
	return time.Duration(s * float64(time.Second))
}
