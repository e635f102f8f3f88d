package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lockcached/lockcached/client"
)

// The client gives up on a server that is away for more than a second or two. A command that waits
// for a lock anyway also waits for its server to be restarted.
const (
	// patience is how long to wait for a server that has never answered, while nobody listens there.
	patience = 8 * time.Second
	// untilNextClaim is the pause between claims at a server that is away. Most of the claims send
	// nothing: the client asks such a server after 1, 2, 4 and 8 seconds.
	untilNextClaim = 250 * time.Millisecond
)

// ask claims the lock. If the server goes away, it keeps trying as long as the wait lasts. If the
// server has never answered, it keeps trying only if the wait has no end, and only for patience.
func (l *claimCommand) ask(ctx context.Context, a *App, opts []client.Option) (*client.Lock, error) {
	o := outage{begun: time.Now()}
	for {
		lock, err := l.claim(ctx, o.begun, opts)
		fault, isAway := errors.AsType[*client.FaultError](err)
		switch {
		case !isAway:
			return lock, err
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		}
		o.add(fault)
		switch {
		case l.isWorthWaiting(&o):
		case o.rounds == 1:
			return nil, err
		default:
			return nil, &o.total
		}
		if o.rounds == 1 && !l.quiet {
			fmt.Fprintf(a.Stderr, "lockcached: %s: %s; waiting for it\n", l.key, l.plainly(fault))
		}
		select {
		case <-time.After(untilNextClaim):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if err := l.reconnect(); err != nil {
			return nil, err
		}
	}
}

// claim claims the lock once. It fails when the server goes away.
func (l *claimCommand) claim(ctx context.Context, begun time.Time, opts []client.Option) (*client.Lock, error) {
	if l.noWait {
		return l.client.TryLock(ctx, l.key, opts...)
	}
	if l.waits {
		opts = append(opts, client.Wait(max(0, l.wait-time.Since(begun))))
	}
	return l.client.Lock(ctx, l.key, opts...)
}

func (l *claimCommand) isWorthWaiting(o *outage) bool {
	waited := time.Since(o.begun)
	switch {
	case l.noWait, l.waits && waited >= l.wait:
		return false
	case o.total.Gone:
		return true
	}
	return !l.waits && waited < patience && o.mayBeRestart()
}

// mayBeRestart reports whether the server may be restarting: nobody listens at its address.
func (o *outage) mayBeRestart() bool {
	return errors.Is(o.total.Err, unix.ECONNREFUSED) || errors.Is(o.total.Err, unix.ENOENT)
}

// An outage is the record of a claim at a server that is away.
type outage struct {
	begun  time.Time // of the claim
	rounds int
	total  client.FaultError
}

// add adds a claim that got no answer.
func (o *outage) add(fault *client.FaultError) {
	o.rounds++
	if o.total.Err == nil || fault.Tries > 0 {
		o.total.Err = fault.Err
	}
	o.total.Server, o.total.Gone = fault.Server, fault.Gone
	o.total.Tries += fault.Tries
	o.total.Spent = time.Since(o.begun)
}
