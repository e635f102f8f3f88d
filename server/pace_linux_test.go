package server

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	const us = time.Microsecond
	for name, c := range map[string]struct {
		waits      []time.Duration // again and again
		fast, slow bool
	}{
		"nothing known":            {},
		"a crowd":                  {waits: []time.Duration{10 * us, 30 * us, 5 * us}, fast: true},
		"a crowd with few pauses":  {waits: []time.Duration{10 * us, 30 * us, 5 * us, 300 * us}, fast: true},
		"one request a ms":         {waits: []time.Duration{time.Millisecond}},
		"hand-offs with 1 ms":      {waits: []time.Duration{60 * us, 900 * us}},
		"hand-offs with 20 ms":     {waits: []time.Duration{60 * us, 20 * time.Millisecond}, slow: true},
		"few requests in a second": {waits: []time.Duration{100 * time.Millisecond}, slow: true},
	} {
		var p pace
		for range 100 {
			for _, wait := range c.waits {
				p.note(wait)
			}
		}
		if p.isFast() != c.fast || p.isSlow() != c.slow {
			t.Errorf("%s: fast %v, slow %v; want %v, %v", name, p.isFast(), p.isSlow(), c.fast, c.slow)
		}
	}
}

// A few short waits after a pause do not make the leader poll, a few more do. A single long wait
// does not end that.
func TestPaceChanges(t *testing.T) {
	var p pace
	p.note(time.Second)
	waits := 0
	for ; !p.isFast(); waits++ {
		p.note(10 * time.Microsecond)
	}
	if waits < 8 || waits > 24 {
		t.Errorf("fast after %d short waits", waits)
	}
	for range 100 {
		p.note(10 * time.Microsecond)
	}
	if p.isSlow() {
		t.Error("slow after 100 short waits")
	}
	if p.note(time.Second); !p.isSlow() || !p.isFast() {
		t.Errorf("after one long wait: fast %v, slow %v", p.isFast(), p.isSlow())
	}
}
