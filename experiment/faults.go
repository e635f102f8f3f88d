package main

import (
	"math/rand/v2"
	"time"
)

// faults are what goes wrong in a simulation.
type faults struct {
	dying float64       // the share of holders that die when they are to release the lock
	lease time.Duration // the TTL of a hold; a living holder renews it when it ends
	cold  bool          // the server knows nothing when a burst begins
}

// leaseHolds is how many mean holds a lease lasts: 5 s for holds of 200 ms.
const leaseHolds = 25

func (c *Config) faultsOf(l *Law) faults {
	return faults{dying: c.Dying, lease: leaseHolds * l.unit, cold: c.Cold}
}

// dies reports whether a holder dies.
func (f *faults) dies(r *rand.Rand) bool { return f.dying > 0 && r.Float64() < f.dying }

// leaseEnd returns when the lease that runs at time at ends. The hold has begun at since, and each
// lease follows the one before it.
func (f *faults) leaseEnd(since, at time.Duration) time.Duration {
	return since + f.lease*((at-since)/f.lease+1)
}

// occupied is the mean time for which a client keeps others from the lock.
func (f *faults) occupied(l *Law) time.Duration {
	return time.Duration((1-f.dying)*float64(l.Mean) + f.dying*float64(f.lease))
}
