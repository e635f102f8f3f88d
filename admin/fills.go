package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/stats"
	"github.com/lockcached/lockcached/stats/fills"
)

// fillCounters count what happened around the fills of a class.
var fillCounters = []struct {
	of   func(*fills.Counters) uint64
	desc *prometheus.Desc
}{
	{fillCount(fills.Started), byClass("fill_started_total", "Gets that were told a miss and became fillers.")},
	{fillCount(fills.Early), byClass("fill_early_total", "Those of them that were told so before the value expired.")},
	{fillCount(fills.Coalesced), byClass("fill_coalesced_total", "Gets that were held back and answered with the value.")},
	{fillCount(fills.Stale), byClass("fill_stale_total", "Gets that were answered with an expired value while it was computed anew.")},
	{fillCount(fills.FellThrough), byClass("fill_fell_through_total", "Gets that were told a miss although somebody was computing.")},
	{fillCount(fills.Abandoned), byClass("fill_abandoned_total", "Fills whose filler hung up, took too long, or stored nothing visible.")},
	{(*fills.Counters).Saved, byClass("fill_computations_saved_total", "Gets that would have computed the value if they had been told the miss.")},
}

func fillCount(what fills.Counter) func(*fills.Counters) uint64 {
	return func(c *fills.Counters) uint64 { return c[what] }
}

var (
	fillTime     = byClass("fill_duration_seconds", "How long it took from a get that was told a miss to the store.")
	heldGets     = byClass("fill_held_gets", "Gets that are held back now.")
	lateReleases = byClass("lock_late_releases_total", "Deletes that were refused because their own hold had expired and somebody else held the lock.")
)

// fillCollector has the metrics of fills and those of late releases, as soon as there are policies
// for them: a reload may bring the first.
type fillCollector struct{ locks *locks.Manager }

func (f fillCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- lateReleases
	for _, c := range fillCounters {
		descs <- c.desc
	}
	descs <- fillTime
	descs <- heldGets
}

// collect has the metrics of one class.
func (f fillCollector) collect(c *locks.ClassMetrics, out chan<- prometheus.Metric) {
	if f.locks.GuardsRelease() {
		out <- prometheus.MustNewConstMetric(lateReleases, prometheus.CounterValue, float64(c.Count(stats.LateReleases)), c.Name)
	}
	if !f.locks.HasFills() {
		return
	}
	for _, x := range fillCounters {
		out <- prometheus.MustNewConstMetric(x.desc, prometheus.CounterValue, float64(x.of(&c.Fills)), c.Name)
	}
	out <- histogram(fillTime, &c.Fill, c.Name)
	out <- prometheus.MustNewConstMetric(heldGets, prometheus.GaugeValue, float64(c.HeldGets), c.Name)
}
