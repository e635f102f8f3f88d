package clientmetrics

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lockcached/lockcached/client/cache"
)

// caches are those that are watched, by their names.
type caches struct {
	mu     sync.Mutex // guards byName
	byName map[string][]func() cache.Stats
}

// Watch is for package cache: the caches of a name are counted there.
func (m *Metrics) Watch(name string, stats func() cache.Stats) {
	m.caches.mu.Lock()
	defer m.caches.mu.Unlock()
	if m.caches.byName == nil {
		m.caches.byName = make(map[string][]func() cache.Stats)
	}
	m.caches.byName[name] = append(m.caches.byName[name], stats)
}

// Compute does nothing: computations are counted by the caches.
func (m *Metrics) Compute(ctx context.Context, _, _ string) (context.Context, func(cache.Computation)) {
	return ctx, func(cache.Computation) {}
}

// cacheFields are those of cache.Stats, as metrics.
var cacheFields = [...]struct {
	desc *prometheus.Desc
	of   func(*cache.Stats) uint64
}{
	{byCache("hits_total", "Calls that found a fresh value."), func(s *cache.Stats) uint64 { return s.Hits }},
	{byCache("stale_total", "Calls that were answered with a value that was over."), func(s *cache.Stats) uint64 { return s.Stale }},
	{byCache("negative_total", "Calls that found that computing had failed a short time ago."), func(s *cache.Stats) uint64 { return s.Negative }},
	{byCache("misses_total", "Calls that found nothing to use."), func(s *cache.Stats) uint64 { return s.Misses }},
	{byCache("stampedes_total", "Misses that found others computing."), func(s *cache.Stats) uint64 { return s.Stampedes }},
	{byCache("waited_total", "Misses that got the value that others computed."), func(s *cache.Stats) uint64 { return s.Waited }},
	{byCache("fell_through_total", "Misses that computed without the lock."), func(s *cache.Stats) uint64 { return s.FellThrough }},
	{byCache("early_total", "Computations begun before the value was over."), func(s *cache.Stats) uint64 { return s.Early }},
	{byCache("computed_total", "Computations that succeeded."), func(s *cache.Stats) uint64 { return s.Computed }},
	{byCache("failed_total", "Computations that failed."), func(s *cache.Stats) uint64 { return s.Failed }},
	{byCache("lost_total", "Computations whose lock was lost before they ended."), func(s *cache.Stats) uint64 { return s.Lost }},
	{byCache("unreadable_total", "Values found that could not be read."), func(s *cache.Stats) uint64 { return s.Unreadable }},
	{byCache("unstorable_total", "Values that the server did not store, or did not keep."), func(s *cache.Stats) uint64 { return s.Unstorable }},
}

func byCache(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("lockcached_client_cache_"+name, help, []string{"cache"}, nil)
}

// Describe and Collect make it a prometheus.Collector.
func (*caches) Describe(out chan<- *prometheus.Desc) {
	for _, field := range cacheFields {
		out <- field.desc
	}
}

func (c *caches) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, all := range c.byName {
		var sums [len(cacheFields)]uint64
		for _, stats := range all {
			one := stats()
			for i, field := range cacheFields {
				sums[i] += field.of(&one)
			}
		}
		for i, field := range cacheFields {
			out <- prometheus.MustNewConstMetric(field.desc, prometheus.CounterValue, float64(sums[i]), name)
		}
	}
}
