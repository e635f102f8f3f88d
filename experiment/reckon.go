package main

import (
	"math"
	"time"

	"github.com/lockcached/lockcached/stats"
)

// The rules of clients that compute with what the server tells them about the lock.

// evenChance is the article's rule. It assumes normal hold times; the next try
// comes when the lock will be free with probability 1/2, given that it is
// not free yet. All waiters together make at most articleRate tries a second.
func evenChance(r *refusal) time.Duration {
	s := &r.scene
	least := time.Duration(float64(s.waiters) / articleRate * float64(time.Second))
	return max(normalMedian(float64(s.mean), float64(s.stddev), float64(s.age)), least)
}

const articleRate = 20

// normalMedian is the median of what is left of a normal hold of this age.
func normalMedian(mean, sd, age float64) time.Duration {
	if sd <= 0 {
		return time.Duration(max(mean-age, 0))
	}
	survival := math.Erfc((age-mean)/(sd*math.Sqrt2)) / 2
	if survival < 1e-12 {
		return 0
	}
	return time.Duration(max(mean+sd*math.Sqrt2*math.Erfinv(1-survival)-age, 0))
}

// solo is the rule of stats.Solo, without a bound on tries.
func solo(r *refusal) time.Duration {
	s := &r.scene
	return stats.Solo(s.mean, s.stddev, s.age, s.waiters, 0, r.rand.Float64())
}
