package client

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"
)

// Cached is a cache of computed values on the server: what is missing is computed
// by one caller in the whole fleet, while all others wait for the value. It is a
// stampede guard, and nothing else: keys are deleted with gomemcache.
//
// Freshness is judged by the wall clock of the reader, against that of the host
// that computed: clocks should agree much better than to a TTL.
//
// A Cached may be used by several goroutines. Those that ask for a key at the same
// time get the same value, and must not change it.
type Cached[T any] struct {
	client    *Client
	config    CacheConfig[T]
	flights   flights[T]
	refreshes refreshes
	counts    *cacheCounters
	observed  []CacheObserver
}

// NewCached returns a cache that uses the client's servers.
func NewCached[T any](c *Client, config CacheConfig[T]) *Cached[T] {
	config.setDefaults()
	observed := cacheObservers(c.Config().Observers)
	return &Cached[T]{client: c, config: config, observed: observed, counts: sharedOf(c).counts.of(config.Name, observed)}
}

// Get returns the value of the key, and computes it if there is none.
//
// Compute's context has the values of ctx. It ends when nobody wants the value any
// more, or when the lock is lost. An error of compute is returned to the caller whose
// compute it was; then one of those who wait calls its own. A panic goes the same way.
//
// Other errors are that of ctx, memcache.ErrMalformedKey, a *CachedError, ErrClosed, and
// with GiveUp ErrHeld or ErrUnavailable.
func (c *Cached[T]) Get(ctx context.Context, key string, compute func(context.Context) (T, error)) (T, error) {
	return c.getFor(ctx, key, c.config.TTL, compute)
}

// getFor is Get with a TTL of its own.
func (c *Cached[T]) getFor(ctx context.Context, key string, ttl time.Duration, compute func(context.Context) (T, error)) (T, error) {
	task := &task[T]{Cached: c, key: key, ttl: ttl, compute: compute}
	found, err := task.find(ctx)
	switch now := time.Now(); {
	case err != nil:
		return found.value, err
	case found.unstorable:
		task.unstorable = true
	case found.fresh(now):
		if found.failed {
			c.counts.negative.Add(1)
			return found.value, found.failure(key)
		}
		c.counts.hits.Add(1)
		if found.early(c.config.Beta, rand.Float64(), now) {
			task.refresh(ctx, &found)
		}
		return found.value, nil
	case found.fresh(now.Add(-c.config.Stale)) && !found.failed:
		c.counts.stale.Add(1)
		task.refresh(ctx, &found)
		return found.value, nil
	}
	c.counts.misses.Add(1)
	return c.miss(ctx, task)
}

// miss goes for a value that is not there, with the other goroutines that want it.
// If somebody else's compute fails, it is the turn of the next.
func (c *Cached[T]) miss(ctx context.Context, task *task[T]) (T, error) {
	for {
		value, led, err := c.flights.do(ctx, task.key, task.fly)
		if !led {
			task.meet()
		}
		var own ownError
		switch {
		case err == nil:
			if !led {
				c.counts.waited.Add(1)
			}
			return value, nil
		case !errors.As(err, &own):
			return value, err
		case led:
			return value, own.surface()
		}
	}
}

// Stats returns what was counted, together with other caches of the Client that have
// the same name. Package clientmetrics tells it to Prometheus.
func (c *Cached[T]) Stats() CacheStats { return c.counts.stats() }

// GetOrCompute is Get of a Cached with nothing but a TTL. 0 means DefaultCacheTTL.
func GetOrCompute[T any](ctx context.Context, c *Client, key string, ttl time.Duration,
	compute func(context.Context) (T, error)) (T, error) {
	return cachedOf[T](c).getFor(ctx, key, cmp.Or(max(ttl, 0), DefaultCacheTTL), compute)
}

// shared is what the caches of a Client share.
type shared struct {
	counts cacheCounts
	byType sync.Map // the caches of GetOrCompute, by the type of their values
}

type sharedKey struct{}

func sharedOf(c *Client) *shared {
	return c.Attached(sharedKey{}, func() any { return new(shared) }).(*shared)
}

// cachedOf returns the cache that a Client has for GetOrCompute.
func cachedOf[T any](c *Client) *Cached[T] {
	all, values := &sharedOf(c).byType, reflect.TypeFor[T]()
	cached, found := all.Load(values)
	if !found {
		cached, _ = all.LoadOrStore(values, NewCached(c, CacheConfig[T]{}))
	}
	return cached.(*Cached[T])
}
