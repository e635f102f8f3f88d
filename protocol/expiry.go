package protocol

import (
	"math"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
)

// maxRelative is the largest exptime, in seconds, that counts from now; beyond
// it an exptime is a Unix time. (memcached's REALTIME_MAXDELTA.)
const maxRelative = 60 * 60 * 24 * 30

// IsDate reports whether an exptime is a Unix time, and not one from now.
func IsDate(exptime int32) bool { return exptime > maxRelative }

// Lease turns an exptime into the time from now until the end: ttl.Forever for 0,
// zero or less if it is over already. now is asked for the wall clock only
// where the exptime is a Unix time.
func Lease(exptime int32, now func() time.Time) time.Duration {
	switch {
	case exptime == 0:
		return ttl.Forever
	case exptime < 0:
		return 0
	case exptime <= maxRelative:
		return time.Duration(exptime) * time.Second
	}
	return time.Unix(int64(exptime), 0).Sub(now())
}

// ParseExptime reads the exptime of touch, gat, flush_all and the meta flags T, N
// and R. It refuses what does not fit into 32 bits, as memcached 1.6.45 does. Only
// 2^31 to 2^32-1 is taken for what memcached 1.6.18 makes of it: the negative number
// that a client has sent which keeps its times unsigned.
func ParseExptime(s []byte) (exptime int32, ok bool) {
	n, ok := parseInt(s)
	return int32(n), ok && n >= math.MinInt32 && n <= math.MaxUint32
}

// parseStoredExptime reads the exptime of a storage command. All memcacheds cut it
// to 32 bits.
func parseStoredExptime(s []byte) (exptime int32, ok bool) {
	if len(s) > 1 && s[0] == '+' && s[1] != '-' {
		s = s[1:]
	}
	n, ok := parseInt(s)
	return int32(n), ok
}
