// Package clientmetrics tells Prometheus what Clients of package client, and the caches on
// top of them, do. It counts; what is worth counting is decided there.
//
//	metrics := clientmetrics.New()
//	prometheus.MustRegister(metrics)
//	c, err := client.New(client.Config{Servers: servers, Observers: []client.Observer{metrics}})
package clientmetrics

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/stats"
)

// Metrics is an Observer, and what Prometheus collects of the Clients that it observes.
// The metrics have the names and the meaning of the server's, with client_ in front: what
// the Clients saw of the locks, by class of keys, and of caches by their names.
type Metrics struct {
	acquisitions, refusals, waitTimeouts *prometheus.CounterVec
	releases, losses, renewals           *prometheus.CounterVec
	hold, wait                           *prometheus.HistogramVec
	held                                 *prometheus.GaugeVec
	tries                                *prometheus.SummaryVec
	retries, faults                      *prometheus.CounterVec // by server
	caches                               caches

	mu      sync.Mutex // guards classes
	classes map[string]bool
}

const (
	classLabel   = "class"
	namedClasses = 100
	otherClasses = "other" // those beyond
)

// New returns Metrics in which nothing is counted yet.
func New() *Metrics {
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lockcached_client_" + name, Help: help}, []string{label})
	}
	durations := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lockcached_client_" + name, Help: help, Buckets: bounds(),
		}, []string{classLabel})
	}
	return &Metrics{
		acquisitions: counter("lock_acquisitions_total", "Locks that were granted to us.", classLabel),
		refusals:     counter("lock_refusals_total", "Claims that found the lock held and were refused.", classLabel),
		waitTimeouts: counter("lock_wait_timeouts_total", "Waits that ended without a grant.", classLabel),
		releases:     counter("lock_releases_total", "Holds that we ended.", classLabel),
		losses:       counter("lock_losses_total", "Holds that ended, or were about to, before we ended them.", classLabel),
		renewals:     counter("lock_renewals_total", "Leases that we prolonged.", classLabel),
		hold:         durations("lock_hold_duration_seconds", "How long we held locks, from grant to release. Without holds that were lost."),
		wait:         durations("lock_wait_duration_seconds", "How long we waited for locks that were granted but not at once."),
		held: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "lockcached_client_locks_held", Help: "Locks that we hold now."}, []string{classLabel}),
		tries: prometheus.NewSummaryVec(prometheus.SummaryOpts{
			Name: "lockcached_client_tries_per_acquisition",
			Help: "Tries per grant: the sum counts claims, the count grants, so that sum/count is the mean."}, []string{classLabel}),
		retries: counter("retries_total", "Requests that were made again because the server was away or busy.", "server"),
		faults:  counter("faults_total", "Requests that failed after all tries.", "server"),
		classes: make(map[string]bool),
	}
}

// bounds are those of the server's histograms, in seconds.
func bounds() (seconds []float64) {
	for bound := range new(stats.Tally).UpTo() {
		seconds = append(seconds, bound.Seconds())
	}
	return seconds
}

func (m *Metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.acquisitions, m.refusals, m.waitTimeouts, m.releases, m.losses, m.renewals,
		m.hold, m.wait, m.held, m.tries, m.retries, m.faults, &m.caches}
}

// Describe makes Metrics a prometheus.Collector.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	for _, one := range m.all() {
		one.Describe(out)
	}
}

// Collect makes Metrics a prometheus.Collector.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	for _, one := range m.all() {
		one.Collect(out)
	}
}

// class is that of a key. The first classes have names of their own; the number of
// names is bounded, since keys may be of any number of classes.
func (m *Metrics) class(key string) string {
	class := stats.Class(key, ':')
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.classes[class]:
	case len(m.classes) < namedClasses:
		m.classes[class] = true
	default:
		return otherClasses
	}
	return class
}

// Acquire counts a claim that is over.
func (m *Metrics) Acquire(ctx context.Context, key string) (context.Context, func(client.Acquisition)) {
	return ctx, func(a client.Acquisition) {
		class := m.class(key)
		m.refusals.WithLabelValues(class).Add(float64(a.Refused))
		switch {
		case a.Err == nil:
			m.acquisitions.WithLabelValues(class).Inc()
			m.held.WithLabelValues(class).Inc()
			m.tries.WithLabelValues(class).Observe(float64(a.Tries))
			if a.Contested {
				m.wait.WithLabelValues(class).Observe(a.Waited.Seconds())
			}
		case errors.Is(a.Err, client.ErrHeld) && !a.Once:
			m.waitTimeouts.WithLabelValues(class).Inc()
		}
	}
}

// Hold counts a hold that is over.
func (m *Metrics) Hold(ctx context.Context, grant client.Grant) (context.Context, func(lost error)) {
	granted := time.Now()
	return ctx, func(lost error) {
		class := m.class(grant.Key)
		m.held.WithLabelValues(class).Dec()
		if lost != nil {
			m.losses.WithLabelValues(class).Inc()
			return
		}
		m.releases.WithLabelValues(class).Inc()
		m.hold.WithLabelValues(class).Observe(time.Since(granted).Seconds())
	}
}

// Renewed counts a renewal.
func (m *Metrics) Renewed(key string) { m.renewals.WithLabelValues(m.class(key)).Inc() }

// Retried counts a retry.
func (m *Metrics) Retried(_ context.Context, retry client.Retry) {
	m.retries.WithLabelValues(retry.Server).Inc()
}

// Failed counts a fault.
func (m *Metrics) Failed(server string) { m.faults.WithLabelValues(server).Inc() }
