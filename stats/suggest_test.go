package stats

import (
	"math"
	"testing"
	"time"
)

// The law continues as it was observed; how many holds outlive the lease?
func TestSuggestedTTL(t *testing.T) {
	const n = 20000
	for _, l := range holds {
		outlived, longest := 0.0, time.Duration(0)
		const samples = 10
		for seed := range uint64(samples) {
			o := observe(l, 500, seed)
			ttl := SuggestedTTL(&o.hold)
			longest = max(longest, ttl)
			for range n {
				if l.next(o.rng) > ttl {
					outlived++
				}
			}
			if ttl%time.Millisecond != 0 || ttl < o.hold.Quantile(1) {
				t.Errorf("%s: %v with holds of %v", l.name, ttl, o.hold.Quantile(1))
			}
		}
		if share := outlived / samples / n; share > 0.001 {
			t.Errorf("%s: %.2f in a thousand holds outlive their lease", l.name, 1e3*share)
		}
		t.Logf("%s: up to %v, outlived by %.2f in a thousand", l.name, longest, 1e3*outlived/samples/n)
		if longest > 20*time.Second {
			t.Errorf("%s: %v", l.name, longest)
		}
	}
}

func TestSuggestedTTLIsUnknown(t *testing.T) {
	var few, expired Histogram
	for range 7 {
		few.Add(time.Second)
	}
	for range 100 {
		expired.Censor(time.Second)
	}
	for _, h := range []*Histogram{nil, {}, &few, &expired} {
		if ttl := SuggestedTTL(h); ttl != 0 {
			t.Errorf("%v from %d observations", ttl, h.Count())
		}
	}
}

// A lease that is too short hides how long holds are, but shows that they are longer than
// it.
func TestSuggestedTTLGrowsWhereHoldsExpire(t *testing.T) {
	var h Histogram
	for i := range 200 {
		if i%4 == 0 {
			h.Censor(time.Second)
		} else {
			h.Add(ms(float64(100 + 4*i)))
		}
	}
	if ttl := SuggestedTTL(&h); ttl < 2*time.Second {
		t.Errorf("%v, although a quarter of the holds are ended by a lease of 1 s", ttl)
	}
}

func TestSuggestedWait(t *testing.T) {
	exponential := exactly(func(t float64) float64 { return t / 200 })
	s := &Scene{Now: time.Hour, Since: time.Hour - 10*time.Second, Law: exponential, Mean: 200e6, Weight: 100}
	// A memoryless hold is never nearer to its end: 95 % is ln 20 of its mean.
	wantNear(t, "nobody ahead", SuggestedWait(s, 200e6, 0).Seconds(), 0.2*math.Log(20), 0.001)
	// The sum of 10 holds and a residual has mean 2.2 s and deviation 0.66 s.
	wantNear(t, "ten ahead", SuggestedWait(s, 200e6, 10).Seconds(), 2.2+1.645*0.66, 0.15)

	s.Expires = s.Now + 50*time.Millisecond
	wantNear(t, "about to expire", SuggestedWait(s, 200e6, 0).Seconds(), 0.05, 0.001)
	for _, unknown := range []Scene{{}, {Mean: 1e9}, {Weight: 10}, {Mean: math.NaN(), Weight: math.NaN()}} {
		if wait := SuggestedWait(&unknown, 1, 1); wait != 0 {
			t.Errorf("%v when nothing is known", wait)
		}
	}
	if wait := SuggestedWait(s, math.Inf(1), math.MaxInt); wait <= 0 {
		t.Errorf("%v with an endless line ahead", wait)
	}
}
