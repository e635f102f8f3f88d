package stats

import (
	"math"
	"testing"
	"time"
)

// survivals are laws of hold times as the chance to exceed a time in milliseconds.
var survivals = map[string]func(float64) float64{
	"normal": func(t float64) float64 {
		return math.Erfc((t-200)/(70*math.Sqrt2)) / math.Erfc(-200/(70*math.Sqrt2))
	},
	"lognormal": func(t float64) float64 {
		return math.Exp(-newLognormal(200, 0.35).cumulativeHazard(t))
	},
	"exponential": func(t float64) float64 { return math.Exp(-t / 200) },
	"bimodal": func(t float64) float64 {
		return 0.9*within((22-t)/4, 0, 1) + 0.1*within((2200-t)/400, 0, 1)
	},
	"pareto": func(t float64) float64 {
		return min(1, math.Pow(t/(200*0.8/1.8), -1.8))
	},
}

// lawOf is what is known of a law in the long run: the law, and a little doubt.
func lawOf(survival func(float64) float64) *Hazard {
	const doubt = unknownWeight / (unknownWeight + 185)
	var unknown Hazard
	return exactly(func(t float64) float64 {
		return -math.Log((1-doubt)*survival(t) + doubt*unknown.Survival(ms(t)))
	})
}

// The optimum for a memoryless hold is periodic with x = g/mean, e^x - 1 - x = price/mean
// (Barlow, Hunter, Proschan). Half a mean hold shared by 1, 2, 5, 10 and 20 waiters
// gives the spacings 0.86, 0.63, 0.42, 0.30 and 0.21.
func TestGapOfAMemorylessHold(t *testing.T) {
	law := exactly(func(t float64) float64 { return t / 200 })
	for n, want := range map[float64]float64{1: 0.858, 2: 0.629, 5: 0.417, 10: 0.300, 20: 0.216} {
		for _, age := range []float64{0, 1, 33.3, 200, 1000} {
			x := law.Gap(ms(age), ms(0.5*200/n)).Seconds() / 0.2
			wantNear(t, "the table", x, want, 0.005)
			wantNear(t, "e^x-1-x", math.Expm1(x)-x, 0.5/n, 0.005*0.5/n)
		}
	}
}

// The rule needs no root finding over whole schedules, and costs little more than the
// optimum: tries at their price and idle time together.
func TestGapIsNearlyOptimal(t *testing.T) {
	for name, survival := range survivals {
		most := 1.08
		if name == "bimodal" {
			most = 1.15
		}
		law := lawOf(survival)
		for _, price := range []float64{20, 60, 120} {
			cost, least := costOfRule(law, survival, price), leastCost(survival, price)
			if ratio := cost / least; ratio > most || ratio < 0.95 {
				t.Errorf("%s at price %v: the rule costs %.1f ms, the best schedule %.1f", name, price, cost, least)
			}
		}
	}
}

// costOfRule is the price of all tries plus the idle time, in milliseconds, of one client
// that first checks just after the lock was taken.
func costOfRule(law *Hazard, survival func(float64) float64, price float64) float64 {
	cost := 0.0
	for t := 0.0; survival(t) > 1e-6; {
		g := law.Gap(ms(t), ms(price)).Seconds() * 1e3
		cost += price*survival(t) + idle(survival, t, t+g)
		t += g
	}
	return cost
}

// idle is the mean time from the release to a check at time to, if the one before was at
// from, by the trapezoid rule.
func idle(survival func(float64) float64, from, to float64) float64 {
	const steps = 200
	sum := 0.0
	for i := range steps {
		t := from + (to-from)*(float64(i)+0.5)/steps
		sum += (survival(from) - survival(t)) * (to - from) / steps
	}
	return sum
}

// leastCost is the cost of the best schedule of checks at the edges of buckets, by dynamic
// programming over the time of the last check.
func leastCost(survival func(float64) float64, price float64) float64 {
	var at, s, area, cost [buckets + 1]float64
	for b := range at {
		at[b] = float64(edge(b)) / 1e6
		s[b] = survival(at[b])
		if b > 0 { // integral of the survival
			from, steps := at[b-1], 20.0
			for i := range int(steps) {
				area[b] += survival(from+(at[b]-from)*(float64(i)+0.5)/steps) * (at[b] - from) / steps
			}
			area[b] += area[b-1]
		}
	}
	for i := buckets - 1; i >= 0; i-- {
		if s[i] < 1e-6 {
			continue
		}
		cost[i] = math.Inf(1)
		for j := i + 1; j <= buckets; j++ {
			idle := s[i]*(at[j]-at[i]) - (area[j] - area[i])
			cost[i] = min(cost[i], price*s[i]+idle+cost[j])
		}
	}
	return cost[0]
}

// The example of A. Asemanfar, "Lock retries with memcached" (2010): holds are normal
// with mean 200 ms and deviation 70, and B fails 10 ms after A got the lock. Doubling
// from 100 ms needs 1.96 further tries and leaves the lock idle for 113 ms.
func TestAsemanfarsExample(t *testing.T) {
	survival := survivals["normal"]
	var tries, lost float64
	const samples = 20
	for seed := range uint64(samples) {
		o := observe(holds[0], 500, seed)
		for age := 10.0; survival(age) > 1e-6; {
			var p Promises
			next := float64(p.Advise(o.scene(ms(age), 0))) / 1e6
			tries += survival(age) / survival(10) / samples
			lost += idle(survival, age, next) / survival(10) / samples
			age = next
		}
	}
	wantNear(t, "further tries", tries, 1.53, 0.1)
	wantNear(t, "idle ms", lost, 54, 5)
}

func TestGapLandsOnTheSpike(t *testing.T) {
	o := observe(holds[4], 500, 1) // constant
	if g := o.law.Gap(0, 100*time.Millisecond); g < ms(200) || g > ms(205) {
		t.Errorf("the look at a hold that always takes 200 ms is after %v", g)
	}
	o = observe(holds[3], 500, 1) // bimodal
	first := o.law.Gap(0, 20*time.Millisecond)
	second := first + o.law.Gap(first, 20*time.Millisecond)
	if first < ms(19) || first > ms(24) || second < ms(1000) || second > ms(2300) {
		t.Errorf("the looks at one of 20 ms or 2 s are after %v and %v", first, second)
	}
}

func TestPsi(t *testing.T) {
	for _, x := range []float64{1e-12, 1e-6, 0.01, 0.49999, 0.5, 1, 10} {
		exact := math.Expm1(x)/x - 1
		if x < 1e-3 {
			exact = x/2 + x*x/6
		}
		wantNear(t, "psi", psi(x), exact, 1e-5*exact)
	}
	if psi(0) != 0 || math.IsInf(psi(1e300), 0) {
		t.Errorf("psi at its ends: %v, %v", psi(0), psi(1e300))
	}
}
