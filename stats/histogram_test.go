package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"
)

func TestBucketsAreWithoutGaps(t *testing.T) {
	for b := range buckets {
		from, to := edge(b), edge(b+1)
		if bucketOf(from) != b || bucketOf(to-1) != b {
			t.Fatalf("bucket %d is from %v to %v, which are counted in %d and %d", b, from, to, bucketOf(from), bucketOf(to-1))
		}
		if width := to - from; width > max(from/16, time.Microsecond) {
			t.Errorf("bucket %d is %v wide from %v on", b, width, from)
		}
	}
	if edge(0) != 0 || edge(buckets) != horizon {
		t.Errorf("they reach from %v to %v", edge(0), edge(buckets))
	}
	for _, x := range []time.Duration{math.MinInt64, -1, 0} {
		if b := bucketOf(x); b != 0 {
			t.Errorf("%d is in bucket %d", x, b)
		}
	}
	for _, x := range []time.Duration{horizon - 1, horizon, math.MaxInt64} {
		if b := bucketOf(x); b != buckets-1 {
			t.Errorf("%d is in bucket %d", x, b)
		}
	}
}

func TestQuantilesOfSixLaws(t *testing.T) {
	const n = 10000
	for _, l := range holds {
		rng := rand.New(rand.NewPCG(2, 3))
		var sample []time.Duration
		h := plain(n, func(h *Histogram) {
			x := l.next(rng)
			sample = append(sample, x)
			h.Add(x)
		})
		slices.Sort(sample)
		for i, q := range []float64{0.5, 0.8, 0.99} {
			got := float64(h.Quantile(q))
			if exact := float64(sample[int(q*n)-1]); math.Abs(got-exact) > 0.032*exact {
				t.Errorf("%s: quantile %v is %.2f ms, in the sample %.2f", l.name, q, got/1e6, exact/1e6)
			}
			// The sample itself differs from the law by more than the bucket does.
			wantNear(t, l.name, got, l.quantiles[i]*1e6, 0.12*l.quantiles[i]*1e6)
		}
	}
}

func TestHistogramOfNothing(t *testing.T) {
	var h Histogram
	if h.Count() != 0 || h.Weight() != 0 || h.Quantile(0.5) != 0 {
		t.Errorf("the zero value knows something: %+v", h)
	}
	h.Fade(0.5)
	h.Merge(&Histogram{})
	if h.Count() != 0 || h.Weight() != 0 || h.Quantile(1) != 0 || (*Histogram)(nil).Clone() != nil {
		t.Errorf("it learned something from nothing: %+v", h)
	}
}

func TestHistogramHalfLife(t *testing.T) {
	var h Histogram
	for range 20 * HalfLife {
		h.Add(10 * time.Millisecond)
	}
	wantNear(t, "weight of many", h.Weight(), 1/(1-decay), 0.1)
	for range HalfLife {
		h.Add(100 * time.Millisecond)
	}
	if low, high := h.Quantile(0.49), h.Quantile(0.51); low > 11*time.Millisecond || high < 90*time.Millisecond {
		t.Errorf("after a half-life the old ones are not half: %v, %v", low, high)
	}
	if h.Count() != 21*HalfLife {
		t.Errorf("count is %d", h.Count())
	}
}

// The increment is brought back to 1 now and then, with no effect on the results.
func TestHistogramRescales(t *testing.T) {
	var h Histogram
	for i := range 100 * HalfLife {
		h.Add(time.Duration(1+i%2) * time.Second)
		if h.unit > largestUnit {
			t.Fatalf("the unit grew to %g", h.unit)
		}
	}
	wantNear(t, "weight", h.Weight(), 1/(1-decay), 0.01)
	wantNear(t, "smaller half", h.Quantile(0.45).Seconds(), 1, 0.032)
	wantNear(t, "larger half", h.Quantile(0.55).Seconds(), 2, 0.064)
}

func TestHistogramFade(t *testing.T) {
	o := observe(holds[0], 300, 1)
	h, median, weight := o.hold, o.hold.Quantile(0.5), o.hold.Weight()
	h.Fade(FadeFactor(2 * time.Hour))
	wantNear(t, "weight after two half-lives", h.Weight(), weight/4, 1e-6)
	if h.Quantile(0.5) != median {
		t.Errorf("median is %v after fading, %v before", h.Quantile(0.5), median)
	}
	for _, f := range []float64{math.NaN(), 2, 1, math.Inf(1)} {
		h.Fade(f)
		wantNear(t, "weight after a factor that makes no sense", h.Weight(), weight/4, 1e-6)
	}
	for range 100 {
		h.Fade(0)
		h.Fade(-1)
	}
	h.Add(time.Second)
	wantNear(t, "weight of one beside what has faded", h.Weight(), 1, 1e-6)
	wantNear(t, "its median", h.Quantile(0.5).Seconds(), 1, 0.032)
}

