package protocol

import (
	"math"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
)

// maxRelative is the largest exptime, in seconds, that counts from now. A larger one is a
// Unix time. (memcached's REALTIME_MAXDELTA.)
const maxRelative = 60 * 60 * 24 * 30

// IsDate reports whether an exptime is a Unix time rather than seconds from now.
func IsDate(exptime int64) bool { return exptime > maxRelative }

// Lease turns an exptime into the time from now until the end: ttl.Forever for 0, zero or
// less if the end has passed. now returns the wall clock; it is called only if the exptime
// is a Unix time.
func Lease(exptime int64, now func() time.Time) time.Duration {
	switch {
	case exptime == 0:
		return ttl.Forever
	case exptime < 0:
		return 0
	case exptime <= maxRelative:
		return time.Duration(exptime) * time.Second
	}
	return time.Unix(exptime, 0).Sub(now())
}

// ParseExptime reads the exptime of touch, gat, flush_all and the meta flags T, N and R. Like
// memcached 1.6.45 it refuses what does not fit into 32 bits. Unlike it, and like memcached
// 1.6.18, it takes 2^31 to 2^32-1 for the negative number with the same bits, because clients
// with unsigned times send negative ones like that.
func ParseExptime(s []byte) (exptime int64, ok bool) {
	n, ok := parseInt(s)
	return int64(int32(n)), ok && n >= math.MinInt32 && n <= math.MaxUint32
}

// parseStoredExptime reads the exptime of a storage command. Every memcached cuts it to 32
// bits.
func parseStoredExptime(s []byte) (exptime int64, ok bool) {
	if len(s) > 1 && s[0] == '+' && s[1] != '-' {
		s = s[1:]
	}
	n, ok := parseInt(s)
	return int64(int32(n)), ok
}
