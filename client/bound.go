package client

import (
	"context"
	"math"
	"time"

	"github.com/lockcached/lockcached/client/internal/ctxtime"
)

// bound begins the time to wait. It bounds the waiting, not the way to the server and
// back: whoever may not wait at all still asks once. So the claim has its patience for
// as much longer as one request may take, which is for what is repeated because the
// server is away; and a request is made whether that is over or not.
func (cl *claim) bound(asking context.Context) (done context.CancelFunc) {
	cl.patience = asking
	if !cl.opts.bounded || cl.opts.strategy == never {
		return func() {}
	}
	cl.until = time.Now().Add(cl.opts.wait)
	cl.patience, done = context.WithDeadlineCause(asking, cl.until.Add(cl.client.config.Timeout), errNoAnswer)
	return done
}

// left is what is left of the time to wait.
func (cl *claim) left() time.Duration {
	if cl.until.IsZero() {
		return math.MaxInt64
	}
	return max(time.Until(cl.until), 0)
}

// untilWaitIsOver returns a context that ends with the time to wait.
func (cl *claim) untilWaitIsOver(ctx context.Context) (context.Context, context.CancelFunc) {
	if cl.until.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadlineCause(ctx, cl.until, errWaitOver)
}

// pause sleeps before the next try: the last one comes when the time to wait is over.
// It reports false if ctx ended first.
func (cl *claim) pause(ctx context.Context, d time.Duration) bool {
	return ctxtime.Sleep(ctx, min(d, cl.left()))
}
