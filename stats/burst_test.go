package stats

import (
	"testing"
	"time"
)

// overtaken is called with the number of waiters that had waited for longer than the one
// that got the lock.
var overtaken = func(rank int) {}

// burst plays n clients that ask for one lock at once and come back when advised, until
// each has had it. It returns the tries and the idle time per grant, with a round trip of
// half a millisecond.
func burst(o *observed, l hold, n int, ranked bool) (tries, idle float64) {
	const trip = 500 * time.Microsecond
	var p Promises
	now, since, free, waited := time.Hour, time.Hour, time.Hour, time.Duration(0)
	due := make([]time.Duration, n) // by rank
	for i := range due {
		due[i] = now + time.Duration(i)
	}
	count := 0
	for cycle := time.Duration(0); len(due) > 0; {
		k := earliest(due)
		now = max(due[k], now)
		count++
		if now >= free {
			waited += now - free + trip
			overtaken(k)
			cycle = NextCycle(cycle, now-since)
			since = now
			x := l.next(o.rng)
			free = now + trip + x
			o.hold.Add(x)
			o.moment.Add(x)
			due = append(due[:k], due[k+1:]...)
			continue
		}
		if o.law.Stale(&o.hold, nil) {
			o.law.Rebuild(&o.hold, nil, &o.moment)
		}
		s := o.scene(now, since)
		s.Cycle = cycle
		var at time.Duration
		if ranked {
			at = p.AdviseRank(s, k)
		} else {
			at = p.Advise(s)
		}
		due[k] = now + time.Duration(RetryMs(now, at, 0))*time.Millisecond + trip
	}
	return float64(count) / float64(n), float64(waited) / float64(n) / 1e6
}

func earliest(due []time.Duration) int {
	k := 0
	for i, at := range due {
		if at < due[k] {
			k = i
		}
	}
	return k
}

// The bounds are the targets: ten tries, and a fifth of a mean hold idle from 100 waiters on,
// somewhat more below. Doubling from 100 ms needs 6.2 to 6.4 tries and leaves the lock idle for
// 10 to 17 s per hold when ten ask at once.
func TestBurst(t *testing.T) {
	for _, tt := range []struct {
		n           int
		tries, idle float64 // milliseconds
	}{{2, 2, 60}, {10, 5.6, 60}, {100, 9.5, 40}, {1000, 10, 40}} {
		for _, l := range holds {
			for _, ranked := range []bool{false, true} {
				o, rounds := observe(l, 500, 3), max(1, 400/tt.n)
				tries, idle := 0.0, 0.0
				for range rounds {
					a, b := burst(o, l, tt.n, ranked)
					tries, idle = tries+a/float64(rounds), idle+b/float64(rounds)
				}
				t.Logf("%4d clients, %-11s ranked %-5v: %.2f tries, idle %4.1f ms", tt.n, l.name, ranked, tries, idle)
				if tries > tt.tries+0.2 || idle > tt.idle {
					t.Errorf("%d clients, %s, ranked %v: %.2f tries, idle %.1f ms", tt.n, l.name, ranked, tries, idle)
				}
			}
		}
	}
}

// The waiter that has waited for longest mostly wins if ranks are known.
func TestRanksAreFair(t *testing.T) {
	jumps := func(ranked bool) (sum int) {
		o := observe(holds[0], 500, 3)
		overtaken = func(rank int) { sum += rank }
		defer func() { overtaken = func(int) {} }()
		burst(o, holds[0], 100, ranked)
		return sum
	}
	if ranked, slots := jumps(true), jumps(false); ranked > slots/2 {
		t.Errorf("%d waiters were overtaken with ranks, %d without", ranked, slots)
	}
}
