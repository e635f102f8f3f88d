package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Do runs fn under a lock. It takes the lock as Lock does, with the same options, runs fn
// with the lock's context, and releases the lock when fn returns, panics or ends its
// goroutine. As long as fn runs the lock is renewed, as by KeepAlive. FromContext tells
// fn its lock, and so the token.
//
// Without the lock fn does not run, and the error is that of Lock: ErrHeld,
// ErrUnavailable, the end of ctx, and so on. Wait(0) asks for the lock once.
//
// After fn has run, the error is what fn returned, as it is, if the lock was ours for all
// of the time. If it was lost, the error is ErrLost, and also what fn returned. So it is
// if fn returned an error after its context had ended because the lease was about to. A
// release that gets no answer is no error, for fn has had the lock: it is logged, and the
// lock ends when its TTL is over. So after ErrUnavailable fn has not run, unless fn
// returned that itself.
//
// When ctx ends, the context of fn does; the lock is released when fn has returned.
func (c *Client) Do(ctx context.Context, key string, fn func(ctx context.Context) error, opts ...Option) error {
	l, err := c.Lock(ctx, key, append(slices.Clip(opts), KeepAlive())...)
	if err != nil {
		return err
	}
	returned := false
	defer func() {
		if !returned {
			_ = l.Unlock() // what goes on here matters more
		}
	}()
	err = fn(context.WithValue(l.Context(), lockInContext{}, l))
	returned = true
	return l.conclude(err)
}

// conclude releases the lock of a function that has returned err, and makes of both what
// Do returns.
func (l *Lock) conclude(err error) error {
	told := context.Cause(l.Context()) // before Unlock ends it
	released := l.Unlock()
	var loss error
	switch {
	case errors.Is(released, ErrLost):
		loss = released
	case err != nil || released != nil:
		if errors.Is(told, ErrLost) {
			loss = told
		}
	}
	if released != nil && loss == nil {
		l.client.log.Warn("lock not released: it ends by its TTL", "key", l.hold.key, "error", released)
	}
	switch {
	case loss == nil:
		return err
	case err == nil:
		return loss
	}
	return fmt.Errorf("%w: %w", loss, err)
}

type lockInContext struct{}

// FromContext is the lock under which Do runs the function that got ctx. It is nil if
// there is none.
func FromContext(ctx context.Context) *Lock {
	l, _ := ctx.Value(lockInContext{}).(*Lock)
	return l
}
