package cache

import (
	"testing"
	"time"
)

func TestExpiration(t *testing.T) {
	t.Parallel()
	now := time.Unix(1795263491, 999999999)
	for _, tt := range []struct {
		keep time.Duration
		want int32
	}{
		{-time.Hour, 2}, {0, 2}, {time.Nanosecond, 2}, {time.Second, 3}, {1500 * time.Millisecond, 3}, {time.Hour, 3602},
		{30*24*time.Hour - 3*time.Second, 30*24*3600 - 1}, {30 * 24 * time.Hour, 1795263491 + 30*24*3600 + 2},
		{1 << 62, 0},
	} {
		if got := expiration(tt.keep, now); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.keep, got, tt.want)
		}
	}
}
