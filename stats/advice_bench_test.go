package stats

import (
	"fmt"
	"testing"
	"time"
)

// Waiters come back when they were told to, and are refused again, whatever age the hold
// has then.
func BenchmarkAdvise(b *testing.B) {
	for _, l := range holds {
		for _, n := range []int{1, 10, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", l.name, n), func(b *testing.B) {
				benchmarkAdvise(b, l, n, (*Promises).Advise)
			})
		}
	}
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("nothing-known/%d", n), func(b *testing.B) { benchmarkAdvise(b, holds[0], n, adviseUnknown) })
	}
	b.Run("older-than-ever/1000", func(b *testing.B) { benchmarkAdvise(b, holds[0], 1000, adviseOld) })
	b.Run("ranked/1000", func(b *testing.B) {
		benchmarkAdvise(b, holds[0], 1000, func(p *Promises, s *Scene) time.Duration {
			return p.AdviseRank(s, p.Len()/2)
		})
	})
}

func adviseUnknown(p *Promises, s *Scene) time.Duration {
	s.Law, s.Mean, s.Weight, s.Cycle = nil, 0, 0, 0
	return p.Advise(s)
}

func adviseOld(p *Promises, s *Scene) time.Duration {
	s.Since = s.Now - 10*time.Second
	return p.Advise(s)
}

func benchmarkAdvise(b *testing.B, l hold, n int, advise func(*Promises, *Scene) time.Duration) {
	o := observe(l, 500, 5)
	ages := make([]time.Duration, 256)
	for i := range ages { // the ages at which a waiter sees the lock are length-biased
		ages[i] = time.Duration(o.rng.Float64() * float64(l.next(o.rng)))
	}
	var p Promises
	now, i := time.Hour, 0
	s := o.scene(now, now)
	for p.Len() < n-1 {
		advise(&p, s)
	}
	b.ReportAllocs()
	for b.Loop() {
		if p.Len() > 0 {
			now = max(p.pending()[0], now)
			p.Cancel(now)
		}
		i++
		s.Now, s.Since = now, now-ages[i%len(ages)]
		for advise(&p, s); p.Len() < n-1; {
			advise(&p, s) // those due within the same millisecond were forgotten
		}
	}
}

func BenchmarkGap(b *testing.B) {
	for _, l := range holds {
		b.Run(l.name, func(b *testing.B) {
			o := observe(l, 500, 5)
			age := time.Duration(0)
			for b.Loop() {
				age = (age + 1037*time.Microsecond) % (400 * time.Millisecond)
				o.law.Gap(age, 50*time.Millisecond)
			}
		})
	}
}

func BenchmarkRebuild(b *testing.B) {
	o, class := observe(holds[0], 500, 5), observe(holds[5], 500, 6)
	b.ReportAllocs()
	for b.Loop() {
		o.law.Rebuild(&o.hold, &class.hold, &o.moment)
	}
}

func BenchmarkHistogramAdd(b *testing.B) {
	o := observe(holds[5], 500, 5)
	x := 100 * time.Millisecond
	b.ReportAllocs()
	for b.Loop() {
		x = (x*5 + 1) & (1<<30 - 1)
		o.hold.Add(x)
	}
}

func BenchmarkQuantile(b *testing.B) {
	o := observe(holds[5], 500, 5)
	for b.Loop() {
		o.hold.Quantile(0.99)
	}
}

func BenchmarkSolo(b *testing.B) {
	for b.Loop() {
		Solo(200*time.Millisecond, 70*time.Millisecond, 150*time.Millisecond, 10, 0, 0.5)
	}
}
