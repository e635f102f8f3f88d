package stats

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"
)

func TestMomentsEmpty(t *testing.T) {
	var m Moments
	if m.Count() != 0 || m.Mean() != 0 || m.Stddev() != 0 || m.Min() != 0 || m.Max() != 0 {
		t.Errorf("the zero value knows something: %+v", m)
	}
}

func TestMomentsSize(t *testing.T) {
	if size := unsafe.Sizeof(Moments{}); size > 64 {
		t.Errorf("Moments take %d bytes, want at most 64: there are four for every lock", size)
	}
}

func TestDecayIsTheHalfLife(t *testing.T) {
	if got := math.Pow(decay, HalfLife); math.Abs(got-0.5) > 1e-12 {
		t.Errorf("after HalfLife observations a weight is %v of what it was, want 0.5", got)
	}
}

// Whichever of the two comes first, decay moves the mean by about a millisecond only.
func TestMomentsOfTwoHolds(t *testing.T) {
	const tolerance = float64(3 * time.Millisecond)
	for _, m := range []Moments{
		momentsOf(time.Second, 100*time.Millisecond),
		momentsOf(100*time.Millisecond, time.Second),
	} {
		wantNear(t, "mean", m.Mean(), float64(550*time.Millisecond), tolerance)
		wantNear(t, "stddev", m.Stddev(), float64(636396*time.Microsecond), tolerance)
		if m.Count() != 2 || m.Min() != 100*time.Millisecond || m.Max() != time.Second {
			t.Errorf("count %d, min %v, max %v", m.Count(), m.Min(), m.Max())
		}
	}
}

func TestMomentsOfEqualHoldsDoNotDeviate(t *testing.T) {
	for _, x := range []time.Duration{0, 1, 333_333_333, time.Hour + 1, math.MaxInt64} {
		var m Moments
		for range 10 * HalfLife {
			m.Add(x)
		}
		other := momentsOf(x, x, x)
		m.Merge(&other)
		if m.Mean() != float64(x) || m.Stddev() != 0 {
			t.Errorf("of %d: mean %v, stddev %v, want exactly the hold and 0", x, m.Mean(), m.Stddev())
		}
	}
}

func TestMomentsForgetTheOldMeanButNotTheExtremes(t *testing.T) {
	var m Moments
	for range 1000 {
		m.Add(10 * time.Second)
	}
	for range HalfLife {
		m.Add(time.Second)
	}
	wantNear(t, "mean after a half-life", m.Mean(), 5.5e9, 0.05e9)
	for range 40 * HalfLife {
		m.Add(time.Second)
	}
	wantNear(t, "mean after many", m.Mean(), 1e9, 1)
	if m.Max() != 10*time.Second || m.Count() != 1000+41*HalfLife {
		t.Errorf("max %v, count %d: these are of all observations", m.Max(), m.Count())
	}
}

func TestMomentsAgainstExactArithmetic(t *testing.T) {
	// A month in nanoseconds leaves a float64 mean half a nanosecond of grain,
	// which shows in the deviation, but far below what anybody prints.
	const grain = 1e-4
	for name, xs := range hardInputs() {
		t.Run(name, func(t *testing.T) {
			m := momentsOf(xs...)
			mean, stddev := exactMoments(xs)
			wantNear(t, "mean", m.Mean(), mean, 1e-12*math.Abs(mean))
			wantNear(t, "stddev", m.Stddev(), stddev, 1e-9*stddev+grain)
		})
	}
}

// hardInputs are sequences on which a sum of squares, or carelessness about magnitudes,
// goes wrong.
func hardInputs() map[string][]time.Duration {
	rng := rand.New(rand.NewPCG(1, 2))
	inputs := map[string][]time.Duration{
		"two":         {1, 2},
		"tiny-huge":   {1, math.MaxInt64},
		"huge-tiny":   {math.MaxInt64, 1},
		"huge-then-0": append([]time.Duration{math.MaxInt64}, make([]time.Duration, 2000)...),
	}
	for i := range 3000 {
		near := time.Duration(rng.IntN(10))
		add := func(name string, x time.Duration) { inputs[name] = append(inputs[name], x) }
		add("second-and-a-few-ns", time.Second+near)
		add("month-and-a-few-ns", 30*24*time.Hour+near)
		add("rising", time.Duration(i)*time.Microsecond)
		add("alternating", time.Duration(i%2)*time.Hour)
		add("pareto", time.Duration(1e6*math.Pow(rng.Float64(), -1/1.1)))
		add("one-outlier", time.Duration(i/2999)*time.Hour+20*time.Millisecond)
	}
	return inputs
}

