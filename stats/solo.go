package stats

import "time"

// Solo is how long a client should wait before it asks again, if it must choose for itself
// because it talks to a plain memcached. It depends on the mean and deviation of the hold
// time, the age of the present hold, and the number of waiters, this client included. All
// of them together make at most rate tries a second at the lock; 0 is no limit. The random
// number, from 0 to 1, spreads the waiters.
//
// It is the rule of Hazard.Gap on a lognormal law, at a price of half a mean hold times the
// number of waiters: each of n clients that ask at random asks 1/n as often as one alone.
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
