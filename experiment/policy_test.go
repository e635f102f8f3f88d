package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestLaws(t *testing.T) {
	for _, name := range LawNames {
		law := mustLaw(t, name)
		r := rand.New(rand.NewPCG(1, 2))
		const n = 400_000
		var sum, squares float64
		for range n {
			x := law.hold(r).Seconds()
			if x <= 0 {
				t.Fatalf("%s: a hold of %v s", name, x)
			}
			sum += x
			squares += x * x
		}
		mean := sum / n
		if d := mean/law.Mean.Seconds() - 1; math.Abs(d) > 0.02 {
			t.Errorf("%s: mean %v s, want %v", name, mean, law.Mean)
		}
		sd := math.Sqrt(squares/n - mean*mean)
		if law.Stddev > 0 && math.Abs(sd/law.Stddev.Seconds()-1) > 0.02 {
			t.Errorf("%s: standard deviation %v s, want %v", name, sd, law.Stddev)
		}
	}
	if _, err := NewLaw("gamma", DefaultMean, DefaultStddev); err == nil {
		t.Error("gamma is a law")
	}
}

func TestLoads(t *testing.T) {
	for _, good := range []string{"b2", "b1000", "c10", "p0.5", "p0.95"} {
		l, err := ParseLoad(good)
		if err != nil || l.String() != good {
			t.Errorf("%s: %v, %v", good, l, err)
		}
	}
	for _, bad := range []string{"", "b", "b1", "b-2", "b2.5", "c100001", "p0", "p1", "pNaN", "p-1", "10", "x10"} {
		if l, err := ParseLoad(bad); err == nil {
			t.Errorf("%q is read as %v", bad, l)
		}
	}
}

// pauses returns the pauses of a client that is refused again and again.
func pauses(policy *Policy, random *rand.Rand, n int) []time.Duration {
	var list []time.Duration
	r := refusal{rand: random}
	for range n {
		r.nth++
		r.last = policy.pause(&r)
		list = append(list, r.last)
	}
	return list
}

func TestBackoff(t *testing.T) {
	const ms = time.Millisecond
	got := pauses(mustPolicy(t, "exp100"), nil, 40)
	if want := []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms}; !slices.Equal(got[:5], want) {
		t.Errorf("exp100: %v", got)
	}
	if !slices.IsSorted(got) {
		t.Errorf("exp100 overflows: %v", got)
	}
	got = pauses(mustPolicy(t, "exp100cap1s"), nil, 5)
	if want := []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1000 * ms}; !slices.Equal(got, want) {
		t.Errorf("exp100cap1s: %v", got)
	}
	for _, tt := range []struct {
		policy      string
		nth         int
		least, most time.Duration
	}{
		{"fulljit", 1, 0, 100 * ms}, {"fulljit", 4, 0, 800 * ms}, {"fulljit", 30, 0, 10 * time.Second},
		{"decorr", 1, 100 * ms, 300 * ms}, {"decorr", 30, 100 * ms, 10 * time.Second},
		{"dogpile", 1, 400 * ms, 800 * ms}, {"dogpile", 3, 1600 * ms, 2800 * ms},
		{"dogpile", 30, 32768 * time.Second * 10 / 25, 32784 * time.Second * 10 / 25},
	} {
		var seen []time.Duration
		for seed := range uint64(300) {
			all := pauses(mustPolicy(t, tt.policy), rand.New(rand.NewPCG(seed, 1)), tt.nth)
			seen = append(seen, all[tt.nth-1])
		}
		room := (tt.most - tt.least) / 10
		if slices.Min(seen) < tt.least || slices.Max(seen) > tt.most || slices.Max(seen)-slices.Min(seen) < 6*room {
			t.Errorf("%s, refusal %d: from %v to %v, want most of %v to %v", tt.policy, tt.nth, slices.Min(seen), slices.Max(seen), tt.least, tt.most)
		}
	}
}

func TestArticle(t *testing.T) {
	tests := []struct {
		age     time.Duration
		waiters int
		want    time.Duration
	}{
		{0, 1, 200 * time.Millisecond},                       // the median, nearly
		{10 * time.Millisecond, 1, 191 * time.Millisecond},   // conditional on 10 ms
		{200 * time.Millisecond, 1, 50 * time.Millisecond},   // 47 ms, but at most 20 tries a second
		{200 * time.Millisecond, 10, 500 * time.Millisecond}, // of all together
		{time.Hour, 1, 50 * time.Millisecond},
	}
	for _, tt := range tests {
		r := refusal{scene: scene{mean: DefaultMean, stddev: DefaultStddev, age: tt.age, waiters: tt.waiters}}
		if got := evenChance(&r); (got - tt.want).Abs() > time.Millisecond {
			t.Errorf("age %v, %d waiters: %v, want %v", tt.age, tt.waiters, got, tt.want)
		}
	}
	r := refusal{scene: scene{mean: DefaultMean, age: 50 * time.Millisecond, waiters: 1}}
	if got := evenChance(&r); got != 150*time.Millisecond {
		t.Errorf("without deviation: %v", got)
	}
}

func TestAgendaIsInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var a agenda
	for i := range 1000 {
		a.plan(event{at: time.Duration(r.IntN(100)), client: i})
	}
	last := event{at: -1}
	for range 1000 {
		e := a.next()
		if e.at < last.at || e.at == last.at && e.client < last.client {
			t.Fatalf("%+v after %+v", e, last)
		}
		last = e
	}
}

func TestJain(t *testing.T) {
	for _, tt := range []struct {
		shares []int
		n      int
		want   float64
	}{{[]int{5, 5, 5, 5}, 4, 1}, {[]int{7}, 4, 0.25}, {[]int{1, 1}, 4, 0.5}} {
		if got := jain(tt.shares, tt.n); math.Abs(float64(got)-tt.want) > 1e-9 {
			t.Errorf("%v of %d: %v", tt.shares, tt.n, got)
		}
	}
}

func TestLedgerCountsIdleTime(t *testing.T) {
	const s = time.Second
	var l ledger
	l.measure(0)
	l.wants(1 * s) // nobody wanted it before
	l.uses(0, 2*s, 1*s, 1)
	l.wants(3 * s)
	l.used(2*s, 5*s)
	l.uses(1, 9*s, 3*s, 2)
	l.used(9*s, 10*s)
	l.wants(12 * s)
	l.stop(20 * s)
	if l.idle != (1+4+8)*s || l.inUse != 4*s || l.left != 1 {
		t.Errorf("idle %v, in use %v, %d left", l.idle, l.inUse, l.left)
	}
	if l.acquired[1] != (acquisition{tries: 2, wait: 6 * s, idle: 4 * s}) {
		t.Errorf("%+v", l.acquired)
	}
}
