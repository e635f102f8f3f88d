package clientmetrics

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/client/cache"
	"github.com/lockcached/lockcached/client/internal/testhost"
	"github.com/lockcached/lockcached/internal/testenv"
	"github.com/lockcached/lockcached/locks"
)

// metricOf sums a metric up over its labels: the value, or the count of a histogram.
func metricOf(t *testing.T, m *Metrics, name string) (sum float64) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, one := range family.GetMetric() {
			if family.GetName() == name {
				sum += one.GetCounter().GetValue() + one.GetGauge().GetValue() +
					float64(one.GetHistogram().GetSampleCount()) + one.GetSummary().GetSampleSum()
			}
		}
	}
	return sum
}

// observed returns a Client with Metrics of its own.
func observed(t *testing.T, addr string) (*client.Client, *Metrics) {
	t.Helper()
	m := New()
	c, err := client.New(client.Config{Servers: []string{addr}, Timeout: testenv.Patience, Observers: []client.Observer{m}})
	is(t, "new client", err, nil)
	t.Cleanup(func() { _ = c.Close() })
	return c, m
}

func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: %v, want %v", what, err, want)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	h := testhost.New(t, locks.Config{})
	c, m := observed(t, h.Addr)
	other, others := observed(t, h.Addr)
	kept, err := c.Lock(t.Context(), "lock:user:1")
	is(t, "lock", err, nil)
	is(t, "renewal", kept.Renew(t.Context(), 0), nil)
	_, err = other.TryLock(t.Context(), "lock:user:1")
	is(t, "trylock", err, client.ErrHeld)
	_, err = other.Lock(t.Context(), "lock:user:1", client.Wait(time.Millisecond))
	is(t, "lock", err, client.ErrHeld)
	lost, err := c.Lock(t.Context(), "lock:user:2")
	is(t, "lock", err, nil)
	is(t, "releasing it", other.Release(t.Context(), "lock:user:2", lost.Token()), nil)
	is(t, "unlock", lost.Unlock(), client.ErrLost)
	is(t, "unlock", kept.Unlock(), nil)
	for name, want := range map[string]float64{
		"lock_acquisitions_total": 2, "lock_releases_total": 1, "lock_losses_total": 1, "lock_renewals_total": 1,
		"locks_held": 0, "lock_hold_duration_seconds": 1, "tries_per_acquisition": 2, "lock_refusals_total": 0,
	} {
		if got := metricOf(t, m, "lockcached_client_"+name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]float64{"lock_wait_timeouts_total": 1, "lock_acquisitions_total": 0} {
		if got := metricOf(t, others, "lockcached_client_"+name); got != want {
			t.Errorf("of the other %s is %v, want %v", name, got, want)
		}
	}
	if problems, err := testutil.CollectAndLint(m); len(problems) > 0 || err != nil {
		t.Error(problems, err)
	}
}

// Retries and faults are counted by server.
func TestServerAway(t *testing.T) {
	t.Parallel()
	c, m := observed(t, "127.0.0.1:1") // where nobody listens
	_, err := c.Lock(t.Context(), "lock:x")
	is(t, "lock", err, client.ErrUnavailable)
	for name, want := range map[string]float64{"retries_total": client.DefaultTries - 1, "faults_total": 1} {
		if got := metricOf(t, m, "lockcached_client_"+name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

// Caches of one name are counted together, those of several Clients, too.
func TestCaches(t *testing.T) {
	t.Parallel()
	m := New()
	for name, hits := range map[string][]uint64{"pages": {1, 2}, "int": {4}} {
		for _, n := range hits {
			m.Watch(name, func() cache.Stats { return cache.Stats{Hits: n} })
		}
	}
	const want = `
# HELP lockcached_client_cache_hits_total Calls that found a fresh value.
# TYPE lockcached_client_cache_hits_total counter
lockcached_client_cache_hits_total{cache="int"} 4
lockcached_client_cache_hits_total{cache="pages"} 3
`
	if err := testutil.CollectAndCompare(m, strings.NewReader(want), "lockcached_client_cache_hits_total"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(m); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

// However many classes there are, the labels are bounded.
func TestClassesAreBounded(t *testing.T) {
	t.Parallel()
	m := New()
	seen := make(map[string]bool)
	for i := range 1000 {
		seen[m.class(fmt.Sprintf("%c%c:x", 'a'+i%26, 'a'+i/26))] = true
	}
	if len(seen) != namedClasses+1 || !seen[otherClasses] {
		t.Errorf("%d classes", len(seen))
	}
}
