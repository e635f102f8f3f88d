package client

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Leave ends the work under the lock, but not the lock: nobody gets it for a time that
// begins now, in whole seconds, rounded up; the bound is that of CheckTTL. Nothing renews
// it any more. That is for a short job which must not be done again by a host whose clock
// is slow. ErrLost says that the lock is not ours any more. After a Leave that returned nil
// or ErrLost, Unlock does nothing and returns the same.
func (l *Lock) Leave(ctx context.Context, rest time.Duration) error {
	if rest <= 0 {
		return fmt.Errorf("%w: %v", ErrTTL, rest)
	}
	if err := CheckTTL(rest); err != nil {
		return err
	}
	l.cancel(ErrUnlocked)
	<-l.keeper
	l.op.Lock()
	defer l.op.Unlock()
	if l.done {
		return fmt.Errorf("client: leave %s: %w", l.hold.key, ErrUnlocked)
	}
	_, err := l.client.swap(ctx, &l.hold, l.leaseOf(rest))
	switch {
	case err == nil:
		l.leftFor = whole(rest) + time.Second
	case errors.Is(err, ErrLost):
		err = fmt.Errorf("%w: %s was not ours any more when it was left", ErrLost, l.hold.key)
	default:
		return fmt.Errorf("client: leave %s: %w", l.hold.key, err)
	}
	l.done, l.err = true, err
	l.end(err)
	return err
}
