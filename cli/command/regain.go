package command

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/client"
)

// untilNextRegain is the pause between claims for a lock that was lost, while its server
// does not answer.
const untilNextRegain = time.Second

// regain waits for a lock that was lost, and returns nil if ctx ends first.
func regain(ctx context.Context, c *client.Client, key string, log zerolog.Logger) *client.Lock {
	for {
		lock, err := c.Lock(ctx, key, client.KeepAlive())
		if err == nil {
			return lock
		}
		log.Warn().Str("key", key).Err(err).Msg("lock not regained yet")
		select {
		case <-time.After(untilNextRegain):
		case <-ctx.Done():
			return nil
		}
	}
}
