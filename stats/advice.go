package stats

import (
	"math"
	"time"
)

const (
	// doubt is the chance of the present hold outlasting the checks planned for it. Once it
	// is as low as this, further waiters are told to come after the hold.
	doubt = 0.15
	// slack is the share of a gap by which a promise may come late and still cover it.
	slack = 0.35
	// maxAbsent is the share of broken promises beyond which ranks are not used: they would
	// only keep places free for waiters that do not come.
	maxAbsent = 0.1
	// plateau limits a gap between two checks of a hold. If it is more than plateau times
	// what the long-run rate of releases asks for, it is cut to what that rate asks for.
	plateau = 3
	// maxPlanned is how many checks of one hold are planned ahead. The limit keeps advice
	// cheap when many wait for a hold that lasts longer than any before.
	maxPlanned = 64
	// expiryCheck is how long after the end of a lease a waiter checks the lock.
	expiryCheck = time.Millisecond
)

// Advise returns when a waiter that was refused the lock should ask again, from a
// millisecond after Now to Max after it, and remembers that time as promised. A caller that
// passes it on may round it up to a millisecond.
//
// It is the first due check of the present hold, see Hazard.Gap, that nobody covers. If the
// promises cover the hold for as long as it is likely to last, it is a time after all of
// them. A waiter is told to sleep past the end of the lease only if another one checks just
// after it.
func (p *Promises) Advise(s *Scene) (at time.Duration) {
	return p.promise(p.slot(s, kappa))
}

// Peek is what Advise would say, without a promise.
func (p *Promises) Peek(s *Scene) (at time.Duration) {
	at, _ = p.slot(s, kappa)
	return at
}

// AdviseRank is Advise for a waiter with a rank: rank others have waited for longer. Later
// waiters ask less often, so that the earlier ones mostly win. The first two are advised as
// by Advise, but at a lower price of a try. Ranks are ignored where they do harm: when
// holds are not Smooth, when many promises are broken, or when there is a queue.
func (p *Promises) AdviseRank(s *Scene, rank int) (at time.Duration) {
	return p.promise(p.place(s, rank))
}

// PeekRank is what AdviseRank would say, without a promise.
func (p *Promises) PeekRank(s *Scene, rank int) (at time.Duration) {
	at, _ = p.place(s, rank)
	return at
}

// promise remembers a time, and the latest time given out after this hold.
func (p *Promises) promise(at, tail time.Duration) time.Duration {
	p.insert(at)
	p.tail = tail
	p.made++
	return at
}

// slot is the next time that nobody covers, and what the tail becomes if that is promised.
func (p *Promises) slot(s *Scene, kappa float64) (at, tail time.Duration) {
	v := p.view(s, kappa)
	wish, found := v.Now, false
	if v.Queued == 0 {
		wish, found = p.near(&v)
	}
	if !found {
		wish = p.behind(&v, wish)
	}
	at = p.settle(&v, wish)
	if found || at != wish {
		return at, p.tail
	}
	return at, at
}

// view prunes the promises, and views the scene for as many waiters as remain and one more.
func (p *Promises) view(s *Scene, kappa float64) view {
	now := clamp(s.Now, -farthest, farthest)
	p.prune(now+soonest, now+s.max())
	return s.view(p.Len()+1, kappa)
}

// near is the first check of the present hold that nobody covers or, if there is none, the
// last covered one before the hold has probably ended.
func (p *Promises) near(v *view) (at time.Duration, found bool) {
	pending, goal, least := p.pending(), v.hazard+likely, v.reach(v.least)
	at, hazard := v.Now, v.hazard
	next := 0 // the first promise after at, or one for the same time
	for range maxPlanned {
		if hazard >= goal || v.over(at) {
			break
		}
		i := next
		if i < len(pending) && pending[i] <= at+least {
			i = p.after(at + least)
		}
		if i > 0 && pending[i-1] > at {
			at, next = pending[i-1], i // gaps are never shorter, so all up to it are covered
			hazard = v.hazardAt(at)
			continue
		}
		if i == len(pending) {
			return at + v.gap(at, hazard), true
		}
		later := v.hazardAt(pending[i])
		if !v.spare(at, pending[i], hazard, later) {
			gap := v.gap(at, hazard)
			if hole := pending[i] - at; hole > v.reach(gap) {
				return at + v.split(hole, gap), true
			}
		}
		at, hazard, next = pending[i], later, i+1
	}
	return at, false
}

