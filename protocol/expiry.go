package protocol

import (
	"math"
	"time"
)

// Forever is the lease that does not end.
const Forever = time.Duration(math.MaxInt64)

// maxRelative is the largest exptime, in seconds, that counts from now; beyond
// it an exptime is a Unix time. (memcached's REALTIME_MAXDELTA.)
const maxRelative = 60 * 60 * 24 * 30

// Lease turns an exptime into the time from now until the end: Forever for 0,
// zero or less if it is over already. now is asked for the wall clock only
// where the exptime is a Unix time.
func Lease(exptime int64, now func() time.Time) time.Duration {
	switch {
	case exptime == 0:
		return Forever
	case exptime < 0:
		return 0
	case exptime <= maxRelative:
		return time.Duration(exptime) * time.Second
	}
	// Past the year 2262 a Duration overflows; Sub saturates at Forever.
	return time.Unix(min(exptime, math.MaxInt32*16), 0).Sub(now())
}
