package stats

import (
	"math"
	"testing"
	"time"
)

func TestTally(t *testing.T) {
	tests := []struct {
		name  string
		x     time.Duration
		bound time.Duration // the first that x does not exceed, 0 if it exceeds all
	}{
		{"negative", -time.Second, time.Millisecond},
		{"zero", 0, time.Millisecond},
		{"first-bound", time.Millisecond, time.Millisecond},
		{"above-first-bound", time.Millisecond + 1, 2500 * time.Microsecond},
		{"between", 200 * time.Millisecond, 250 * time.Millisecond},
		{"last-bound", 10 * time.Minute, 10 * time.Minute},
		{"above-last-bound", 10*time.Minute + 1, 0},
		{"longest", math.MaxInt64, 0},
	}
	var all Tally
	for i, tt := range tests {
		var one Tally
		one.Add(tt.x)
		for bound, n := range one.UpTo() {
			want := uint64(0)
			if tt.bound != 0 && bound >= tt.bound {
				want = 1
			}
			if n != want {
				t.Errorf("%s: %d are at most %v, want %d", tt.name, n, bound, want)
			}
		}
		if one.Count() != 1 || one.Seconds() != tt.x.Seconds() {
			t.Errorf("%s: %d durations, %v s", tt.name, one.Count(), one.Seconds())
		}
		all.Merge(&one)
		if all.Count() != uint64(i+1) {
			t.Errorf("%d durations after %d", all.Count(), i+1)
		}
	}
}

func TestTallyBoundsRise(t *testing.T) {
	for i := 1; i < len(bounds); i++ {
		if bounds[i-1] >= bounds[i] {
			t.Errorf("%v before %v", bounds[i-1], bounds[i])
		}
	}
}

func BenchmarkTally(b *testing.B) {
	for _, x := range []time.Duration{0, 200 * time.Millisecond, time.Hour} {
		b.Run(x.String(), func(b *testing.B) {
			b.ReportAllocs()
			var t Tally
			for b.Loop() {
				t.Add(x)
			}
		})
	}
}
