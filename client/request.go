package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// do makes a request about a key, and again while the server is away or busy. The
// request must be one that may be made twice.
func (c *Client) do(ctx context.Context, key string, request request) error {
	return c.repeat(ctx, key, func() (*peer, error) { return c.serverOf(key) }, attempted(ctx, request))
}

// doAtOwner is do for a request about a lock, which is to go straight to the owner of the key.
func (c *Client) doAtOwner(ctx context.Context, key string, request request) error {
	return c.repeat(ctx, key, func() (*peer, error) { return c.route(ctx, key) }, attempted(ctx, request))
}

// attempted is the attempt to make a request.
func attempted(ctx context.Context, r request) request {
	return func(s *peer) error { return s.attempt(ctx, func() error { return r(s) }) }
}

// A request is made at the server that it is handed.
type request func(s *peer) error

// once makes a request that must not be made twice, or is not worth it.
func (c *Client) once(ctx context.Context, key string, request request) error {
	s, err := c.serverOf(key)
	if err != nil {
		return err
	}
	return s.attempt(ctx, func() error { return request(s) })
}

// repeat makes attempts until one is no fault, all tries are used up, or ctx ends. Each is
// made where at says.
func (c *Client) repeat(ctx context.Context, key string, at func() (*peer, error), attempt request) error {
	call := call{client: c, key: key, begun: time.Now()}
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, call.try(at, attempt) },
		backoff.WithBackOff(&call), backoff.WithMaxTries(uint(c.config.Tries)), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, pause time.Duration) { call.note(ctx, err, pause) }))
	if err == nil && (call.fault == nil || !errors.Is(call.outcome, errInterrupted)) {
		return call.outcome
	}
	if call.tries >= c.config.Tries && c.fleet == nil { // a fleet finds out by itself
		call.server.giveUp(call.tries)
	}
	return call.failed(ctx)
}

// A call is one request with its tries. It is backoff's BackOff: the pauses are the
// server's, since they are the same for all who want something from it.
type call struct {
	client  *Client
	server  *peer // of the latest try
	key     string
	begun   time.Time
	tries   int
	outcome error // of the latest try
	fault   error // the latest
}

// try makes an attempt. Its error is a fault, which makes backoff go on.
func (c *call) try(at func() (*peer, error), attempt request) error {
	if c.server, c.outcome = at(); c.outcome != nil {
		return nil //nolint:nilerr // no server is at fault; outcome tells
	}
	c.outcome = attempt(c.server)
	if !isFault(c.outcome) {
		return nil
	}
	c.fault = c.outcome
	c.client.fleet.failed(c.key)
	if errors.Is(c.outcome, errBroken) {
		return backoff.Permanent(c.outcome)
	}
	c.tries++
	if c.client.hopeless(c.server) {
		return backoff.Permanent(c.outcome)
	}
	return c.outcome
}

// Reset is for backoff. A call is used but once.
func (*call) Reset() {}

// NextBackOff is the pause before the next try. In a cluster that goes elsewhere.
func (c *call) NextBackOff() time.Duration {
	if c.client.fleet != nil {
		return pauseAfter(c.tries - 1)
	}
	return c.server.nextTry(c.tries - 1)
}

// note tells the world about a retry.
func (c *call) note(ctx context.Context, err error, pause time.Duration) {
	c.client.log.Warn("retry", "key", c.key, "server", c.server.name,
		"attempt", c.tries, "pause_ms", pause.Milliseconds(), "error", err)
	c.client.observed.retried(ctx, Retry{Key: c.key, Server: c.server.name, Attempt: c.tries, Pause: pause, Err: err})
}

// failed is the error of a call that got no answer.
func (c *call) failed(ctx context.Context) error {
	server := c.server
	if c.client.fleet != nil {
		server = c.client.fleet.whole
	}
	c.client.observed.failed(server.name)
	err := &FaultError{Server: server.name, Tries: c.tries, Spent: time.Since(c.begun),
		Gone: server.hasAnswered() && isAway(c.fault), Err: c.fault}
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}
