package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/cenkalti/backoff/v5"
)

// do makes a request about a key, and again while the server is away or busy. The
// request must be one that may be made twice.
func (c *Client) do(ctx context.Context, key string, request func() error) error {
	s, err := c.serverOf(key)
	if err != nil {
		return err
	}
	return c.repeat(ctx, s, key, func() error { return s.attempt(ctx, request) })
}

// once makes a request that must not be made twice, or is not worth it.
func (c *Client) once(ctx context.Context, key string, request func() error) error {
	s, err := c.serverOf(key)
	if err != nil {
		return err
	}
	return s.attempt(ctx, request)
}

// repeat makes attempts until one is no fault, all tries are used up, or ctx ends.
func (c *Client) repeat(ctx context.Context, s *peer, key string, attempt func() error) error {
	call := call{client: c, server: s, key: key, begun: time.Now()}
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, call.try(attempt) },
		backoff.WithBackOff(&call), backoff.WithMaxTries(uint(c.config.Tries)), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, pause time.Duration) { call.note(ctx, err, pause) }))
	if err == nil && (call.fault == nil || !errors.Is(call.outcome, errInterrupted)) {
		return call.outcome
	}
	if call.tries >= c.config.Tries {
		s.giveUp(call.tries)
	}
	return call.failed(ctx)
}

// A call is one request with its tries. It is backoff's BackOff: the pauses are the
// server's, since they are the same for all who want something from it.
type call struct {
	client  *Client
	server  *peer
	key     string
	begun   time.Time
	tries   int
	outcome error // of the latest try
	fault   error // the latest
}

// try makes an attempt. Its error is a fault, which makes backoff go on.
func (c *call) try(attempt func() error) error {
	c.outcome = attempt()
	if !isFault(c.outcome) {
		return nil
	}
	c.fault = c.outcome
	if errors.Is(c.outcome, errBroken) {
		return backoff.Permanent(c.outcome)
	}
	c.tries++
	if c.server.hopeless() {
		return backoff.Permanent(c.outcome)
	}
	return c.outcome
}

// Reset is for backoff. A call is used but once.
func (*call) Reset() {}

// NextBackOff is the pause before the next try.
func (c *call) NextBackOff() time.Duration { return c.server.nextTry(c.tries - 1) }

// note tells the world about a retry.
func (c *call) note(ctx context.Context, err error, pause time.Duration) {
	c.client.log.Warn("retry", "key", c.key, "server", c.server.name,
		"attempt", c.tries, "pause_ms", pause.Milliseconds(), "error", err)
	c.client.observed.retried(ctx, Retry{Key: c.key, Server: c.server.name, Attempt: c.tries, Pause: pause, Err: err})
}

// failed is the error of a call that got no answer.
func (c *call) failed(ctx context.Context) error {
	c.client.observed.failed(c.server.name)
	err := &FaultError{Server: c.server.name, Tries: c.tries, Spent: time.Since(c.begun),
		Gone: c.server.hasAnswered() && isAway(c.fault), Err: c.fault}
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// get reads keys, which may live on several servers; those that are not there are
// missing in the answer. It is repeated while a server is away.
func (c *Client) get(ctx context.Context, keys ...string) (map[string]*memcache.Item, error) {
	var servers []*peer
	of := make(map[*peer][]string)
	for _, key := range keys {
		s, err := c.serverOf(key)
		if err != nil {
			return nil, err
		}
		if of[s] == nil {
			servers = append(servers, s)
		}
		of[s] = append(of[s], key)
	}
	found := make(map[string]*memcache.Item)
	for _, s := range servers {
		err := c.do(ctx, of[s][0], func() error {
			items, err := c.mc.GetMulti(of[s])
			for key, item := range items {
				found[key] = item
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// set stores an ordinary item, and sees to it that it is there: a server whose memory is
// full may evict it at once. If it is not, or the server answers that it cannot store
// it, that is errUnable. While the server is away it is repeated, so that it may be
// carried out twice.
func (c *Client) set(ctx context.Context, item *memcache.Item) error {
	return c.do(ctx, item.Key, func() (err error) {
		for range 2 { // somebody may have deleted it in that moment
			if err = c.mc.Set(item); err != nil {
				return unable(err)
			}
			if err = c.mc.Touch(item.Key, item.Expiration); !errors.Is(err, memcache.ErrCacheMiss) {
				return err
			}
		}
		return fmt.Errorf("%w: it is gone at once", errUnable)
	})
}
