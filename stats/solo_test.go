package stats

import (
	"math"
	"testing"
	"time"
)

func TestSolo(t *testing.T) {
	const mean, sd = 200 * time.Millisecond, 70 * time.Millisecond
	solo := func(age time.Duration, n int) time.Duration { return Solo(mean, sd, age, n, 0, 0.5) }

	law := lawOf(survivals["lognormal"])
	for _, age := range []time.Duration{0, ms(100), ms(250)} {
		same := law.Gap(age, ms(100))
		wantNear(t, "as the server's rule", solo(age, 1).Seconds(), same.Seconds(), 0.1*same.Seconds())
	}
	if early, late := solo(0, 1), solo(ms(180), 1); early < ms(120) || late > ms(100) {
		t.Errorf("gaps are %v at the start and %v when the hold is about to end", early, late)
	}
	for _, n := range []int{10, 1000} {
		if gap := solo(0, n); gap < time.Duration(n)*mean/perHold {
			t.Errorf("each of %d comes every %v, so all together too often", n, gap)
		}
	}
	if low, high := Solo(mean, sd, 0, 10, 0, 0), Solo(mean, sd, 0, 10, 0, 1); high < 5*low/2 || high > 7*low/2 {
		t.Errorf("spread from %v to %v, want from a half to one and a half", low, high)
	}
	if gap := Solo(mean, sd, 0, 10, 2, 0.5); gap != 5*time.Second {
		t.Errorf("ten that may ask twice a second together: each after %v", gap)
	}
	if a, b := Solo(mean, sd, 0, 1, 0, 0.1), Solo(mean, sd, 0, 1, 0, 0.9); a != b {
		t.Errorf("one alone has nobody to avoid: %v, %v", a, b)
	}
	if gap := Solo(mean, 0, 0, 1, 0, 0); gap < mean || gap > mean*11/10 {
		t.Errorf("a constant hold of %v is looked at after %v", mean, gap)
	}
}

func TestSoloIsBounded(t *testing.T) {
	times := []time.Duration{math.MinInt64, -1, 0, 1, time.Second, time.Hour, math.MaxInt64}
	numbers := []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0, 1e-300, 1, 1e300}
	for _, mean := range times {
		for _, sd := range times {
			for _, age := range times {
				for _, x := range numbers {
					for _, n := range []int{math.MinInt, 0, 1, 7, math.MaxInt} {
						if gap := Solo(mean, sd, age, n, x, x); gap < soonest || gap > horizon {
							t.Fatalf("Solo(%v, %v, %v, %d, %v, %v) is %v", mean, sd, age, n, x, x, gap)
						}
					}
				}
			}
		}
	}
}

func TestLognormal(t *testing.T) {
	l := newLognormal(200, 0.35)
	for _, tt := range []struct{ t, survival float64 }{{188.77, 0.5}, {291.8, 0.1}, {416.3, 0.01}} {
		wantNear(t, "survival", l.survivalLog(math.Log(tt.t)), tt.survival, 0.002*tt.survival+1e-4)
		wantNear(t, "hazard", l.cumulativeHazard(tt.t), -math.Log(tt.survival), 0.01)
	}
	// The asymptotic series takes over without a step.
	at := math.Exp(l.median + 5*l.spread*math.Sqrt2)
	before, after := l.cumulativeHazard(at*0.999999), l.cumulativeHazard(at*1.000001)
	wantNear(t, "the step at z = 5", after, before, 2e-3)
	if last := l.cumulativeHazard(1e300); last < after || math.IsInf(last, 0) {
		t.Errorf("hazard far out is %v", last)
	}
}
