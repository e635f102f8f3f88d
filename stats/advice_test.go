package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"
)

func TestWaitersThatAskAtOnceAreSpread(t *testing.T) {
	for _, l := range holds {
		o := observe(l, 500, 1)
		for _, n := range []int{2, 10, 100, 1000} {
			var p Promises
			s := o.scene(time.Hour, time.Hour)
			var slots []time.Duration
			for range n {
				slots = append(slots, p.Advise(s))
			}
			slices.Sort(slots)
			// An eighth of the mean, but less between two promises that stretched it.
			least := time.Duration(o.moment.Mean() / perHold * 0.33)
			for i := range slots[1:] {
				if apart := slots[i+1] - slots[i]; apart < least {
					t.Errorf("%s: two of %d slots are %v apart", l.name, n, apart)
				}
			}
			if mean := (slots[n-1] - s.Now) / time.Duration(n); n >= 100 && mean > 5*least {
				t.Errorf("%s: %d slots are %v apart on average, too few too late", l.name, n, mean)
			}
		}
	}
}

func TestPromises(t *testing.T) {
	o := observe(holds[0], 500, 1)
	var p Promises
	s := o.scene(time.Hour, time.Hour)

	peeked := p.Peek(s)
	if again := p.Peek(s); again != peeked || p.Len() != 0 {
		t.Errorf("a peek was remembered: %v, then %v", peeked, again)
	}
	first, second := p.Advise(s), p.Advise(s)
	if first != peeked || second == first {
		t.Errorf("advice is %v and %v after a peek at %v", first, second, peeked)
	}
	p.Cancel(first)
	if at := p.Advise(s); at >= second {
		t.Errorf("the place of a waiter that has gone is not given to the next: %v, %v, %v", first, second, at)
	}
	p.Cancel(first + 1)
	if p.Len() != 2 {
		t.Errorf("%d promises after one was cancelled that was never made", p.Len())
	}
	s.Now, s.Since = first, first // the first waiter came in time, and was a moment too late
	if at := p.Advise(s); at == second || p.Len() != 2 {
		t.Errorf("promised %v, as to the second, or forgot something: %d left", at, p.Len())
	}
}

// However advice is asked for, some waiter checks within two milliseconds of the end of the
// lease before any is told to sleep past it.
func TestSomebodyLooksWhenTheLeaseEnds(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 5))
	for _, l := range holds {
		o := observe(l, 200, 1)
		var p Promises
		now := time.Hour
		for range 2000 {
			now += ms(20 * rng.Float64())
			s := o.scene(now, now-ms(300*rng.Float64()))
			s.Expires = now + ms(math.Exp(8*rng.Float64())) // to 3 s
			if rng.IntN(2) == 0 {
				s.Law = nil
			}
			at := p.AdviseRank(s, rng.IntN(20)-1)
			if at > s.Expires && !slices.ContainsFunc(p.pending(), func(x time.Duration) bool {
				return x >= s.Expires && x <= s.Expires+2*time.Millisecond
			}) {
				t.Fatalf("%s: %v after the end of the lease, and nobody looks before", l.name, at-s.Expires)
			}
		}
	}
}

func TestAdviceAtTheEndOfTheLease(t *testing.T) {
	long := observe(hold{draw: func(*rand.Rand) float64 { return 60_000 }}, 100, 1)
	s := long.scene(time.Hour, time.Hour)
	s.Expires = time.Hour + 2*time.Second
	var p Promises
	if at := p.Advise(s); at != s.Expires+time.Millisecond {
		t.Errorf("the look at a lease of 2 s is after %v", at-s.Now)
	}
	if at := p.Advise(s); at <= s.Expires+2*time.Millisecond {
		t.Errorf("the second look is with the first, after %v", at-s.Now)
	}
	s.Now, s.Since = s.Expires+time.Second, s.Now // nobody has noticed that it ended
	if at := p.Advise(s); at <= s.Now || at > s.Now+defaultMax {
		t.Errorf("the look at a hold past its lease is after %v", at-s.Now)
	}
}

