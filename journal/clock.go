package journal

import (
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
)

// Moment is one instant on two clocks.
type Moment struct {
	BootID string        // which start of the machine Boot counts from; empty if unknown
	Boot   time.Duration // since the machine started, its sleep included (CLOCK_BOOTTIME)
	Wall   time.Time
}

// Clock tells the present moment.
type Clock func() Moment

// Machine is the Clock of this machine. Without a clock that counts the machine's sleep,
// the wall clock decides how long the machine was away.
func Machine() Moment {
	return Moment{BootID: bootID(), Boot: sinceBoot(), Wall: time.Now()}
}

// since is the time from o to m: exact if the machine was not restarted in
// between, and otherwise what the wall clock says, but never below 0.
func (m Moment) since(o Moment) time.Duration {
	if m.BootID != "" && m.BootID == o.BootID && m.Boot >= o.Boot {
		return m.Boot - o.Boot
	}
	return max(m.Wall.Round(0).Sub(o.Wall), 0) // Round: by the wall clock
}

// drift is by how much the wall clock was set between o and m.
func (m Moment) drift(o Moment) time.Duration {
	return m.Wall.Round(0).Sub(o.Wall.Round(0)) - (m.Boot - o.Boot)
}

// timeline joins the clocks of several starts of the machine: a time on the clock
// of the latest moment is ahead of the one on the timeline by ahead.
type timeline struct {
	latest Moment
	ahead  time.Duration
}

// reach advances to the next moment. The first one begins the timeline.
func (t *timeline) reach(m Moment) {
	if !t.latest.Wall.IsZero() {
		t.ahead += m.Boot - t.latest.Boot - m.since(t.latest)
	}
	t.latest = m
}

// from converts a time on the latest moment's clock to the timeline; to is the reverse.
// ttl.Forever stays as it is.
func (t *timeline) from(clock time.Duration) time.Duration { return shift(clock, -t.ahead) }
func (t *timeline) to(line time.Duration) time.Duration    { return shift(line, t.ahead) }

func shift(t, by time.Duration) time.Duration {
	if t == ttl.Forever {
		return t
	}
	if sum := t + by; by < 0 || sum >= t {
		return sum
	}
	return ttl.Forever
}
