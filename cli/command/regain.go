package command

import (
	"context"
	"time"

	"github.com/lockcached/lockcached/client"
)

// untilNextRegain is the pause between claims for a lock that was lost, while its server
// does not answer.
const untilNextRegain = time.Second

// askAgain claims the lock that was lost for a command that goes on, until that ends.
func (g *guard) askAgain() {
	var ctx context.Context
	ctx, g.stop = context.WithCancel(context.Background())
	go func() { g.regains <- g.regained(ctx) }()
}

// regained waits for the lock, and returns nil if ctx ends before.
func (g *guard) regained(ctx context.Context) *client.Lock {
	for {
		lock, err := g.client.Lock(ctx, g.key, client.KeepAlive())
		if err == nil {
			return lock
		}
		g.log.Warn().Str("key", g.key).Err(err).Msg("lock not regained yet")
		select {
		case <-time.After(untilNextRegain):
		case <-ctx.Done():
			return nil
		}
	}
}

// regain goes on with a lock that was obtained again.
func (g *guard) regain(lock *client.Lock) {
	g.lock, g.stop = lock, nil
	g.say("the lock is held again, with token %d; the command knows the former one", lock.Token())
	g.watch()
}