// hazardAt is the cumulative hazard of the present hold at that time.
func (v *view) hazardAt(at time.Duration) float64 { return v.Law.At(at - v.Now + v.age) }

// likely is how far the cumulative hazard rises until a hold has ended but for the doubt.
var likely = -math.Log(doubt)

// gap is the time from a check at that time, when the cumulative hazard is so high, to the
// next one. By then the hold may have ended, and a waiter that was told to come earlier may
// hold the lock; then releases come at the rate of the long run, see step. So a gap that is
// much longer than that rate asks for is cut, see plateau. This matters where holds end
// either soon or, because their holders have died, only with their lease.
func (v *view) gap(at time.Duration, hazard float64) time.Duration {
	age := at - v.Now + v.age
	gap := clamp(v.Law.Gap(age, v.price), v.least, v.longest)
	if renewal := v.renewal(hazard); plateau*renewal < float64(gap) {
		return time.Duration(renewal)
	}
	return gap
}

// renewal is the gap after a check that the long-run rate of releases alone asks for, given
// the chance that the present hold has ended by then: 1 - exp(v.hazard-hazard). It is the
// horizon if no hold was seen to end, since then no rate is known.
func (v *view) renewal(hazard float64) float64 {
	if v.Law.lastEvent() == 0 {
		return float64(horizon)
	}
	return float64(v.far) / math.Sqrt(1-math.Exp(v.hazard-hazard))
}

// reach is how far off the next promise may be and still cover a gap. It is at least twice
// the Spacing, since no third promise fits into less.
func (v *view) reach(gap time.Duration) time.Duration {
	return max(gap+time.Duration(slack*float64(gap)), 2*v.Spacing)
}

// split is where to put a third promise in a hole between two: a gap after the first. A gap
// that is only the least one, not what the law asks for, goes no further than midway, so as
// not to crowd the second.
func (v *view) split(hole, gap time.Duration) time.Duration {
	if gap == v.least {
		return min(gap, hole/2)
	}
	return min(gap, hole-v.Spacing)
}

// over tells whether the lease has ended the present hold by that time.
func (v *view) over(at time.Duration) bool {
	return v.Expires > v.Now && at >= v.Expires
}

// spare tells whether no check is needed between one at from and one at to, when the
// cumulative hazard is hazard and later. It is the gap rule turned round, and saves the search for the root.
// It may say no where the rule, because of the width of a bucket, says yes.
//
// With many waiters this is asked for each of the next checks. So both conditions are first
// put to bounds that are faster to compute.
func (v *view) spare(from, to time.Duration, hazard, later float64) bool {
	gap := time.Duration(float64(to-from) / (1 + slack))
	if gap > v.longest {
		return false
	}
	g, age := float64(gap), from-v.Now+v.age
	if age > oldest || g*psiBound(later-hazard) >= float64(v.price) {
		age = min(age, oldest)
		if g*psi(v.Law.At(age+gap)-v.Law.At(age)) >= float64(v.price) {
			return false
		}
	}
	// The renewal is at least far, since a chance is at most 1; and 1-exp(-x) <= x/(1+x/2).
	most, x := plateau*float64(v.far), hazard-v.hazard
	return g <= most || g*g*x <= most*most*(1+x/2) || g <= plateau*v.renewal(hazard)
}

// behind is the first free time, after all promised times, if checks of the present hold go
// up to at. Queued waiters are served first, and the earliest check is of the hold of the
// last of them.
func (p *Promises) behind(v *view, at time.Duration) time.Duration {
	if v.Queued > 0 {
		at = v.Now + v.rest() + time.Duration(v.Queued-1)*v.mean + v.Law.Gap(0, v.price)
		if p.tail < at {
			return at
		}
	}
	return max(p.tail, at) + v.step()
}

