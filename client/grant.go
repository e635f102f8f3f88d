package client

import (
	"context"
	"fmt"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
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
	ctx, tell := cl.client.observed.hold(life, Grant{Key: l.hold.key, Owner: l.hold.owner, Token: l.token})
	l.tell = tell
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	l.mu.Lock() // against a timer that is due at once
	l.timer = time.AfterFunc(time.Until(expires.Add(-margin(l.ttl))), l.expire)
	l.mu.Unlock()
	if cl.opts.keepAlive {
		cl.client.warnOfTTL(l.hold.key, l.ttl)
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
	waited := cl.queued && cl.contested
	if waited && fits(lockPrefix, cl.hold.key) {
		keys = append(keys, lockPrefix+cl.hold.key)
	}
	if cl.opts.along != "" {
		keys = append(keys, cl.opts.along)
	}
	asked := time.Now()
	items, err := cl.client.Read(ctx, keys...)
	if err != nil {
		return expires, err
	}
	cl.along = items[cl.opts.along]
	if !cl.isOurs(items) {
		return expires, cl.notFound(ctx)
	}
	cl.hold.cas = items[cl.hold.key].CasID
	info := infoIn(items, cl.hold.key)
	if waited && !fits(lockPrefix, cl.hold.key) {
		if info, err = cl.client.told(ctx, cl.hold.key); err != nil {
			return expires, err
		}
	}
	if info != nil && info.TTL > 0 {
		return asked.Add(info.TTL), nil
	}
	return cl.sent.Add(whole(cl.ttl)), nil
}

// isOurs reports whether our value is among the items, under the key that we locked.
func (cl *claim) isOurs(items map[string]*memcache.Item) bool {
	item := items[cl.hold.key]
	return item != nil && string(item.Value) == cl.hold.owner
}

// notFound is why a lock that was granted is not where its key lives: it was lost since,
// unless it turns out that it was granted by another server.
func (cl *claim) notFound(ctx context.Context) error {
	lost := fmt.Errorf("%w: %s was granted, and is not there", ErrLost, cl.hold.key)
	if cl.asked == "" { // we know our own servers
		return lost
	}
	if cl.client.selector != nil {
		if cl.client.sameServer(cl.asked, cl.hold.key) {
			return lost
		}
		return ErrMisrouted
	}
	if cl.client.spreads(ctx, len(cl.hold.key)) {
		return ErrMisrouted
	}
	return lost
}
