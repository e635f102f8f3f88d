package client

import (
	"context"
	"time"

	"github.com/lockcached/lockcached/protocol"
)

// granted makes a Lock of a claim that was granted.
func (cl *claim) granted(asking, life context.Context) (*Lock, error) {
	// From here on giving up means releasing.
	if asking.Err() != nil {
		return nil, interrupted(asking)
	}
	expires, err := cl.inspect(context.WithoutCancel(asking))
	if err != nil {
		return nil, err
	}
	if !cl.contested {
		cl.line.done() // it has not waited, and is not kept from waiting
		cl.line = nil
	}
	l := &Lock{
		client: cl.client, kind: cl.kind, token: cl.hold.cas, ttl: cl.ttl, granted: time.Now(),
		life: life, hold: cl.hold, line: cl.line, expires: expires, keeper: make(chan struct{}), along: cl.along,
		server: cl.server,
	}
	if cl.late {
		l.late = cl.open - 1
	}
	ctx, span := cl.client.startHold(life, l)
	l.span = span
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	l.mu.Lock() // against a timer that is due at once
	l.timer = time.AfterFunc(time.Until(expires.Add(-margin(l.ttl))), l.expire)
	l.mu.Unlock()
	if cl.opts.keepAlive {
		cl.client.pending.Go(l.keepAlive)
	} else {
		close(l.keeper)
	}
	return l, nil
}

// inspect reads the lock right after the grant: its token, and when the lease ends.
func (cl *claim) inspect(ctx context.Context) (expires time.Time, err error) {
	keys := []string{cl.hold.key}
	// Without a wait the lease began right after the claim was sent; otherwise only the
	// server knows when.
	if cl.queued && cl.contested {
		keys = append(keys, protocol.LockKey(cl.hold.key))
	}
	if cl.opts.along != "" {
		keys = append(keys, cl.opts.along)
	}
	asked := time.Now()
	items, err := cl.client.get(ctx, keys...)
	if err != nil {
		return expires, err
	}
	cl.along = items[cl.opts.along]
	item := items[cl.hold.key]
	if item == nil || string(item.Value) != cl.hold.owner {
		if _, sure := cl.client.selector.(selector); cl.queued && !sure {
			return expires, ErrMisrouted
		}
		return expires, ErrLost
	}
	cl.hold.cas = item.CasID
	if told := items[protocol.LockKey(cl.hold.key)]; told != nil {
		if info := parseInfo(cl.hold.key, told.Value); info.TTL > 0 {
			return asked.Add(info.TTL), nil
		}
	}
	return cl.sent.Add(whole(cl.ttl)), nil
}
