package client

import (
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lockcached/lockcached/stats"
)

// metrics have the names and the meaning of the server's, with client_ in front: what
// this Client saw of the locks, by class.
type metrics struct {
	acquisitions, refusals, waitTimeouts *prometheus.CounterVec
	releases, losses, renewals           *prometheus.CounterVec
	hold, wait                           *prometheus.HistogramVec
	held                                 *prometheus.GaugeVec
	tries                                *prometheus.SummaryVec
	retries, faults                      *prometheus.CounterVec // by server
	caches                               *cacheMetrics

	mu      sync.Mutex // guards classes
	classes map[string]bool
}

const (
	classLabel   = "class"
	namedClasses = 100
	otherClasses = "other" // those beyond
)

func newMetrics() *metrics {
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lockcached_client_" + name, Help: help}, []string{label})
	}
	durations := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lockcached_client_" + name, Help: help, Buckets: bounds(),
		}, []string{classLabel})
	}
	return &metrics{
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
		caches:  new(cacheMetrics),
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

// Collector tells Prometheus what this Client does.
func (c *Client) Collector() prometheus.Collector { return c.metrics }

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.acquisitions, m.refusals, m.waitTimeouts, m.releases, m.losses, m.renewals,
		m.hold, m.wait, m.held, m.tries, m.retries, m.faults, m.caches}
}

// Describe and Collect make it a prometheus.Collector.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, one := range m.all() {
		one.Describe(out)
	}
}

func (m *metrics) Collect(out chan<- prometheus.Metric) {
	for _, one := range m.all() {
		one.Collect(out)
	}
}

// class is that of a key. The first classes have names of their own; the number of
// names is bounded, since keys may be of any number of classes.
func (m *metrics) class(key string) string {
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

// claimed counts a claim that is over, and granted if err is nil.
func (m *metrics) claimed(cl *claim, err error) {
	class := m.class(cl.hold.key)
	m.refusals.WithLabelValues(class).Add(float64(cl.refused))
	switch {
	case err == nil:
		m.acquisitions.WithLabelValues(class).Inc()
		m.held.WithLabelValues(class).Inc()
		m.tries.WithLabelValues(class).Observe(float64(cl.tries))
		if cl.contested {
			m.wait.WithLabelValues(class).Observe(time.Since(cl.begun).Seconds())
		}
	case errors.Is(err, ErrHeld) && cl.opts.strategy != never:
		m.waitTimeouts.WithLabelValues(class).Inc()
	}
}

// ended counts a hold that is over: lost if err says so.
func (m *metrics) ended(key string, held time.Duration, err error) {
	class := m.class(key)
	m.held.WithLabelValues(class).Dec()
	if err != nil {
		m.losses.WithLabelValues(class).Inc()
		return
	}
	m.releases.WithLabelValues(class).Inc()
	m.hold.WithLabelValues(class).Observe(held.Seconds())
}
