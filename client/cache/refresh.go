package cache

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/lockcached/lockcached/client"
)

// refreshes are the computations of a Cache that go on in the background, while
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

// end lets the next one begin after a rest.
func (r *refreshes) end(key string, rest time.Duration) {
	time.AfterFunc(rest, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.keys, key)
	})
}

// refresh computes the next value in the background, unless somebody does so already.
// It goes on when its caller has gone, and ends with the Client.
func (t *task[T]) refresh(ctx context.Context, found *entry[T]) {
	if !t.refreshes.begin(t.key) {
		return
	}
	t.background = true
	_ = t.client.Go(ctx, func(ctx context.Context) { // once the Client is closed nobody will
		err := errGoexit // unless it returns
		defer func() { t.refreshes.end(t.key, t.rest(err, found)) }()
		err = t.renew(ctx, found.fresh(time.Now()))
	})
}

// rest is how long nobody of this process tries again: while another process computes,
// as long as that takes; and after a failure, what failed is spared.
func (t *task[T]) rest(err error, found *entry[T]) time.Duration {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, client.ErrHeld):
		return min(max(found.computed, shortestLook), longestLook)
	}
	return cmp.Or(t.config.NegativeTTL, longestLook)
}

// renew computes the next value if the lock is free.
func (t *task[T]) renew(ctx context.Context, early bool) (err error) {
	ctx, tell := t.observe(ctx)
	defer tell()
	defer func() {
		// There is no caller for a panic to go to. It is logged, and once the value is
		// over there is one.
		if p := recover(); p != nil {
			err = panicOf(p)
		}
	}()
	hold, err := t.client.TryLock(ctx, t.lockKey(), t.options()...)
	if errors.Is(err, client.ErrHeld) {
		_ = t.end("left to others", nil)
		return err
	}
	if err == nil {
		t.report.Token = hold.Token()
		if early {
			t.counts.early.Add(1)
		}
		_, err = t.withLock(ctx, hold)
	}
	if err != nil {
		t.log(slog.LevelWarn, err, "cached value is not refreshed")
	}
	return err
}
