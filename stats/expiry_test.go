package stats

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// A fewHolds is a small sample: some holds that were all released after the same time, and
// some that expired.
type fewHolds struct {
	took, lease      time.Duration
	released, expire int
}

func (f fewHolds) String() string {
	return fmt.Sprintf("%d of %v released, %d of %v expired", f.released, f.took, f.expire, f.lease)
}

// record is what the server keeps of them: those that expired came first.
func (f fewHolds) record() *Record {
	r := &Record{HoldLaw: new(Histogram), WaitLaw: new(Histogram)}
	for range f.expire {
		r.Censored.Add(f.lease)
		r.HoldLaw.Censor(f.lease)
	}
	for range f.released {
		r.Hold.Add(f.took)
		r.HoldLaw.Add(f.took)
	}
	return r
}

// scene is a hold of that age under the law of these holds, be it that of a key without a
// class or that of a class: for a Rebuild both are the same.
func (f fewHolds) scene(r *Record, age time.Duration) *Scene {
	law := new(Hazard)
	law.Rebuild(r.HoldLaw, nil, &r.Hold)
	return &Scene{
		Now: time.Hour, Since: time.Hour - age, Expires: time.Hour - age + f.lease,
		Law: law, Mean: r.Hold.Mean(), Weight: r.Hold.Weight(),
	}
}

var fewHoldsExamples = []fewHolds{
	{took: 200 * time.Millisecond, lease: 5 * time.Second},
	{took: 1400 * time.Millisecond, lease: 40 * time.Second},
	{took: 50 * time.Millisecond, lease: time.Minute},
}

// One hold that expired does not make a heavy tail: pollers, even behind a queue, are told
// what they would be told without it, or a mean hold later.
func TestAdviceAfterOneExpiredHold(t *testing.T) {
	for _, f := range fewHoldsExamples {
		for f.released = 1; f.released <= 14; f.released++ {
			for _, age := range []time.Duration{1, f.took / 2, f.took * 9 / 10} {
				for queued := range 3 {
					f.expire = 0
					without := f.advice(age, queued)
					f.expire = 1
					latest := time.Duration(0) // a later poller may fill a hole between others
					for nth, at := range f.advice(age, queued) {
						if latest = max(latest, without[nth]); at > latest+f.took {
							t.Errorf("%v: poller %d behind %d in the queue comes after %v, without that %v",
								f, nth, queued, at, without[nth])
						}
					}
				}
			}
		}
	}
}

// Two in line, holds of 200 ms, one of which expired after 5 s: no waiter sleeps for
// seconds.
func TestAdviceBehindTwoInLine(t *testing.T) {
	f := fewHolds{took: 200 * time.Millisecond, lease: 5 * time.Second, expire: 1}
	for f.released = 1; f.released <= 10; f.released++ {
		if at := f.advice(1, 2)[0]; at < 400*time.Millisecond || at > 650*time.Millisecond {
			t.Errorf("%v: come after %v", f, at)
		}
	}
}

// advice is what three pollers are told in turn.
func (f fewHolds) advice(age time.Duration, queued int) (at [3]time.Duration) {
	s := f.scene(f.record(), age)
	s.Queued = queued
	var p Promises
	for i := range at {
		at[i] = p.Advise(s) - s.Now
	}
	return at
}

// A hold that is older than all that were released may last any time. A waiter that comes
// back once its age has doubled is not far off.
func TestAdviceBeyondTheLastEvent(t *testing.T) {
	for _, f := range fewHoldsExamples {
		f.expire = 1
		for f.released = 1; f.released <= 14; f.released++ {
			s := f.scene(f.record(), f.took*3/2)
			s.Queued = 1
			var p Promises
			if holds := float64(p.Advise(s)-s.Now) / float64(f.took); holds > 3 {
				t.Errorf("%v: whoever comes behind the queue sleeps for %.1f holds", f, holds)
			}
		}
	}
}

// Where many holds expire their holders die: no check is of use until the lease ends, and
// then a waiter checks at once.
func TestManyExpiredHoldsAreBelieved(t *testing.T) {
	f := fewHolds{took: 200 * time.Millisecond, lease: 5 * time.Second, released: 60, expire: 60}
	s := f.scene(f.record(), time.Second)
	var p Promises
	if at := p.Advise(s); at < s.Now+2*time.Second || at > s.Expires+2*time.Millisecond {
		t.Errorf("a hold of 1 s is looked at again in %v", at-s.Now)
	}
	if at := p.Advise(f.scene(f.record(), 1)); at > s.Now+300*time.Millisecond {
		t.Errorf("a new hold is looked at in %v", at-s.Now)
	}
}

// A key's law leans on its class: neither makes a heavy tail of the other's one expiry.
func TestOneExpiryOfAnotherLevel(t *testing.T) {
	good := fewHolds{took: 200 * time.Millisecond, released: 14}
	bad := fewHolds{took: 200 * time.Millisecond, lease: 5 * time.Second, released: 3, expire: 1}
	for name, levels := range map[string][2]fewHolds{"class": {good, bad}, "key": {bad, good}} {
		key, class := levels[0].record(), levels[1].record()
		var law Hazard
		law.Rebuild(key.HoldLaw, class.HoldLaw, &key.Hold)
		if r := law.Residual(0, 0.8); r > 300*time.Millisecond {
			t.Errorf("one hold of the %s expired, and four of five holds are expected to last up to %v", name, r)
		}
	}
}