func TestPollersComeBehindTheQueue(t *testing.T) {
	o := observe(holds[4], 500, 1) // 200 ms each
	s := o.scene(time.Hour, time.Hour-100*time.Millisecond)
	s.Queued = 3
	s.Expires = time.Hour + 500*time.Millisecond
	var p Promises
	first := p.Advise(s) - s.Now
	if first < 690*time.Millisecond || first > 760*time.Millisecond {
		t.Errorf("100 ms and three holds of 200 ms ahead: come in %v", first)
	}
	if second := p.Advise(s) - s.Now; second < first+20*time.Millisecond {
		t.Errorf("the second comes at %v, the first at %v", second, first)
	}
}

func TestNoAdviceIsCloserThanTheSpacing(t *testing.T) {
	o := observe(holds[0], 500, 1)
	s := o.scene(time.Hour, time.Hour)
	s.Spacing = 300 * time.Millisecond
	for _, ranked := range []bool{false, true} {
		var p Promises
		for i := range 100 {
			if ranked && i < 3 {
				p.AdviseRank(s, i)
			} else {
				p.Advise(s)
			}
		}
		for i := range p.pending()[1:] {
			if apart := p.pending()[i+1] - p.pending()[i]; apart < s.Spacing && !ranked {
				t.Errorf("two slots are %v apart", apart)
			}
		}
		if p.pending()[0] < s.Now+s.Spacing {
			t.Errorf("the first slot is after %v", p.pending()[0]-s.Now)
		}
	}
}

// Times that would be past Max keep the Spacing too, from each other as well as from those
// that were given out near it before.
func TestAdviceNearMaxKeepsTheSpacing(t *testing.T) {
	for _, l := range holds {
		for _, most := range []time.Duration{2 * time.Second, 5 * time.Second, 10 * time.Second} {
			s := observe(l, 500, 1).scene(time.Hour, time.Hour)
			s.Max, s.Spacing = most, time.Millisecond
			var p Promises
			for range 200 {
				p.Advise(s)
			}
			for i, at := range p.pending()[1:] {
				if apart := at - p.pending()[i]; apart < s.Spacing {
					t.Errorf("%s within %v: two slots are %v apart", l.name, most, apart)
				}
			}
		}
	}
}

// An overloaded server multiplies the price by the square of the rate over its
// limit; then half as many tries are made at four times the price.
func TestOverloadSlowsEverybody(t *testing.T) {
	last := func(overload float64) time.Duration {
		o := observe(holds[0], 500, 1)
		var p Promises
		s := o.scene(time.Hour, time.Hour)
		s.Overload = overload
		for range 100 {
			p.Advise(s)
		}
		return p.pending()[99] - s.Now
	}
	wantNear(t, "four times the price", float64(last(4))/float64(last(1)), 2, 0.3)
	if last(0.1) != last(1) || last(math.NaN()) != last(1) {
		t.Error("an overload below 1 changes something")
	}
}

func TestRankedAdvice(t *testing.T) {
	o := observe(holds[0], 500, 1)
	s := o.scene(time.Hour, time.Hour)
	var p Promises
	at := make([]time.Duration, 10)
	for rank := range at {
		peeked := p.PeekRank(s, rank)
		if at[rank] = p.AdviseRank(s, rank); at[rank] != peeked {
			t.Errorf("advice is %v after a peek at %v", at[rank], peeked)
		}
	}
	// Neighbours may swap, as each waiter is moved to where there is room.
	if at[9] < 1500*time.Millisecond+s.Now || at[0] > 250*time.Millisecond+s.Now || at[9] < at[5] || at[5] < at[2] {
		t.Errorf("ranks come after %v", at)
	}
	if at := p.AdviseRank(s, math.MaxInt); at > s.Now+defaultMax {
		t.Errorf("the last in a long line comes after %v", at-s.Now)
	}
}

func TestRankFallsBackToSlots(t *testing.T) {
	normal := observe(holds[0], 500, 1)
	for name, change := range map[string]func(*Scene){
		"two-modes":     func(s *Scene) { s.Law = &observe(holds[3], 500, 1).law },
		"heavy-tail":    func(s *Scene) { s.Law = &observe(holds[5], 500, 2).law },
		"nothing-known": func(s *Scene) { s.Law = nil },
		"too-few":       func(s *Scene) { s.Law = &observe(holds[0], 20, 1).law },
		"absentees":     func(s *Scene) { s.Absent = 0.3 },
		"queue":         func(s *Scene) { s.Queued = 1 },
	} {
		s := normal.scene(time.Hour, time.Hour)
		change(s)
		var ranked, slots Promises
		for rank := range 20 {
			if a, b := ranked.AdviseRank(s, rank), slots.Advise(s); a != b {
				t.Errorf("%s: rank %d comes at %v, in a slot it were %v", name, rank, a, b)
			}
		}
	}
}

