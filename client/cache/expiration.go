package cache

import (
	"math"
	"time"
)

const (
	// maxRelativeTime is the longest time that the protocol counts from now. A larger
	// exptime is a date.
	maxRelativeTime = 30 * 24 * time.Hour
	// lastUnixTime is where these dates end.
	lastUnixTime = math.MaxInt32
)

// expiration is the exptime of a cached value. It is over a little after the time to
// keep, since memcached's second may be nearly over when it begins. A date that has no
// room need not be known: the envelope says when the value is over.
func expiration(keep time.Duration, now time.Time) int32 {
	keep = max(keep, 0) + 2*time.Second
	if keep < maxRelativeTime {
		return int32(keep / time.Second)
	}
	if date := now.Add(keep).Unix(); date <= lastUnixTime {
		return int32(date)
	}
	return 0 // never
}
