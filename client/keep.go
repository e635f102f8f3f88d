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
	pause := l.client.untilRenewal(l.ttl)
	for ctxtime.Sleep(l.ctx, pause) {
		err := l.Renew(l.ctx, l.ttl)
		switch {
		case err == nil:
			pause = l.client.untilRenewal(l.ttl)
		case errors.Is(err, ErrLost) || l.ctx.Err() != nil:
			return
		default:
			pause = min(l.ttl/30, time.Second)
			l.client.log.Warn("lock not renewed yet", "key", l.hold.key, "pause_ms", pause.Milliseconds(), "error", err)
		}
	}
}

// LeastClusterTTL is the shortest TTL with which a lock in a cluster that is kept alive outlives
// the loss of a node, with the default patience and suspicion of the cluster.
const LeastClusterTTL = 10 * time.Second

// untilRenewal is how long after a renewal the next one begins: a third of the TTL. In a cluster an
// answer may take as long as a fail-over does, and has to arrive before the last third begins,
// in which whoever works under the lock may begin to stop. So with a short TTL it is sooner, but
// never sooner than after a tenth.
func (c *Client) untilRenewal(ttl time.Duration) time.Duration {
	pause := ttl / 3
	if c.fleet != nil {
		pause = min(pause, max(ttl*2/3-c.fleet.outage(), ttl/10))
	}
	return pause
}

// warnOfTTL warns of a lock that is to be kept alive, and would not outlive the loss of a node.
func (c *Client) warnOfTTL(key string, ttl time.Duration) {
	if c.fleet != nil && ttl*2/3-c.fleet.outage() < ttl/10 {
		c.log.Warn("the TTL is too short for a fail-over: if a node is lost the lock may be, too",
			"key", key, "ttl_ms", ttl.Milliseconds(), "failover_ms", c.fleet.outage().Milliseconds())
	}
}
