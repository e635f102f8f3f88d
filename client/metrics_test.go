package client

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/lockcached/lockcached/locks"
)

// metricOf sums a metric up over its labels: the value, or the count of a histogram.
func metricOf(t *testing.T, c *Client, name string) (sum float64) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c.Collector())
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() +
					float64(m.GetHistogram().GetSampleCount()) + m.GetSummary().GetSampleSum()
			}
		}
	}
	return sum
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	h := newHost(t, locks.Config{})
	c, other := newClient(t, Config{}, h.addr), newClient(t, Config{}, h.addr)
	kept := take(t, c, "lock:user:1")
	is(t, "renewal", kept.Renew(t.Context(), 0), nil)
	_, err := other.TryLock(t.Context(), "lock:user:1")
	is(t, "trylock", err, ErrHeld)
	_, err = other.Lock(t.Context(), "lock:user:1", Wait(time.Millisecond))
	is(t, "lock", err, ErrHeld)
	lost := take(t, c, "lock:user:2")
	is(t, "deleting it", c.mc.Delete("lock:user:2"), nil)
	is(t, "unlock", lost.Unlock(), ErrLost)
	is(t, "unlock", kept.Unlock(), nil)
	for name, want := range map[string]float64{
		"lock_acquisitions_total": 2, "lock_releases_total": 1, "lock_losses_total": 1, "lock_renewals_total": 1,
		"locks_held": 0, "lock_hold_duration_seconds": 1, "tries_per_acquisition": 2, "lock_refusals_total": 0,
	} {
		if got := metricOf(t, c, "lockcached_client_"+name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]float64{"lock_wait_timeouts_total": 1, "lock_acquisitions_total": 0} {
		if got := metricOf(t, other, "lockcached_client_"+name); got != want {
			t.Errorf("of the other %s is %v, want %v", name, got, want)
		}
	}
	if problems, err := testutil.CollectAndLint(c.Collector()); len(problems) > 0 || err != nil {
		t.Error(problems, err)
	}
}

// However many classes there are, the labels are bounded.
func TestClassesAreBounded(t *testing.T) {
	t.Parallel()
	m := newMetrics()
	seen := make(map[string]bool)
	for i := range 1000 {
		seen[m.class(fmt.Sprintf("%c%c:x", 'a'+i%26, 'a'+i/26))] = true
	}
	if len(seen) != namedClasses+1 || !seen[otherClasses] {
		t.Errorf("%d classes", len(seen))
	}
}
