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

// dies tells whether a holder does.
func (f *faults) dies(r *rand.Rand) bool { return f.dying > 0 && r.Float64() < f.dying }

// leaseEnd is when the lease ends that runs at a time, of a hold since an earlier one.
func (f *faults) leaseEnd(since, at time.Duration) time.Duration {
	return since + f.lease*((at-since)/f.lease+1)
}

// occupied is for how long a client keeps others from the lock, in the mean.
func (f *faults) occupied(l *Law) time.Duration {
	return time.Duration((1-f.dying)*float64(l.Mean) + f.dying*float64(f.lease))
}
