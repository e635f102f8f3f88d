package client

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// CacheStats counts what the callers of a Cached met. Hits, Stale, Negative and
// Misses together are the calls that could be answered by the server.
type CacheStats struct {
	Hits        uint64 // found a fresh value
	Stale       uint64 // found a value that was over, and got it all the same
	Negative    uint64 // found that computing had failed a short time ago
	Misses      uint64 // found nothing that they could use
	Stampedes   uint64 // of the misses: found others computing already
	Waited      uint64 // of those: got the value that the others computed
	FellThrough uint64 // of the misses: computed without the lock
	Early       uint64 // computations begun before the value was over
	Computed    uint64 // computations that succeeded
	Failed      uint64 // computations that failed
	Lost        uint64 // computations whose lock was lost before they ended
	Unreadable  uint64 // values found that nobody could make sense of
}

// cacheCounters are CacheStats while they are counted.
type cacheCounters struct {
	hits, stale, negative, misses  atomic.Uint64
	stampedes, waited, fellThrough atomic.Uint64
	early, computed, failed        atomic.Uint64
	lost, unreadable               atomic.Uint64
}

func (c *cacheCounters) stats() CacheStats {
	return CacheStats{
		Hits: c.hits.Load(), Stale: c.stale.Load(), Negative: c.negative.Load(), Misses: c.misses.Load(),
		Stampedes: c.stampedes.Load(), Waited: c.waited.Load(), FellThrough: c.fellThrough.Load(),
		Early: c.early.Load(), Computed: c.computed.Load(), Failed: c.failed.Load(),
		Lost: c.lost.Load(), Unreadable: c.unreadable.Load(),
	}
}

// cacheMetrics are CacheStats for Prometheus.
var cacheMetrics = []struct {
	name, help string
	of         func(*CacheStats) uint64
}{
	{"hits_total", "Calls that found a fresh value.", func(s *CacheStats) uint64 { return s.Hits }},
	{"stale_total", "Calls that were answered with a value that was over.", func(s *CacheStats) uint64 { return s.Stale }},
	{"negative_total", "Calls that found that computing had failed a short time ago.", func(s *CacheStats) uint64 { return s.Negative }},
	{"misses_total", "Calls that found nothing to use.", func(s *CacheStats) uint64 { return s.Misses }},
	{"stampedes_total", "Misses that found others computing.", func(s *CacheStats) uint64 { return s.Stampedes }},
	{"waited_total", "Misses that got the value that others computed.", func(s *CacheStats) uint64 { return s.Waited }},
	{"fell_through_total", "Misses that computed without the lock.", func(s *CacheStats) uint64 { return s.FellThrough }},
	{"early_total", "Computations begun before the value was over.", func(s *CacheStats) uint64 { return s.Early }},
	{"computed_total", "Computations that succeeded.", func(s *CacheStats) uint64 { return s.Computed }},
	{"failed_total", "Computations that failed.", func(s *CacheStats) uint64 { return s.Failed }},
	{"lost_total", "Computations whose lock was lost before they ended.", func(s *CacheStats) uint64 { return s.Lost }},
	{"unreadable_total", "Values found that could not be read.", func(s *CacheStats) uint64 { return s.Unreadable }},
}

// cacheCollector tells of a cache. Its name is a constant label, so that one
// registry takes several of them.
type cacheCollector struct {
	counters *cacheCounters
	descs    []*prometheus.Desc // of cacheMetrics
}

func newCacheCollector(name string, counters *cacheCounters) *cacheCollector {
	c := &cacheCollector{counters: counters}
	for _, m := range cacheMetrics {
		desc := prometheus.NewDesc("lockcached_client_cache_"+m.name, m.help, nil, prometheus.Labels{"cache": name})
		c.descs = append(c.descs, desc)
	}
	return c
}

func (c *cacheCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range c.descs {
		descs <- desc
	}
}

func (c *cacheCollector) Collect(out chan<- prometheus.Metric) {
	stats := c.counters.stats()
	for i, m := range cacheMetrics {
		out <- prometheus.MustNewConstMetric(c.descs[i], prometheus.CounterValue, float64(m.of(&stats)))
	}
}
