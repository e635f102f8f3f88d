package cache

import (
	"cmp"
	"fmt"
	"reflect"
	"time"

	"github.com/lockcached/lockcached/client"
)

// Config is how a Cache works. The zero value is useful: values as JSON,
// fresh for a minute, computed by one caller at a time in the whole fleet.
type Config[T any] struct {
	// Name tells caches apart in metrics, spans and the log. "" means the type of the
	// values.
	Name string
	// TTL is how long a value is fresh. 0 means DefaultTTL.
	TTL time.Duration
	// Stale is for how long after that a value is still served while one caller
	// computes the next one in the background.
	Stale time.Duration
	// NegativeTTL is how long it is remembered that computing failed: until then
	// everybody gets a FailedError. 0: it is not; the next caller tries.
	NegativeTTL time.Duration
	// Beta makes callers compute a fresh value again before its time is over, now
	// and then, and more often the nearer the end: at 1 about as long before it as
	// computing takes, at 2 twice as long. 0 means 1; a negative one, never.
	Beta float64
	// Lease is that of the lock while a value is computed. It is renewed, so that
	// computing may take longer; it is how long the others wait for the next to
	// take over if the computing process dies. 0 means DefaultLease.
	Lease time.Duration
	// Wait is how long a caller waits for the value that somebody else computes.
	// 0: as long as its context allows.
	Wait time.Duration
	// WaitOver is what a caller does then, and ServerAway what it does if the server
	// cannot be reached, or has no room for the lock. 0 means FallThrough. With GiveUp
	// for WaitOver, values that cannot be stored are computed under the lock, too.
	WaitOver, ServerAway Fallback
	// LockPrefix and the key make the key of the lock. "" means DefaultLockPrefix.
	LockPrefix string
	// Strategy is how to wait for the lock. 0 means the client's own.
	Strategy client.Strategy
	// Codec turns values into bytes. nil means JSON.
	Codec Codec[T]
}

// What the zero values of a Config stand for.
const (
	DefaultTTL        = time.Minute
	DefaultLease      = 5 * time.Second
	DefaultLockPrefix = "lock:"
)

// A Fallback is what to do without the lock.
type Fallback int

const (
	FallThrough Fallback = iota // compute without it: this is a cache, its work is to be saved, not prevented
	GiveUp                      // return the error: better none than one more computation
)

// FailedError says that computing a value failed not long ago, and is not tried
// again so soon.
type FailedError struct {
	Key   string
	Text  string    // of the error with which it failed
	Until time.Time // when it is tried again
}

func (e *FailedError) Error() string {
	return fmt.Sprintf("computing %s failed a short time ago: %s", e.Key, e.Text)
}

func (c *Config[T]) setDefaults() {
	c.Name = cmp.Or(c.Name, reflect.TypeFor[T]().String())
	c.TTL = cmp.Or(max(c.TTL, 0), DefaultTTL)
	c.Stale = max(c.Stale, 0)
	c.NegativeTTL = max(c.NegativeTTL, 0)
	c.Beta = cmp.Or(c.Beta, 1)
	c.Lease = cmp.Or(max(c.Lease, 0), DefaultLease)
	c.LockPrefix = cmp.Or(c.LockPrefix, DefaultLockPrefix)
	if c.Codec == nil {
		c.Codec = JSON[T]{}
	}
}