// step is the time between checks after the present hold. In the long run a lock is
// released once in a cycle, which makes Keller's spacing sqrt(2 * price * cycle). But a
// waiter may take the lock at one check; where most holds are much shorter than their mean,
// the next check is due a gap later.
func (v *view) step() time.Duration {
	far, price := float64(v.far), float64(v.price)
	if v.far <= v.least || far*psi(v.Law.At(v.far)) <= price {
		return v.far
	}
	return clamp(v.Law.Gap(0, v.price), v.least, v.far)
}

// residual is the time within which the present hold ends with probability q.
func (v *view) residual(q float64) time.Duration {
	r := v.Law.Residual(v.age, q)
	if v.Expires > v.Now {
		r = min(r, v.Expires-v.Now)
	}
	return r
}

// rest is how long the present hold probably goes on: the median, but no longer than until
// the longest hold seen to end or, if more, than its age so far. Beyond its last event a
// law is a guess, and for a hold that a dead holder left it may be any guess; a waiter that
// comes back once the age has doubled is never far off.
func (v *view) rest() time.Duration {
	r := v.residual(0.5)
	if last := v.Law.lastEvent(); last > 0 {
		r = min(r, max(last-v.age, v.age))
	}
	return r
}

// settle brings a time within bounds. A time past the end of the lease moves to just after
// that end if nobody else checks there.
//
// Times past Max are spread over its last quarter by the golden ratio, which keeps them
// apart from each other however many there are (H. Weyl's equidistribution). Others that
// were promised in that quarter are avoided.
func (p *Promises) settle(v *view, at time.Duration) time.Duration {
	const golden = math.Phi - 1
	if v.Queued == 0 && v.Expires > v.Now && at > v.Expires &&
		!p.covered(v.Expires, v.Expires+2*expiryCheck) {
		at = v.Expires + expiryCheck
	}
	if at > v.latest {
		_, part := math.Modf(golden * float64(p.made))
		at = p.aside(v, v.latest-time.Duration(part*float64(v.latest-v.Now)/4))
	}
	return clamp(at, v.Now+soonest, v.latest)
}

// aside is that time or, if a promise is closer to it than the Spacing, the middle of the
// widest hole around it. Less than a millisecond is always too close, since clients are told
// whole ones. If there are more promises than are remembered, none is avoided.
func (p *Promises) aside(v *view, at time.Duration) time.Duration {
	const around = 8 // in spacings: a wide enough hole is that near unless they are crowded
	apart := max(v.Spacing, soonest)
	if p.Len() >= maxPromises || !p.covered(at-apart+1, at+apart-1) {
		return at
	}
	return p.widestHole(at-around*apart, min(at+around*apart, v.latest))
}

// place is the time for a waiter of that rank.
//
// The k-th asks after k*H_n spacings, H_n = 1 + 1/2 + ... + 1/n, so that all n together ask
// once per spacing, and in the middle of the widest hole near that time.
func (p *Promises) place(s *Scene, rank int) (at, tail time.Duration) {
	if !s.Law.Smooth() || s.Absent > maxAbsent || s.Queued > 0 {
		return p.slot(s, kappa)
	}
	const heads = 2
	if rank < heads {
		return p.slot(s, rankedKappa)
	}
	v := p.view(s, rankedKappa)
	k := float64(min(rank, maxPromises) + 1)
	n := max(float64(p.Len()+1), k)
	harmonic := math.Log(n) + 0.5772 + 1/(2*n)
	turn := v.rest() + time.Duration(min(k*harmonic*float64(v.far), float64(v.latest-v.Now)))
	at = p.widestHole(v.Now+turn-turn/20*7, v.Now+turn+turn/20*7)
	return p.settle(&v, at), p.tail
}

// widestHole is the middle of the widest time without a promise between from and to.
func (p *Promises) widestHole(from, to time.Duration) time.Duration {
	widest, middle, last := time.Duration(-1), from, from
	try := func(next time.Duration) {
		if next-last > widest {
			widest, middle = next-last, last+(next-last)/2
		}
		last = next
	}
	pending := p.pending()
	for _, at := range pending[p.after(from):p.after(to)] {
		try(at)
	}
	try(to)
	return middle
}
