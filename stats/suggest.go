package stats

import (
	"math"
	"slices"
	"time"
)

// SuggestedTTL is a lease, in whole milliseconds, that about one hold in a thousand of a
// living holder outlives, or fewer. It is 0 if that is unknown: fewer than eight recent
// holds, or none released.
//
// It is twice the longest recent hold, or what the tail says if that is more. The longest
// tenth of the holds is taken to fall off as a power of the time, which errs on the long
// side for all lighter tails: q(p) = q(0.9) * (0.1/p)^g by I. Weissman (1978), with g by B.
// M. Hill (1975), here as exposure over occurrence on the logarithmic scale, so that
// expired holds count. A few holds can look like any tail, so the lease is at most five
// times the longest.
//
// A hold that expired counts for as long as it lasted, but for no more than twice the
// longest that was released: one that expired long after that was probably left by a holder
// that had died, and a longer lease only keeps others waiting. If a quarter of all holds or
// more expired, the suggestion is no shorter than the longest of them.
func SuggestedTTL(hold *Histogram) time.Duration {
	const (
		fewest  = 8
		margin  = 2
		most    = 5
		beyond  = 0.1 // the share of holds that form the tail
		outlive = 0.001
		often   = 0.25 // the share of expired holds from which on the lease matters
	)
	if hold == nil || hold.Weight() < fewest || hold.Quantile(0.5) == 0 {
		return 0
	}
	from := hold.Quantile(1 - beyond)
	released, lease := max(hold.longest(&hold.released), from), hold.longest(&hold.censored)
	longest := max(released, min(lease, margin*released))
	far := float64(from) * math.Pow(beyond/outlive, hold.tailIndex(from, longest))
	ttl := max(margin*float64(longest), min(far, most*float64(longest)))
	if hold.censored.sum() >= often*hold.total {
		ttl = max(ttl, float64(lease))
	}
	return wholeMs(ttl)
}

// longest is an upper bound on the longest recent observation of one kind: recent enough
// that it has not decayed to less than 1/64. It is 0 if there is none.
func (h *Histogram) longest(c *counts) time.Duration {
	least := float32(max(h.unit, 1) / 64)
	for i, n := range slices.Backward(c.n) {
		if n >= least {
			return edge(c.from + i + 1)
		}
	}
	return 0
}

// tailIndex is g if the chance of exceeding t falls like t^(-1/g) beyond from. An
// observation longer than most counts as most.
func (h *Histogram) tailIndex(from, most time.Duration) float64 {
	_, to := h.span()
	var exposure, ended float64
	for b := bucketOf(from) + 1; b < to; b++ {
		d := float64(h.released.at(b))
		ended += d
		length := float64(min(middle(b), most))
		exposure += (d + float64(h.censored.at(b))) * math.Log(length/float64(from))
	}
	if ended == 0 {
		return 0
	}
	return exposure / ended
}

// SuggestedWait is how long it makes sense to wait for the lock with ahead waiters in
// front, in whole milliseconds: in 19 of 20 cases the lock has come by then, and if not,
// something else is wrong. It is 0 if nothing is known. stddev is that of the hold time in
// nanoseconds, like the Scene's Mean.
//
// The present hold lasts r more, by its law and no longer than its lease; each hold ahead
// lasts the mean. Independent deviations add up as squares:
//
//	r50 + ahead * mean + sqrt((r95-r50)^2 + ahead * (1.645 * stddev)^2)
func SuggestedWait(s *Scene, stddev float64, ahead int) time.Duration {
	const normal95 = 1.645
	if !(s.Weight >= 1) || !(s.Mean > 0) {
		return 0
	}
	v := s.view(1, kappa)
	r50, r95 := float64(v.residual(0.5)), float64(v.residual(0.95))
	n := float64(max(ahead, 0))
	holds := n * within(s.Mean, 0, float64(horizon))
	spread := normal95 * within(stddev, 0, float64(horizon)) * math.Sqrt(n)
	return wholeMs(r50 + holds + math.Hypot(r95-r50, spread))
}

// wholeMs rounds nanoseconds up to whole milliseconds, up to farthest.
func wholeMs(ns float64) time.Duration {
	ms := math.Ceil(min(ns, float64(farthest)) / float64(time.Millisecond))
	return time.Duration(ms) * time.Millisecond
}
