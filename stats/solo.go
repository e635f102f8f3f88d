package stats

import "time"

// Solo is when to ask again for a client that must choose for itself, because it
// talks to a plain memcached: how long after now, given mean and deviation of the
// hold time, the age of the present hold, and how many wait, this client included.
// At most rate tries a second are made at the lock by all of them; 0 is no limit.
// The random number, from 0 to 1, spreads the waiters.
//
// It is the rule of Hazard.Gap on a lognormal law, at the price of this client's share
// of the tries: half a mean hold, times the waiters, since of n that ask at random
// each asks n times as seldom as one.
func Solo(mean, stddev, age time.Duration, waiters int, rate, random float64) time.Duration {
	n := float64(min(max(waiters, 1), maxPromises))
	mu := max(float64(min(mean, horizon)), float64(soonest))
	law := newLognormal(mu, max(float64(stddev), 0)/mu)
	gap := law.gap(float64(clamp(age, 0, oldest)), kappa*mu*n)
	gap = max(gap, n*mu/perHold)
	if rate > 0 {
		gap = max(gap, n/rate*float64(time.Second))
	}
	if n > 1 {
		gap *= 0.5 + within(random, 0, 1)
	}
	return time.Duration(within(gap, float64(soonest), float64(horizon)))
}

// gap solves g * psi(H(age+g)-H(age)) = price by bisection, in nanoseconds. The
// root may lie up to the horizon.
func (l lognormal) gap(age, price float64) float64 {
	base := l.cumulativeHazard(age)
	lo, hi := 0.0, float64(horizon)
	for range 40 { // to 4 ns
		g := (lo + hi) / 2
		if g*psi(max(l.cumulativeHazard(age+g)-base, 0)) >= price {
			hi = g
		} else {
			lo = g
		}
	}
	return hi
}
