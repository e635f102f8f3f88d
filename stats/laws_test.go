package stats

import (
	"math"
	"math/rand/v2"
	"time"
)

// hold is a law of hold times, to draw from.
type hold struct {
	name string
	draw func(*rand.Rand) float64 // milliseconds
	// The quantiles 0.5, 0.8 and 0.99 of the law, in milliseconds.
	quantiles [3]float64
}

// holds are the six laws on which advice is judged. All but the bimodal one have a
// mean of 200 ms; the Pareto one has no variance.
var holds = []hold{
	{"normal", drawNormal, [3]float64{200.2, 259.0, 362.9}},
	{"lognormal", func(r *rand.Rand) float64 {
		v := math.Log1p(0.35 * 0.35)
		return 200 * math.Exp(math.Sqrt(v)*r.NormFloat64()-v/2)
	}, [3]float64{188.8, 251.3, 416.3}},
	{"exponential", func(r *rand.Rand) float64 { return 200 * r.ExpFloat64() }, [3]float64{138.6, 321.9, 921.0}},
	{"bimodal", func(r *rand.Rand) float64 {
		mode := 20.0
		if r.Float64() < 0.1 {
			mode = 2000
		}
		return mode * (0.9 + 0.2*r.Float64())
	}, [3]float64{18 + 4*5./9, 18 + 4*8./9, 1800 + 400*0.9}},
	{"constant", func(*rand.Rand) float64 { return 200 }, [3]float64{200, 200, 200}},
	{"pareto", func(r *rand.Rand) float64 { return pareto(r.Float64()) }, [3]float64{pareto(0.5), pareto(0.2), pareto(0.01)}},
}

// drawNormal is normal with mean 200 and deviation 70, but never negative.
func drawNormal(r *rand.Rand) float64 {
	for {
		if x := 200 + 70*r.NormFloat64(); x > 0 {
			return x
		}
	}
}

// pareto is the time that is exceeded with that chance, for mean 200 and index 1.8.
func pareto(chance float64) float64 {
	return 200 * 0.8 / 1.8 * math.Pow(chance, -1/1.8)
}

func (l hold) next(r *rand.Rand) time.Duration {
	return time.Duration(l.draw(r) * float64(time.Millisecond))
}

// observed is what a server knows after n holds.
type observed struct {
	hold   Histogram
	moment Moments
	law    Hazard
	rng    *rand.Rand
}

func observe(l hold, n int, seed uint64) *observed {
	o := &observed{rng: rand.New(rand.NewPCG(seed, 11))}
	for range n {
		x := l.next(o.rng)
		o.hold.Add(x)
		o.moment.Add(x)
	}
	o.law.Rebuild(&o.hold, nil, &o.moment)
	return o
}

// plain is the histogram of n holds that weigh all the same: merged one by one,
// none has decayed.
func plain(n int, add func(h *Histogram)) *Histogram {
	var all Histogram
	for range n {
		var one Histogram
		add(&one)
		all.Merge(&one)
	}
	return &all
}

func (o *observed) scene(now, since time.Duration) *Scene {
	return &Scene{
		Now: now, Since: since, Law: &o.law,
		Mean: o.moment.Mean(), Weight: o.moment.Weight(), Cycle: 220 * time.Millisecond,
	}
}

func ms(x float64) time.Duration { return time.Duration(x * float64(time.Millisecond)) }