// exactMoments are the decayed mean and sample deviation by their definition,
// in two passes with 300-bit numbers. The latest of each sample weighs 1.
func exactMoments(samples ...[]time.Duration) (mean, stddev float64) {
	var xs, weights []*big.Float
	for _, sample := range samples {
		weight := exact(1)
		for _, x := range slices.Backward(sample) {
			xs, weights = append(xs, exact(float64(x))), append(weights, weight)
			weight = exact(0).Mul(weight, exact(decay))
		}
	}
	sumW, sumW2, sumX := exact(0), exact(0), exact(0)
	for i, w := range weights {
		sumW.Add(sumW, w)
		sumW2.Add(sumW2, exact(0).Mul(w, w))
		sumX.Add(sumX, exact(0).Mul(w, xs[i]))
	}
	center := exact(0).Quo(sumX, sumW)
	m2 := exact(0)
	for i, w := range weights {
		d := exact(0).Sub(xs[i], center)
		m2.Add(m2, d.Mul(d, d).Mul(d, w))
	}
	divisor := exact(0).Sub(sumW, exact(0).Quo(sumW2, sumW))
	mean, _ = center.Float64()
	stddev, _ = exact(0).Sqrt(m2.Quo(m2, divisor)).Float64()
	return mean, stddev
}

func exact(x float64) *big.Float { return new(big.Float).SetPrec(300).SetFloat64(x) }

func TestMergeAgainstExactArithmetic(t *testing.T) {
	inputs := hardInputs()
	for _, pair := range [][2]string{
		{"pareto", "two"},
		{"rising", "alternating"},
		{"second-and-a-few-ns", "one-outlier"},
	} {
		t.Run(pair[0]+"+"+pair[1], func(t *testing.T) {
			a, b := inputs[pair[0]], inputs[pair[1]]
			merged, other := momentsOf(a...), momentsOf(b...)
			merged.Merge(&other)
			mean, stddev := exactMoments(a, b)
			wantNear(t, "mean", merged.Mean(), mean, 1e-12*mean)
			wantNear(t, "stddev", merged.Stddev(), stddev, 1e-9*stddev)
		})
	}
}

// A single observation has not decayed, so merging singles one after the other
// gives the plain sample.
func TestMergeWithoutDecayIsThePlainSample(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const n = 1000
	var merged Moments
	xs := make([]float64, n)
	sum := 0.0
	for i := range xs {
		x := time.Hour + time.Duration(rng.IntN(1e6))
		one := momentsOf(x)
		merged.Merge(&one)
		xs[i] = float64(x)
		sum += xs[i]
	}
	mean, m2 := sum/n, 0.0
	for _, x := range xs {
		m2 += (x - mean) * (x - mean)
	}
	wantNear(t, "mean", merged.Mean(), mean, 1e-12*mean)
	wantNear(t, "stddev", merged.Stddev(), math.Sqrt(m2/(n-1)), 1e-3)
	if merged.Count() != n {
		t.Errorf("count %d, want %d", merged.Count(), n)
	}
}

func TestMergeWithNothingChangesNothing(t *testing.T) {
	full := momentsOf(3, 1, 2)
	left, right := full, Moments{}
	left.Merge(&Moments{})
	right.Merge(&full)
	if left != full || right != full {
		t.Errorf("merged with empty: %+v and %+v, want %+v", left, right, full)
	}
}

func TestMergeIsSymmetric(t *testing.T) {
	a, b := momentsOf(5, 900, 20), momentsOf(1e9, 1e9+7)
	ab, ba := a, b
	ab.Merge(&b)
	ba.Merge(&a)
	wantNear(t, "mean", ab.Mean(), ba.Mean(), 1e-6)
	wantNear(t, "stddev", ab.Stddev(), ba.Stddev(), 1e-6)
	if ab.Count() != 5 || ab.Min() != 5 || ab.Max() != 1e9+7 || ba.Min() != 5 || ba.Max() != 1e9+7 {
		t.Errorf("count, min or max lost: %+v, %+v", ab, ba)
	}
}

func FuzzMoments(f *testing.F) {
	f.Add(int64(1), int64(1), int64(1), uint16(3))
	f.Add(int64(math.MaxInt64), int64(0), int64(1), uint16(500))
	f.Fuzz(func(t *testing.T, a, b, c int64, rounds uint16) {
		var m, other Moments
		for range rounds % 1000 {
			m.Add(time.Duration(a))
			m.Add(time.Duration(b))
			other.Add(time.Duration(c))
		}
		m.Merge(&other)
		if m.m2 < 0 || math.IsNaN(m.Stddev()) || math.IsNaN(m.Mean()) || math.IsInf(m.Stddev(), 0) {
			t.Errorf("not a number one can use: %+v", m)
		}
		if slack := 1e-9 * (math.Abs(float64(m.min)) + math.Abs(float64(m.max))); m.mean < float64(m.min)-slack || m.mean > float64(m.max)+slack {
			t.Errorf("mean outside of min and max: %+v", m)
		}
	})
}

func TestAddDoesNotAllocate(t *testing.T) {
	var m Moments
	if n := testing.AllocsPerRun(100, func() { m.Add(time.Second) }); n != 0 {
		t.Errorf("Add allocates %v times", n)
	}
}

func BenchmarkMomentsAdd(b *testing.B) {
	var m Moments
	x := time.Duration(0)
	for b.Loop() {
		x = (x*5 + 1) & 0xfffff
		m.Add(x)
	}
}

func momentsOf(xs ...time.Duration) Moments {
	var m Moments
	for _, x := range xs {
		m.Add(x)
	}
	return m
}

func wantNear(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) { // written so that NaN fails
		t.Errorf("%s is %v, want %v within %v", what, got, want, tolerance)
	}
}