// As the hold outlasts everything seen, checks become rarer, in proportion to its age.
func TestOldHoldsAreLookedAtLessOften(t *testing.T) {
	o := observe(holds[0], 500, 1)
	tries := 0
	var p Promises
	for now := time.Duration(0); now < 50*time.Minute; tries++ {
		now = p.Advise(o.scene(now, 0))
	}
	if tries < 400 || tries > 600 { // one in 5 s, or a little longer in the end
		t.Errorf("%d looks at a hold of 50 minutes", tries)
	}
	first := o.law.Gap(2*time.Second, 50*time.Millisecond)
	if later := o.law.Gap(20*time.Second, 500*time.Millisecond); later < 3*first {
		t.Errorf("gaps are %v at 2 s and %v at 20 s", first, later)
	}
}

func TestAdviceIsBounded(t *testing.T) {
	strange := []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0, 1e-300, 1, 1e300}
	times := []time.Duration{math.MinInt64, -time.Hour, -1, 0, 1, time.Second, time.Hour, math.MaxInt64}
	one := observe(holds[0], 1, 1)
	var p Promises
	for _, now := range []time.Duration{0, time.Hour, 1, -time.Hour, farthest, -farthest, time.Hour} {
		for _, x := range times {
			for _, y := range strange {
				s := Scene{Now: now, Since: x, Expires: x, Law: &one.law, Mean: y, Weight: y, Overload: y, Absent: y}
				checkBounds(t, &p, &s)
				s = Scene{Now: now, Since: now, Spacing: x, Cycle: x, Mean: 1e8, Weight: y, Queued: int(x)}
				checkBounds(t, &p, &s)
				s = Scene{Now: now, Since: now - x, Law: &one.law, Max: x, Mean: y, Weight: 1e9, Expires: now + 1}
				checkBounds(t, &p, &s)
			}
		}
	}
}

// checkBounds asks in every way there is.
func checkBounds(t *testing.T, p *Promises, s *Scene) {
	t.Helper()
	from, to := s.Now+time.Millisecond, s.Now+s.max()
	for _, at := range []time.Duration{
		p.Peek(s), p.Advise(s), p.Advise(s), p.PeekRank(s, 3), p.AdviseRank(s, 3), p.AdviseRank(s, -1),
	} {
		if at < from || at > to {
			t.Fatalf("advice is %v from now: %+v", at-s.Now, *s)
		}
	}
	if p.Len() > maxPromises || !slices.IsSorted(p.pending()) {
		t.Fatalf("%d promises, sorted: %v", p.Len(), slices.IsSorted(p.pending()))
	}
	if wait := SuggestedWait(s, s.Mean, s.Queued); wait < 0 {
		t.Fatalf("suggested wait is %v: %+v", wait, *s)
	}
}

func FuzzAdvise(f *testing.F) {
	f.Add(int64(1), int64(0), int64(0), 1e8, 3.0, int64(0), int64(0), 1.0, int64(0), 0, uint8(9))
	f.Add(int64(5e9), int64(6e9), int64(5e9+1), math.NaN(), -1.0, int64(-1), int64(1), 1e9, int64(1), 9, uint8(255))
	laws := []*Hazard{nil, {}}
	for _, l := range holds {
		laws = append(laws, &observe(l, 100, 1).law)
	}
	f.Fuzz(func(t *testing.T, now, since, expires int64, mean, weight float64, cycle, spacing int64, overload float64, most int64, queued int, steps uint8) {
		var p Promises
		for i := range steps {
			s := Scene{
				Now: clamp(time.Duration(now), -farthest, farthest), Since: time.Duration(since), Expires: time.Duration(expires),
				Law: laws[int(i)%len(laws)], Mean: mean, Weight: weight, Cycle: time.Duration(cycle),
				Spacing: time.Duration(spacing), Overload: overload, Max: time.Duration(most), Queued: queued, Absent: mean,
			}
			checkBounds(t, &p, &s)
			now += since % int64(time.Second) // backwards, too
			p.Cancel(p.Peek(&s))
		}
	})
}

