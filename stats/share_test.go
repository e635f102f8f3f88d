package stats

import (
	"testing"
	"time"
)

// Of two sources that take turns each has half of the whole, however often that was
// rescaled, and whatever has faded since.
func TestOthersAreWhatTheSourceDidNotObserve(t *testing.T) {
	for _, n := range []int{10, HalfLife, 100 * HalfLife} {
		for _, fade := range []float64{1, 0.5} {
			var whole, own Histogram
			var share Share
			for range n {
				own.Add(10 * time.Millisecond)
				share.Add(&whole, 10*time.Millisecond)
				whole.Add(time.Second)
				own.Censor(20 * time.Millisecond)
				share.Censor(&whole, 20*time.Millisecond)
				whole.Censor(2 * time.Second)
			}
			whole.Fade(fade)
			weight := whole.Weight()
			others := share.Others(&whole, &own)
			// The latest half weighs a little more than the one before.
			wantNear(t, "weight", others.Weight(), weight/2, 0.01*weight)
			wantNear(t, "shortest", others.Quantile(1e-5).Seconds(), 1, 0.032)
			wantNear(t, "released", others.released.sum()/others.total, 0.5, 0.01)
			if whole.Weight() != weight {
				t.Errorf("the whole weighs %v, %v before", whole.Weight(), weight)
			}
		}
	}
}

// The only source leaves nothing to others but what was observed before it had a Share.
func TestOthersOfTheOnlySource(t *testing.T) {
	var whole, own Histogram
	var share Share
	none := (*Share)(nil)
	for range 100 {
		own.Add(time.Second)
		share.Add(&whole, time.Second)
	}
	wantNear(t, "weight", share.Others(&whole, &own).Weight(), 0, 1e-4)
	for range HalfLife {
		none.Add(&whole, time.Minute)
	}
	wantNear(t, "weight of those without a Share", share.Others(&whole, &own).Weight(), 0.5/(1-decay), 0.5)

	var another Histogram
	another.Add(time.Second)
	wantNear(t, "weight of another whole", share.Others(&another, &own).Weight(), 1, 1e-6)
	share.Add(&another, time.Second)
	wantNear(t, "its weight with one of the source", share.Others(&another, &own).Weight(), decay, 1e-4)
}
