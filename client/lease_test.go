package client

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"
)

const day = 24 * time.Hour

func TestExptime(t *testing.T) {
	t.Parallel()
	now := time.Unix(1795263491, 500)
	last := time.Unix(math.MaxInt32, 0).Sub(now)
	for _, tt := range []struct {
		ttl            time.Duration
		onLockcached   int32
		onPlain        int32
		beyondAllDates bool
	}{
		{ttl: 0, onLockcached: 0, onPlain: 1},
		{ttl: time.Nanosecond, onLockcached: 1, onPlain: 2},
		{ttl: time.Second, onLockcached: 1, onPlain: 2},
		{ttl: 1500 * time.Millisecond, onLockcached: 2, onPlain: 3},
		{ttl: 30*day - time.Second, onLockcached: 2591999, onPlain: 2592000},
		// A number above 30 days would be a date of January 1970.
		{ttl: 30 * day, onLockcached: 2592000, onPlain: 1795263492 + 2592001},
		{ttl: 30*day + 1, onLockcached: 1795263492 + 2592001, onPlain: 1795263492 + 2592002},
		{ttl: 365 * day, onLockcached: 1795263492 + 365*86400, onPlain: 1795263492 + 365*86400 + 1},
		{ttl: last - 4*time.Second, onLockcached: math.MaxInt32 - 3, onPlain: math.MaxInt32 - 2},
		{ttl: last - 2*time.Second, beyondAllDates: true},
		{ttl: math.MaxInt64, beyondAllDates: true},
		{ttl: -1, beyondAllDates: true},
	} {
		for k, want := range map[kind]int32{lockcached: tt.onLockcached, plain: tt.onPlain} {
			got, err := exptime(tt.ttl, k, now)
			if got != want || errors.Is(err, ErrTTL) != tt.beyondAllDates {
				t.Errorf("%v on %v: %d, %v, want %d", tt.ttl, k, got, err, want)
			}
		}
	}
}

// Leases around 30 days last, however they began.
func TestLongLeases(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		c, other := newClient(t, Config{TTL: 40 * day}, addr), newClient(t, Config{}, addr)
		for i, ttl := range []time.Duration{0, 30*day - time.Second, 30 * day, 30*day + time.Second, 31 * day, 365 * day} {
			key := fmt.Sprint("lock:", i)
			l := take(t, c, key, TTL(ttl), KeepAlive())
			_, err := other.TryLock(t.Context(), key)
			is(t, fmt.Sprint("while it is held for ", ttl), err, ErrHeld)
			for _, ttl := range []time.Duration{0, 30*day - time.Second, 30 * day, 31 * day, time.Minute, 400 * day} {
				is(t, fmt.Sprint("renewal by ", ttl), l.Renew(t.Context(), ttl), nil)
				_, err := other.TryLock(t.Context(), key)
				is(t, fmt.Sprint("after a renewal by ", ttl), err, ErrHeld)
			}
			if left := time.Until(l.Expires()); left < 399*day || left > 400*day {
				t.Errorf("it ends in %v", left)
			}
			is(t, "the context", l.Context().Err(), nil)
			is(t, "unlock", l.Unlock(), nil)
		}
	})
}

// Whoever waited in line for such a lock has it for as long.
func TestLongLeaseInLine(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		c, other := newClient(t, Config{}, addr), newClient(t, Config{}, addr)
		held := take(t, c, "k")
		got := make(chan *Lock)
		go func() { got <- take(t, other, "k", TTL(40*day)) }()
		time.Sleep(4 * roundTrip) // so that it waits
		is(t, "unlock", held.Unlock(), nil)
		l := <-got
		if left := time.Until(l.Expires()); left < 39*day || left > 40*day+time.Second {
			t.Errorf("it ends in %v", left)
		}
		is(t, "unlock", l.Unlock(), nil)
	})
}
