package cache

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
)

func TestEnvelope(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1795263491651)
	for _, tt := range []struct {
		name   string
		e      envelope
		stored string
	}{
		{"value", envelope{computed: 1012345 * time.Microsecond, freshUntil: at, payload: []byte("[1]")},
			"lockcached/1 computed_ms=1012.345 fresh_until=1795263491651\n[1]"},
		{"empty", envelope{freshUntil: at}, "lockcached/1 computed_ms=0.000 fresh_until=1795263491651\n"},
		{"lines", envelope{freshUntil: at, payload: []byte("a\n\nb\n")}, "lockcached/1 computed_ms=0.000 fresh_until=1795263491651\na\n\nb\n"},
		{"error", envelope{freshUntil: at, failed: true, payload: []byte("no such user")},
			"lockcached/1 computed_ms=0.000 fresh_until=1795263491651 error\nno such user"},
	} {
		stored := tt.e.seal()
		if string(stored) != tt.stored {
			t.Errorf("%s: stored as %q", tt.name, stored)
		}
		e, ok := unseal(stored)
		if !ok || e.computed != tt.e.computed || !e.freshUntil.Equal(tt.e.freshUntil) || e.failed != tt.e.failed ||
			!bytes.Equal(e.payload, tt.e.payload) {
			t.Errorf("%s: read as %+v, %v", tt.name, e, ok)
		}
	}
}

func TestUnseal(t *testing.T) {
	t.Parallel()
	if e, ok := unseal([]byte("lockcached/1 later=word computed_ms=1 fresh_until=5 whatever\nx")); !ok || string(e.payload) != "x" {
		t.Errorf("words of a later version: %+v, %v", e, ok)
	}
	for name, stored := range map[string]string{
		"empty":         "",
		"foreign":       `{"name":"Alice"}`,
		"foreign-lines": "first\nsecond",
		"other-version": "lockcached/2 computed_ms=1 fresh_until=5\nx",
		"no-end":        "lockcached/1 computed_ms=1 fresh_until=5",
		"no-end-soon":   "lockcached/1 fresh_until=5 " + strings.Repeat("x", longestLine) + "\nx",
		"no-time":       "lockcached/1 computed_ms=1\nx",
		"time-no-int":   "lockcached/1 computed_ms=1 fresh_until=soon\nx",
		"negative":      "lockcached/1 computed_ms=-1 fresh_until=5\nx",
		"nan":           "lockcached/1 computed_ms=NaN fresh_until=5\nx",
		"endless":       "lockcached/1 computed_ms=Inf fresh_until=5\nx",
	} {
		if e, ok := unseal([]byte(stored)); ok {
			t.Errorf("%s: read as %+v", name, e)
		}
	}
}

func FuzzUnseal(f *testing.F) {
	f.Add([]byte("lockcached/1 computed_ms=1012.345 fresh_until=1795263491651 error\nno such user"))
	f.Add([]byte("lockcached/1 computed_ms=1e300 fresh_until=-9223372036854775808\n"))
	f.Fuzz(func(t *testing.T, stored []byte) {
		e, ok := unseal(stored)
		if !ok {
			return
		}
		again, ok := unseal(e.seal())
		if !ok || !again.freshUntil.Equal(e.freshUntil) || again.failed != e.failed || !bytes.Equal(again.payload, e.payload) {
			t.Errorf("%q is %+v, stored again and read %+v", stored, e, again)
		}
		_ = e.early(1, 0.5, time.Now())
	})
}

// TestEarly compares how often a reader is early with XFetch's formula: the chance
// to be early d before the end is exp(-d/(beta*computed)).
func TestEarly(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1795263491651)
	for _, tt := range []struct {
		name  string
		left  time.Duration
		beta  float64
		early float64
	}{
		{"over", 0, 1, 1},
		{"long-over", -time.Hour, 1, 1},
		{"a-computation-before", time.Second, 1, math.Exp(-1)},
		{"ten-before", 10 * time.Second, 1, math.Exp(-10)},
		{"eager", 2 * time.Second, 2, math.Exp(-1)},
		{"off", time.Nanosecond, 0, 0},
		{"off-and-over", -time.Hour, 0, 0},
	} {
		e := envelope{computed: time.Second, freshUntil: now.Add(tt.left)}
		const steps = 100_000
		early := 0
		for i := range steps {
			if e.early(tt.beta, float64(i)/steps, now) {
				early++
			}
		}
		if got := float64(early) / steps; math.Abs(got-tt.early) > 2.0/steps {
			t.Errorf("%s: early in %v of all cases, want %v", tt.name, got, tt.early)
		}
	}
}
