package client

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// refreshes are the computations of a Cached that go on in the background, while
// callers have the value that is there.
type refreshes struct {
	mu   sync.Mutex          // guards keys
	keys map[string]struct{} // that nobody of this process begins to refresh now
}

// begin reports whether the caller is to refresh the key, and is to call end.
func (r *refreshes) begin(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, busy := r.keys[key]; busy {
		return false
	}
	if r.keys == nil {
		r.keys = make(map[string]struct{})
	}
	r.keys[key] = struct{}{}
	return true
}

func (r *refreshes) end(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.keys, key)
}

// refresh computes the next value in the background, unless somebody does so already.
// It goes on when its caller has gone, and ends with the Client.
func (t *task[T]) refresh(ctx context.Context, found *entry[T]) {
	if !t.refreshes.begin(t.key) {
		return
	}
	if t.client.begin() != nil {
		t.refreshes.end(t.key)
		return
	}
	t.background = true
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(t.client.closing, func() { cancel(ErrClosed) })
	go func() {
		defer t.client.pending.Done()
		defer cancel(nil)
		defer stop()
		if t.renew(ctx, found.fresh(time.Now())) {
			t.refreshes.end(t.key)
			return
		}
		// Another process does. Nobody needs to try before that one has had its time.
		again := min(max(found.computed, shortestLook), longestLook)
		time.AfterFunc(again, func() { t.refreshes.end(t.key) })
	}()
}

// renew computes the next value if the lock is free, and reports whether it was.
func (t *task[T]) renew(ctx context.Context, early bool) bool {
	ctx, span := t.trace(ctx)
	defer span.End()
	// There is no caller for a panic to go to. It is logged, and once the value is over
	// there is one.
	defer func() { _ = recover() }()
	hold, err := t.client.TryLock(ctx, t.lockKey(), t.options()...)
	if errors.Is(err, ErrHeld) {
		_ = end(ctx, "left to others", nil)
		return false
	}
	if err == nil {
		span.SetAttributes(tokenOf(hold))
		if early {
			t.counts.early.Add(1)
		}
		_, err = t.withLock(ctx, hold)
	}
	if err != nil {
		t.log(zerolog.WarnLevel, err, "cached value is not refreshed")
	}
	return true
}
