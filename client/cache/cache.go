package cache

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"

	"github.com/lockcached/lockcached/client"
)

// Cache is a cache of computed values on the server: what is missing is computed
// by one caller in the whole fleet, while all others wait for the value.
//
// Freshness is judged by the wall clock of the reader, against that of the host
// that computed: clocks should agree much better than to a TTL.
//
// A Cache may be used by several goroutines. Those that ask for a key at the same
// time get the same value, and must not change it.
type Cache[T any] struct {
	client    *client.Client
	config    Config[T]
	flights   flights[T]
	refreshes refreshes
	counts    *counters
	observed  []Observer
}

// New returns a cache that uses the client's servers.
func New[T any](c *client.Client, config Config[T]) *Cache[T] {
	config.setDefaults()
	observed := observersOf(c.Config().Observers)
	return &Cache[T]{client: c, config: config, observed: observed, counts: sharedOf(c).counts.of(config.Name, observed)}
}

// Get returns the value of the key, and computes it if there is none.
//
// Compute's context has the values of ctx. It ends when nobody wants the value any
// more, or when the lock is lost. An error of compute is returned to the caller whose
// compute it was; then one of those who wait calls its own. A panic goes the same way.
//
// Other errors are that of ctx, memcache.ErrMalformedKey, a *FailedError, ErrClosed, and
// with GiveUp ErrHeld or ErrUnavailable.
func (c *Cache[T]) Get(ctx context.Context, key string, compute func(context.Context) (T, error)) (T, error) {
	return c.getFor(ctx, key, c.config.TTL, compute)
}

// getFor is Get with a TTL of its own.
func (c *Cache[T]) getFor(ctx context.Context, key string, ttl time.Duration, compute func(context.Context) (T, error)) (T, error) {
	task := &task[T]{Cache: c, key: key, ttl: ttl, compute: compute}
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
func (c *Cache[T]) miss(ctx context.Context, task *task[T]) (T, error) {
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
func (c *Cache[T]) Stats() Stats { return c.counts.stats() }

// GetOrCompute is Get of a Cache with nothing but a TTL. 0 means DefaultTTL.
func GetOrCompute[T any](ctx context.Context, c *client.Client, key string, ttl time.Duration,
	compute func(context.Context) (T, error)) (T, error) {
	return cacheOf[T](c).getFor(ctx, key, cmp.Or(max(ttl, 0), DefaultTTL), compute)
}

// shared is what the caches of a Client share.
type shared struct {
	counts countersByName
	byType sync.Map // the caches of GetOrCompute, by the type of their values
}

type sharedKey struct{}

func sharedOf(c *client.Client) *shared {
	return c.Attached(sharedKey{}, func() any { return new(shared) }).(*shared)
}

// cacheOf returns the cache that a Client has for GetOrCompute.
func cacheOf[T any](c *client.Client) *Cache[T] {
	all, values := &sharedOf(c).byType, reflect.TypeFor[T]()
	cached, found := all.Load(values)
	if !found {
		cached, _ = all.LoadOrStore(values, New(c, Config[T]{}))
	}
	return cached.(*Cache[T])
}
