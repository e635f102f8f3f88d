package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lockcached/lockcached/client/internal/ctxtime"
)

// keepAlive renews the lock until its context ends. A renewal that fails is repeated
// until then.
func (l *Lock) keepAlive() {
	defer close(l.keeper)
	stop := context.AfterFunc(l.client.closing, func() { l.lose(fmt.Errorf("%w: %w", ErrLost, ErrClosed)) })
	defer stop()
	pause := l.ttl / 3
	for ctxtime.Sleep(l.ctx, pause) {
		err := l.Renew(l.ctx, l.ttl)
		switch {
		case err == nil:
			pause = l.ttl / 3
		case errors.Is(err, ErrLost) || l.ctx.Err() != nil:
			return
		default:
			pause = min(l.ttl/30, time.Second)
			l.client.log.Warn("lock not renewed yet", "key", l.hold.key, "pause_ms", pause.Milliseconds(), "error", err)
		}
	}
}