func TestMomentsFade(t *testing.T) {
	m := momentsOf(time.Second, 3*time.Second, 2*time.Second)
	faded := m
	faded.Fade(0.25)
	wantNear(t, "weight", faded.Weight(), m.Weight()/4, 1e-9)
	wantNear(t, "stddev", faded.Stddev(), m.Stddev(), 1e-3)
	if faded.Mean() != m.Mean() || faded.Count() != 3 {
		t.Errorf("mean %v, count %d", faded.Mean(), faded.Count())
	}
	for range 100 {
		faded.Fade(0)
	}
	wantNear(t, "stddev of the faded", faded.Stddev(), m.Stddev(), 1e-3)
	faded.Fade(math.NaN())
	faded.Add(10 * time.Second)
	wantNear(t, "mean of one beside what has faded", faded.Mean(), 10e9, 1e3)
}

func TestFadeFactor(t *testing.T) {
	for _, tt := range []struct {
		elapsed time.Duration
		want    float64
	}{
		{0, 1}, {-time.Hour, 1}, {time.Hour, 0.5}, {3 * time.Hour, 0.125}, {math.MaxInt64, 0},
	} {
		wantNear(t, tt.elapsed.String(), FadeFactor(tt.elapsed), tt.want, 1e-12)
	}
}

func TestHistogramMerge(t *testing.T) {
	var a, b Histogram
	for range 300 {
		a.Add(time.Millisecond)
		b.Add(time.Minute)
		b.Censor(time.Microsecond)
	}
	ab, ba := a.Clone(), b.Clone()
	ab.Merge(&b)
	ba.Merge(&a)
	for _, h := range []*Histogram{ab, ba} {
		wantNear(t, "weight", h.Weight(), a.Weight()+b.Weight(), 1e-3)
		if h.Count() != 900 || h.Quantile(0.1) > 2*time.Millisecond || h.Quantile(0.9) < 50*time.Second {
			t.Errorf("%d, from %v to %v", h.Count(), h.Quantile(0.1), h.Quantile(0.9))
		}
	}
	if a.Quantile(1) > 2*time.Millisecond || a.Count() != 300 {
		t.Error("a merge into a clone changed the original")
	}
}

func TestQuantileRespectsCensoring(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	h := plain(20000, func(h *Histogram) { censoredExponential(h, rng) })
	wantNear(t, "median", h.Quantile(0.5).Seconds(), 0.2*math.Ln2, 0.05*0.2*math.Ln2)
	wantNear(t, "what is known of a hidden quantile", h.Quantile(0.99).Seconds(), 0.25, 0.032*0.25)

	var expired Histogram
	expired.Censor(time.Second)
	if q := expired.Quantile(0.5); q != 0 {
		t.Errorf("median is %v although nothing was released", q)
	}
}

// censoredExponential observes a hold of mean 200 ms under a lease of 250 ms, which
// 28 % of the holds outlive.
func censoredExponential(h *Histogram, rng *rand.Rand) {
	const lease = 250 * time.Millisecond
	if x := ms(200 * rng.ExpFloat64()); x < lease {
		h.Add(x)
	} else {
		h.Censor(lease)
	}
}

func TestQuantileOfWhatMakesNoSense(t *testing.T) {
	o := observe(holds[0], 100, 1)
	for _, q := range []float64{math.NaN(), math.Inf(-1), -1, 0, 1, 2, math.Inf(1)} {
		if x := o.hold.Quantile(q); x < time.Millisecond || x > time.Second {
			t.Errorf("quantile %v is %v", q, x)
		}
	}
}

func TestHistogramSize(t *testing.T) {
	if size := unsafe.Sizeof(Histogram{}); size > 96 {
		t.Errorf("an empty histogram takes %d bytes", size)
	}
	for _, l := range holds {
		o := observe(l, 1000, 1)
		if n := 4 * len(o.hold.released.n); n > 1024 {
			t.Errorf("the counts of %s take %d bytes", l.name, n)
		}
	}
}

func TestHistogramAddDoesNotAllocate(t *testing.T) {
	o := observe(holds[1], 100, 1)
	o.hold.Censor(time.Second)
	if n := testing.AllocsPerRun(10000, func() { o.hold.Add(200 * time.Millisecond); o.hold.Censor(time.Second) }); n != 0 {
		t.Errorf("an observation allocates %v times", n)
	}
}

func FuzzHistogram(f *testing.F) {
	f.Add(int64(1), int64(math.MaxInt64), 0.5, uint16(3))
	f.Add(int64(-1), int64(0), math.NaN(), uint16(30000))
	f.Fuzz(func(t *testing.T, a, b int64, factor float64, rounds uint16) {
		var h, o Histogram
		for i := range rounds {
			h.Add(time.Duration(a))
			o.Censor(time.Duration(b))
			if i%256 == 0 {
				h.Fade(factor)
			}
		}
		h.Merge(&o)
		if w := h.Weight(); !(w >= 0 && w < 400) {
			t.Errorf("weight is %v", w)
		}
		var law Hazard
		law.Rebuild(&h, &o, nil)
		checkLaw(t, &law)
		if x := h.Quantile(factor); x < 0 || x > horizon {
			t.Errorf("quantile is %v", x)
		}
	})
}
