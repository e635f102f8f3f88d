package stats

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestHazardOfACensoredSample(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	var moment Moments
	h := plain(20000, func(h *Histogram) { censoredExponential(h, rng) })
	for range 1000 {
		if x := 200 * rng.ExpFloat64(); x < 250 {
			moment.Add(ms(x))
		}
	}
	for _, m := range []*Moments{nil, &moment} {
		var law Hazard
		law.Rebuild(h, nil, m)
		wantNear(t, "H(200 ms)", law.At(200*time.Millisecond), 1, 0.05)
		wantNear(t, "H(100 ms)", law.At(100*time.Millisecond), 0.5, 0.025)
	}
}

// Half the holds expire, and the moments know only the other half. A prior made of that
// half alone would put H a third too high.
func TestPriorRespectsCensoring(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 8))
	mean := 0.0
	for range 100 {
		var h Histogram
		var m Moments
		for range 100 {
			if x := ms(200 * rng.ExpFloat64()); x < 140*time.Millisecond {
				h.Add(x)
				m.Add(x)
			} else {
				h.Censor(140 * time.Millisecond)
			}
		}
		var law Hazard
		law.Rebuild(&h, nil, &m)
		mean += law.At(100*time.Millisecond) / 100
	}
	wantNear(t, "H(100 ms)", mean, 0.5, 0.07)
}

func TestHazardOfNothing(t *testing.T) {
	var zero, rebuilt Hazard
	rebuilt.Rebuild(nil, nil, nil)
	rebuilt.Rebuild(&Histogram{}, &Histogram{}, &Moments{})
	for _, h := range []*Hazard{nil, &zero, &rebuilt} {
		checkLaw(t, h)
		if h.At(time.Millisecond) > 1e-3 || h.Smooth() {
			t.Errorf("something is known of nothing: %v", h.At(time.Millisecond))
		}
		// Uniform in the logarithm over ln 60000 = 11 e-folds, and one more for the tail.
		span := 1 + math.Log(60000)
		wantNear(t, "a second", h.Survival(time.Second), (1+math.Log(60))/span, 0.01)
		wantNear(t, "a minute", h.Survival(time.Minute), 1/span, 0.005)
		wantNear(t, "an hour", h.Survival(time.Hour), 1/span/60, 0.0005)
	}
}

func TestHazardIsALawWhateverWasObserved(t *testing.T) {
	for name, xs := range map[string][]time.Duration{
		"zero":     {0},
		"negative": {-time.Hour},
		"huge":     {math.MaxInt64},
		"extremes": {0, math.MaxInt64, 1, time.Second},
		"one":      {time.Second},
		"hour":     {time.Hour, time.Hour + 1, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			var released, expired Histogram
			for _, x := range xs {
				released.Add(x)
				expired.Censor(x)
			}
			m := momentsOf(xs...)
			for _, key := range []*Histogram{nil, &released, &expired} {
				for _, class := range []*Histogram{nil, &released, &expired} {
					var h Hazard
					h.Rebuild(key, class, &m)
					checkLaw(t, &h)
				}
			}
		})
	}
}

// checkLaw fails unless H is finite and never falls, and the rules made from it stay
// within bounds.
func checkLaw(t *testing.T, h *Hazard) {
	t.Helper()
	last := 0.0
	for b := range buckets + 1 {
		now := h.At(edge(b))
		if !(now >= last && now < 1e3) {
			t.Fatalf("H(%v) is %v after %v", edge(b), now, last)
		}
		last = now
	}
	for _, age := range []time.Duration{math.MinInt64, 0, 1, time.Second, horizon, math.MaxInt64} {
		for _, price := range []time.Duration{math.MinInt64, 0, time.Second, math.MaxInt64} {
			if g := h.Gap(age, price); g <= 0 || g > horizon {
				t.Errorf("gap at %v and price %v is %v", age, price, g)
			}
		}
		for _, q := range []float64{math.NaN(), -1, 0, 0.5, 1, 2} {
			if r := h.Residual(age, q); r < 0 || r > horizon {
				t.Errorf("residual at %v of %v is %v", age, q, r)
			}
		}
		if s := h.Survival(age); !(s >= 0 && s <= 1) {
			t.Errorf("survival of %v is %v", age, s)
		}
	}
}

// A few holds of a key count beside those of its class; many count by themselves.
func TestHazardOfAKeyLeansOnItsClass(t *testing.T) {
	class := plain(1000, func(h *Histogram) { h.Add(time.Second) })
	median := func(n int) time.Duration {
		var key Histogram
		for range n {
			key.Add(10 * time.Millisecond)
		}
		var law Hazard
		law.Rebuild(&key, class, nil)
		return law.Residual(0, 0.5)
	}
	for _, tt := range []struct{ from, to, wantMs float64 }{{0, 3, 1000}, {20, 100, 10}} {
		for n := tt.from; n <= tt.to; n++ {
			wantNear(t, "median", median(int(n)).Seconds()*1e3, tt.wantMs, 0.07*tt.wantMs)
		}
	}
	var law Hazard
	law.Rebuild(nil, class, nil)
	wantNear(t, "median of the class alone", law.Residual(0, 0.5).Seconds(), 1, 0.07)
}

func TestStale(t *testing.T) {
	var law Hazard
	var key, class Histogram
	rebuilds := 0
	for range 320 {
		key.Add(time.Second)
		class.Add(time.Second)
		if law.Stale(&key, &class) {
			law.Rebuild(&key, &class, nil)
			rebuilds++
		}
	}
	if rebuilds != 31+9 {
		t.Errorf("%d rebuilds for 320 observations, want one for each of the first 31 and one for every 32 further", rebuilds)
	}
	if law.Stale(&key, nil) || !law.Stale(&Histogram{}, nil) || !law.Stale(nil, nil) || new(Hazard).Stale(nil, nil) {
		t.Error("stale is what differs from what was seen")
	}
}

func TestSmooth(t *testing.T) {
	for _, l := range holds {
		want, smooth := l.name != "bimodal" && l.name != "pareto", 0
		for seed := range uint64(40) {
			if observe(l, 500, seed).law.Smooth() {
				smooth++
			}
		}
		if want && smooth < 38 || !want && smooth > 4 {
			t.Errorf("%s: smooth in %d of 40 samples", l.name, smooth)
		}
	}
}

func TestResidual(t *testing.T) {
	law := exactly(func(t float64) float64 { return t / 200 })
	for _, age := range []time.Duration{0, ms(0.5), ms(200), ms(1500)} {
		wantNear(t, "median", law.Residual(age, 0.5).Seconds(), 0.2*math.Ln2, 1e-4)
		wantNear(t, "95 %", law.Residual(age, 0.95).Seconds(), 0.2*math.Log(20), 1e-4)
	}
	if r := law.Residual(time.Second, 0); r > time.Microsecond {
		t.Errorf("with certainty it lasts no longer than %v", r)
	}
}

// exactly is the law with that cumulative hazard, of milliseconds.
func exactly(h func(ms float64) float64) *Hazard {
	var c cumulative
	for b := range c {
		c[b] = float32(h(float64(edge(b)) / 1e6))
	}
	return &Hazard{table: &c}
}

func TestRebuildDoesNotAllocate(t *testing.T) {
	o := observe(holds[0], 100, 1)
	if n := testing.AllocsPerRun(100, func() { o.law.Rebuild(&o.hold, &o.hold, &o.moment) }); n != 0 {
		t.Errorf("a rebuild allocates %v times", n)
	}
}
