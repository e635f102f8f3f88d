package protocol

import (
	"math"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
)

func TestLease(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 5e8, time.UTC) // half past a second
	unix := now.Unix()
	const day = 24 * 60 * 60
	for _, tt := range []struct {
		name    string
		exptime int64
		want    time.Duration
	}{
		{"zero-is-forever", 0, ttl.Forever},
		{"one", 1, time.Second},
		{"minus-one", -1, 0},
		{"min", math.MinInt32, 0},
		{"30-days", 30 * day, 30 * 24 * time.Hour},
		{"30-days-and-1", 30*day + 1, time.Unix(30*day+1, 0).Sub(now)}, // in 1970
		{"absolute-ahead", unix + 10, 9500 * time.Millisecond},
		{"absolute-next-second", unix + 1, 500 * time.Millisecond},
		{"absolute-this-second", unix, -500 * time.Millisecond},
		{"absolute-past", unix - 10, -10500 * time.Millisecond},
		{"unsigned-max-is-in-2106", math.MaxUint32, time.Date(2106, 2, 7, 6, 28, 15, 0, time.UTC).Sub(now)},
		{"max-is-in-2038", math.MaxInt32, time.Date(2038, 1, 19, 3, 14, 7, 0, time.UTC).Sub(now)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Lease(tt.exptime, func() time.Time { return now }); got != tt.want {
				t.Errorf("exptime %d leases for %v, want %v", tt.exptime, got, tt.want)
			}
		})
	}
}

// The clock is read only if the exptime is a Unix time: reading it would cost more than the rest
// of parsing a request.
func TestLeaseReadsNoClockForRelativeTimes(t *testing.T) {
	for _, exptime := range []int64{-1, 0, 1, maxRelative} {
		Lease(exptime, func() time.Time {
			t.Errorf("exptime %d reads the clock", exptime)
			return time.Time{}
		})
	}
}
