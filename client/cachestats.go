package client

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// CacheStats counts what the callers of a Cached met. Hits, Stale, Negative and Misses
// together are all calls that had an answer.
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
	Unstorable  uint64 // values that the server did not store, or did not keep
}

// cacheCounters are CacheStats while they are counted.
type cacheCounters struct {
	hits, stale, negative, misses  atomic.Uint64
	stampedes, waited, fellThrough atomic.Uint64
	early, computed, failed        atomic.Uint64
	lost, unreadable, unstorable   atomic.Uint64
}

func (c *cacheCounters) stats() CacheStats {
	return CacheStats{
		Hits: c.hits.Load(), Stale: c.stale.Load(), Negative: c.negative.Load(), Misses: c.misses.Load(),
		Stampedes: c.stampedes.Load(), Waited: c.waited.Load(), FellThrough: c.fellThrough.Load(),
		Early: c.early.Load(), Computed: c.computed.Load(), Failed: c.failed.Load(),
		Lost: c.lost.Load(), Unreadable: c.unreadable.Load(), Unstorable: c.unstorable.Load(),
	}
}

// cacheMetrics tells Prometheus of the caches of a Client, by their names.
type cacheMetrics struct {
	mu     sync.Mutex // guards byName
	byName map[string]*cacheCounters
}

// of returns the counters of the caches that have a name.
func (m *cacheMetrics) of(name string) *cacheCounters {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.byName[name]
	if c == nil {
		if m.byName == nil {
			m.byName = make(map[string]*cacheCounters)
		}
		c = new(cacheCounters)
		m.byName[name] = c
	}
	return c
}

// cacheFields are those of CacheStats, as metrics.
var cacheFields = []struct {
	desc *prometheus.Desc
	of   func(*CacheStats) uint64
}{
	{byCache("hits_total", "Calls that found a fresh value."), func(s *CacheStats) uint64 { return s.Hits }},
	{byCache("stale_total", "Calls that were answered with a value that was over."), func(s *CacheStats) uint64 { return s.Stale }},
	{byCache("negative_total", "Calls that found that computing had failed a short time ago."), func(s *CacheStats) uint64 { return s.Negative }},
	{byCache("misses_total", "Calls that found nothing to use."), func(s *CacheStats) uint64 { return s.Misses }},
	{byCache("stampedes_total", "Misses that found others computing."), func(s *CacheStats) uint64 { return s.Stampedes }},
	{byCache("waited_total", "Misses that got the value that others computed."), func(s *CacheStats) uint64 { return s.Waited }},
	{byCache("fell_through_total", "Misses that computed without the lock."), func(s *CacheStats) uint64 { return s.FellThrough }},
	{byCache("early_total", "Computations begun before the value was over."), func(s *CacheStats) uint64 { return s.Early }},
	{byCache("computed_total", "Computations that succeeded."), func(s *CacheStats) uint64 { return s.Computed }},
	{byCache("failed_total", "Computations that failed."), func(s *CacheStats) uint64 { return s.Failed }},
	{byCache("lost_total", "Computations whose lock was lost before they ended."), func(s *CacheStats) uint64 { return s.Lost }},
	{byCache("unreadable_total", "Values found that could not be read."), func(s *CacheStats) uint64 { return s.Unreadable }},
	{byCache("unstorable_total", "Values that the server did not store, or did not keep."), func(s *CacheStats) uint64 { return s.Unstorable }},
}

func byCache(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("lockcached_client_cache_"+name, help, []string{"cache"}, nil)
}

// Describe and Collect make it a prometheus.Collector.
func (*cacheMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, field := range cacheFields {
		out <- field.desc
	}
}

func (m *cacheMetrics) Collect(out chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, counters := range m.byName {
		stats := counters.stats()
		for _, field := range cacheFields {
			out <- prometheus.MustNewConstMetric(field.desc, prometheus.CounterValue, float64(field.of(&stats)), name)
		}
	}
}
