package client

import (
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// What the clients tell each other of hold times survives the way through memcached,
// and what is odd is as good as nothing.
func TestHolds(t *testing.T) {
	t.Parallel()
	var h holds
	for _, ms := range []time.Duration{100, 200, 300, 200, 200, 100, 300, 200} {
		h = parseHolds(&memcache.Item{Value: []byte(h.with(ms * time.Millisecond).String())})
	}
	if h.count != 8 || h.mean < 199 || h.mean > 201 || h.stddev < 65 || h.stddev > 76 {
		t.Errorf("%v", h)
	}
	if ttl := h.suggestedTTL(); ttl < 600*time.Millisecond || ttl > 700*time.Millisecond {
		t.Errorf("a TTL of %v", ttl)
	}
	for range 2000 {
		h = h.with(time.Second)
	}
	if h.mean < 999 || h.stddev > 10 {
		t.Errorf("old holds do not fade: %v", h)
	}
	for _, text := range []string{"", "8", "x 1 2", "8 -1 2", "8 NaN 2", "8 1 1e300"} {
		if got := parseHolds(&memcache.Item{Value: []byte(text)}); got != (holds{}) {
			t.Errorf("%q is read as %v", text, got)
		}
	}
	if mean, _ := (holds{}).expected(time.Minute); mean < time.Minute {
		t.Errorf("with nothing known, a hold of a minute is expected to last for %v", mean)
	}
}

// The age of a hold is what its value tells, as far as what we saw ourselves allows.
func TestAge(t *testing.T) {
	t.Parallel()
	now := time.Now()
	held := func(claimed time.Time) *memcache.Item {
		return &memcache.Item{Value: []byte("ann:" + stamp(claimed) + ".random")}
	}
	near := func(what string, got, want time.Duration) {
		t.Helper()
		if got < want-2*time.Millisecond || got > want+2*time.Millisecond {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	var l local
	near("at first sight", l.age(held(now.Add(-time.Second)), now), time.Second)
	now = now.Add(time.Second)
	near("a second later", l.age(held(now.Add(-2*time.Second)), now), 2*time.Second)
	next := held(now.Add(-time.Hour)) // by a clock that is late
	now = now.Add(300 * time.Millisecond)
	near("the next, since we last saw another", l.age(next, now), 300*time.Millisecond)
	now = now.Add(time.Second)
	near("a second later", l.age(next, now), 1300*time.Millisecond)
	fast := held(now.Add(time.Hour)) // by a clock that is fast
	now = now.Add(time.Second)
	near("a hold of the future", l.age(fast, now), 0)
	now = now.Add(time.Second)
	near("a second later", l.age(fast, now), time.Second)
	near("a free lock", l.age(nil, now), 0)
	near("a value of somebody else's making", new(local).age(&memcache.Item{Value: []byte("x")}, now), 0)
}