func TestSuggestedTTLAfterExpiry(t *testing.T) {
	const took = 1400 * time.Millisecond
	for _, tt := range []struct {
		f        fewHolds
		from, to time.Duration
	}{
		{fewHolds{took, 40 * time.Second, 14, 0}, 2 * took, 5 * took},
		{fewHolds{took, 40 * time.Second, 14, 1}, 2 * took, 5 * took},
		{fewHolds{took, 40 * time.Second, 13, 1}, 2 * took, 5 * took},
		{fewHolds{took, time.Hour, 8, 1}, 2 * took, 5 * took},
		{fewHolds{took, 40 * time.Second, 14, 3}, 2 * took, 5 * took},
		// A lease of not quite two holds may have cut off a living one.
		{fewHolds{took, 2500 * time.Millisecond, 14, 1}, 5 * time.Second, 14 * time.Second},
		// Half of the holds outlive all others: no shorter lease is known to be enough.
		{fewHolds{took, 40 * time.Second, 8, 8}, 40 * time.Second, 43 * time.Second},
	} {
		if ttl := SuggestedTTL(tt.f.record().HoldLaw); ttl < tt.from || ttl > tt.to {
			t.Errorf("%v: suggested is %v, want %v to %v", tt.f, ttl, tt.from, tt.to)
		}
	}
}

// Expiries may dominate a class for so long that its releases have faded.
func TestSuggestedTTLOfFadedReleases(t *testing.T) {
	r := fewHolds{took: time.Second, lease: 10 * time.Second, released: 8}.record()
	for range 2000 {
		r.HoldLaw.Censor(10 * time.Second)
	}
	if ttl := SuggestedTTL(r.HoldLaw); ttl < 10*time.Second || ttl > 11*time.Second {
		t.Errorf("suggested is %v", ttl)
	}
}

func TestSuggestedWaitAfterOneExpiredHold(t *testing.T) {
	f := fewHolds{took: 1400 * time.Millisecond, lease: 40 * time.Second, released: 14, expire: 1}
	if wait := SuggestedWait(f.scene(f.record(), 1), 0, 0); wait > 2*f.took {
		t.Errorf("suggested is to wait for %v", wait)
	}
}

// The numbers of one distribution do not contradict each other, however small the sample
// is, whatever has expired, faded or come from elsewhere.
func TestFieldsAgree(t *testing.T) {
	for _, f := range []fewHolds{
		{time.Millisecond, time.Second, 1, 1}, {time.Millisecond, time.Second, 1, 20}, {time.Millisecond, time.Second, 0, 3},
		{20 * time.Millisecond, time.Millisecond, 1, 1}, {0, 0, 1, 1}, {1, time.Second, 5, 1},
		{1400 * time.Millisecond, 40 * time.Second, 14, 1},
	} {
		checkAgreement(t, f.String(), f.record())
	}
	rng := rand.New(rand.NewPCG(27, 1))
	for i := range 500 {
		r := fewHolds{lease: 5 * time.Second, expire: rng.IntN(3)}.record()
		for range rng.IntN(20) {
			x := holds[rng.IntN(len(holds))].next(rng)
			r.Hold.Add(x)
			r.Wait.Add(x)
			if rng.IntN(4) > 0 { // the laws may know less than the moments
				r.HoldLaw.Add(x)
				r.WaitLaw.Add(x)
			}
			r.Age(time.Duration(rng.Int64N(int64(24 * time.Hour))))
		}
		if rng.IntN(2) == 0 {
			r.Merge(fewHoldsExamples[rng.IntN(3)].record())
		}
		checkAgreement(t, fmt.Sprint("record ", i), r)
	}
}

func checkAgreement(t *testing.T, name string, r *Record) {
	t.Helper()
	v := make(map[string]float64)
	for _, f := range r.Fields() {
		if _, err := fmt.Sscan(f.Text, new(float64)); err != nil {
			t.Fatalf("%s: %s is %q", name, f.Name, f.Text)
		}
		x := v[f.Name]
		_, _ = fmt.Sscan(f.Text, &x)
		v[f.Name] = x
	}
	for _, order := range [][]string{
		{"hold_min_ms", "hold_mean_ms", "hold_max_ms"}, {"hold_p50_ms", "hold_p90_ms", "hold_p99_ms", "hold_max_ms"},
		{"wait_min_ms", "wait_mean_ms", "wait_max_ms"}, {"wait_p50_ms", "wait_p99_ms", "wait_max_ms"},
	} {
		for i := range order[1:] {
			if v[order[i]] > v[order[i+1]] {
				t.Errorf("%s: %s is %v, and %s %v", name, order[i], v[order[i]], order[i+1], v[order[i+1]])
			}
		}
	}
	for _, of := range []string{"hold", "wait"} {
		if p50 := v[of+"_p50_ms"]; p50 != 0 && p50 < v[of+"_min_ms"] {
			t.Errorf("%s: %s_p50_ms is %v, below the minimum of %v", name, of, p50, v[of+"_min_ms"])
		}
	}
	if (v["censored_count"] > 0) != (r.Censored.Count() > 0) || v["censored_max_ms"] != float64(r.Censored.Max())/1e6 {
		t.Errorf("%s: %v expired, for up to %v ms", name, v["censored_count"], v["censored_max_ms"])
	}
}
