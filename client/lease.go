package client

import (
	"fmt"
	"math"
	"time"
)

const (
	// maxRelative is the longest time that the protocol counts from now. A larger
	// exptime is a date, by the clock of the server.
	maxRelative = 30 * 24 * time.Hour
	// lastDate is where the dates of the protocol end, in January 2038: memcached and
	// gomemcache keep 32 bits, one of them for the sign.
	lastDate = math.MaxInt32
	// datesEnd is by how much before that a TTL ends at the latest: it is rounded up.
	datesEnd = 3 * time.Second
)

// CheckTTL is ErrTTL if no lock can last that long, counted from now.
func CheckTTL(ttl time.Duration) error { return checkTTL(ttl, time.Now()) }

func checkTTL(ttl time.Duration, now time.Time) error {
	if ttl < 0 || now.Add(ttl).After(time.Unix(lastDate, 0).Add(-datesEnd)) {
		return fmt.Errorf("%w: %v", ErrTTL, ttl)
	}
	return nil
}

// whole is a lease as the server keeps it, in whole seconds.
func whole(ttl time.Duration) time.Duration {
	return (ttl + time.Second - 1).Truncate(time.Second)
}

// exptime is a lease as the protocol has it. On plain memcached, whose clock ticks
// once a second, n seconds may last n-1 and a little.
func exptime(ttl time.Duration, k kind, now time.Time) (int32, error) {
	if err := checkTTL(ttl, now); err != nil {
		return 0, err
	}
	lease := whole(ttl)
	if k == plain {
		lease += time.Second
	}
	if lease <= maxRelative {
		return int32(lease / time.Second), nil
	}
	return int32(now.Add(lease + time.Second - 1).Unix()), nil
}