func TestPromisesAreBounded(t *testing.T) {
	o := observe(holds[0], 500, 1)
	var p Promises
	s := o.scene(time.Hour, time.Hour)
	seen := make(map[time.Duration]bool)
	for range 3 * maxPromises {
		seen[p.Advise(s)] = true
	}
	if p.Len() != maxPromises || cap(p.slots) > 2*maxPromises {
		t.Errorf("%d promises are remembered, with room for %d", p.Len(), cap(p.slots))
	}
	if len(seen) < 3*maxPromises-10 {
		t.Errorf("%d waiters share %d times", 3*maxPromises, len(seen))
	}
	s.Now += time.Hour
	p.Peek(s)
	if p.Len() != 0 || p.slots != nil {
		t.Errorf("%d promises left when all times have come, with room for %d", p.Len(), cap(p.slots))
	}
	if size := unsafe.Sizeof(p); size > 48 {
		t.Errorf("no promises take %d bytes", size)
	}
}

func TestPromisesWhenTheClockIsSetBack(t *testing.T) {
	o := observe(holds[0], 500, 1)
	var p Promises
	s := o.scene(10*time.Hour, 10*time.Hour)
	for range 100 {
		p.Advise(s)
	}
	back := o.scene(time.Hour, time.Hour)
	if at := p.Advise(back); at > back.Now+time.Second || p.Len() != 1 {
		t.Errorf("advice is %v from now, and %d promises lie in the future", at-back.Now, p.Len())
	}
}

// Promises behave like a plain slice.
func TestPromisesAgainstAModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	var p Promises
	var model []time.Duration
	now := time.Duration(0)
	for range 20000 {
		at := now + time.Duration(rng.IntN(1000))
		switch k := rng.IntN(10); {
		case k < 5:
			p.insert(at)
			model = append(model, at)
			slices.Sort(model)
		case k < 8:
			p.Cancel(at)
			if i := slices.Index(model, at); i >= 0 {
				model = slices.Delete(model, i, i+1)
			}
		default:
			now += time.Duration(rng.IntN(30))
			p.prune(now, now+990)
			model = slices.DeleteFunc(model, func(x time.Duration) bool { return x < now || x > now+990 })
		}
		if !slices.Equal(p.pending(), model) {
			t.Fatalf("%v, want %v", p.pending(), model)
		}
	}
}

func TestAdviceDoesNotAllocate(t *testing.T) {
	o := observe(holds[0], 500, 1)
	for _, n := range []int{1, 1000} {
		var p Promises
		s := o.scene(time.Hour, time.Hour)
		for range n {
			p.Advise(s)
		}
		allocs := testing.AllocsPerRun(5000, func() {
			s.Now = p.pending()[0]
			p.Cancel(s.Now)
			p.AdviseRank(s, 0)
			p.Advise(s)
			p.Cancel(p.pending()[p.Len()-1])
		})
		if allocs != 0 {
			t.Errorf("advice allocates %v times with %d promises", allocs, n)
		}
	}
}

func TestRetryMs(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name           string
		now, at, limit time.Duration
		want           int64
	}{
		{"whole", 5, 5 + 20*ms, time.Second, 20},
		{"rounded-up", 5, 6 + 20*ms, time.Second, 21},
		{"now", 5, 5, time.Second, 1},
		{"past", 5, 4, time.Second, 1},
		{"long-past", math.MaxInt64, math.MinInt64, time.Second, 1},
		{"limit", 0, 20 * ms, 10 * ms, 10},
		{"limit-not-whole", 0, 20 * ms, 10*ms + 1, 10},
		{"limit-below-1", 0, 20 * ms, 1, 1},
		{"no-limit", 0, time.Hour, 0, 60000},
		{"far", math.MinInt64, math.MaxInt64, time.Second, 1000},
	} {
		if got := RetryMs(tt.now, tt.at, tt.limit); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestNextCycle(t *testing.T) {
	cycle := NextCycle(0, time.Second)
	if cycle != time.Second {
		t.Errorf("after the first it is %v", cycle)
	}
	for range 64 {
		cycle = NextCycle(cycle, 3*time.Second)
	}
	wantNear(t, "after 64 of another length", cycle.Seconds(), 3-2/math.E, 0.02)
	if NextCycle(cycle, -time.Hour) < 0 || NextCycle(-1, -1) != 0 {
		t.Error("negative cycles")
	}
}
