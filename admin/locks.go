package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/stats"
)

// counters count what happened to the locks of a class.
var counters = []struct {
	counter stats.Counter
	desc    *prometheus.Desc
}{
	{stats.Acquired, byClass("lock_acquisitions_total", "Grants of a lock.")},
	{stats.Refused, byClass("lock_refusals_total", "Claims that found the lock held and were refused at once.")},
	{stats.HandedOff, byClass("lock_handoffs_total", "Grants to the next in line, the moment the hold before ended.")},
	{stats.Released, byClass("lock_releases_total", "Holds ended by their holder.")},
	{stats.Expired, byClass("lock_expirations_total", "Holds ended by their TTL.")},
	{stats.Overrun, byClass("lock_overruns_total", "Releases that came after the hold's own expiry: its TTL was too short.")},
	{stats.Renewed, byClass("lock_renewals_total", "Leases that were prolonged.")},
	{stats.WaitTimeouts, byClass("lock_wait_timeouts_total", "Waits in line that ended without a grant.")},
	{stats.Withdrawn, byClass("lock_withdrawn_total", "Grants taken back because the client had gone.")},
	{stats.Deadlocks, byClass("lock_deadlocks_total", "Waits that were ended because they had closed a circle.")},
}

// durations are histograms of how long holds, waits and gaps were.
var durations = []struct {
	desc *prometheus.Desc
	of   func(*locks.ClassMetrics) *stats.Tally
}{
	{byClass("lock_hold_duration_seconds", "How long locks were held, from grant to release. Without holds that expired."),
		func(c *locks.ClassMetrics) *stats.Tally { return &c.Hold }},
	{byClass("lock_wait_duration_seconds", "How long those waited that had to, from the first refused or queued claim to the grant."),
		func(c *locks.ClassMetrics) *stats.Tally { return &c.Wait }},
	{byClass("lock_gap_duration_seconds", "How long locks were free although somebody waited; 0 for a hand-off."),
		func(c *locks.ClassMetrics) *stats.Tally { return &c.Gap }},
}

var (
	locksHeld  = byClass("locks_held", "Locks that are held now.")
	oldestHold = byClass("lock_oldest_hold_seconds", "Age of the longest present hold, 0 if there is none.")
	waiters    = byClass("waiters", "Who waits for a lock now: queued, in line, or polling, refused and expected again.", "state")
	tries      = byClass("tries_per_acquisition", "Tries per grant: the sum counts claims, the count grants, so that sum/count is the mean.")
)

// byClass describes a metric with a value for each class.
func byClass(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("lockcached_"+name, help, append([]string{"class"}, labels...), nil)
}

// lockCollector has the metrics of locks.
type lockCollector struct{ locks *locks.Manager }

func newLockCollector(m *locks.Manager) lockCollector { return lockCollector{m} }

func (l lockCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, c := range counters {
		descs <- c.desc
	}
	for _, d := range durations {
		descs <- d.desc
	}
	descs <- locksHeld
	descs <- oldestHold
	descs <- waiters
	descs <- tries
	fillCollector(l).Describe(descs)
}

func (l lockCollector) Collect(out chan<- prometheus.Metric) {
	for _, c := range l.locks.Metrics() {
		for _, x := range counters {
			out <- prometheus.MustNewConstMetric(x.desc, prometheus.CounterValue, float64(c.Count(x.counter)), c.Name)
		}
		for _, d := range durations {
			out <- histogram(d.desc, d.of(&c), c.Name)
		}
		gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, append([]string{c.Name}, labels...)...)
		}
		gauge(locksHeld, float64(c.Held))
		gauge(oldestHold, c.Oldest.Seconds())
		gauge(waiters, float64(c.Queued), "queued")
		gauge(waiters, float64(c.Polling), "polling")
		// A queued claim is one try, with or without a grant at its end.
		tried := c.Count(stats.Acquired) + c.Count(stats.Refused) + c.Count(stats.WaitTimeouts)
		fillCollector(l).collect(&c, out)
		out <- prometheus.MustNewConstSummary(tries, c.Count(stats.Acquired), float64(tried), nil, c.Name)
	}
}

func histogram(desc *prometheus.Desc, t *stats.Tally, labels ...string) prometheus.Metric {
	upTo := make(map[float64]uint64)
	for bound, n := range t.UpTo() {
		upTo[bound.Seconds()] = n
	}
	return prometheus.MustNewConstHistogram(desc, t.Count(), t.Seconds(), upTo, labels...)
}
