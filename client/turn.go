package client

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// turns let one goroutine at a time ask for a key, in the order in which they came:
// a hundred that want the same lock are one waiter to the server, as they are one
// client to each other.
type turns struct {
	mu  sync.Mutex // guards what follows
	now map[string]*turn
}

type turn struct {
	baton *semaphore.Weighted
	users int // who has it or waits for it
}

// take waits for the turn.
func (t *turns) take(ctx context.Context, key string) error {
	turn := t.join(key)
	if err := turn.baton.Acquire(ctx, 1); err != nil {
		t.leave(key)
		return interrupted(ctx)
	}
	return nil
}

// tryTake takes the turn if nobody has it.
func (t *turns) tryTake(key string) bool {
	if t.join(key).baton.TryAcquire(1) {
		return true
	}
	t.leave(key)
	return false
}

// pass gives the turn to the next one.
func (t *turns) pass(key string) {
	t.mu.Lock()
	turn := t.now[key]
	t.mu.Unlock()
	turn.baton.Release(1)
	t.leave(key)
}

func (t *turns) join(key string) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now == nil {
		t.now = make(map[string]*turn)
	}
	if t.now[key] == nil {
		t.now[key] = &turn{baton: semaphore.NewWeighted(1)}
	}
	t.now[key].users++
	return t.now[key]
}

func (t *turns) leave(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now[key].users--; t.now[key].users == 0 {
		delete(t.now, key)
	}
}
