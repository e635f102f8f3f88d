package client

import (
	"context"
	"errors"
	"time"
)

const (
	leastTTL    = time.Second // whatever the statistics suggest
	leastWait   = time.Second
	unknownWait = 30 * time.Second // if they suggest nothing
)

// adapt lets the statistics choose lease and wait, where that is asked for.
func (cl *claim) adapt(ctx context.Context) error {
	o := &cl.opts
	if !o.adaptiveTTL && !o.adaptiveWait {
		return nil
	}
	ttl, wait, err := cl.suggestions(ctx)
	if err != nil {
		return err
	}
	if o.adaptiveTTL && ttl > 0 {
		cl.ttl = min(max(ttl, leastTTL), maxRelative)
	}
	if o.adaptiveWait {
		switch {
		case wait > 0:
			o.wait = max(wait, leastWait)
		case !o.bounded:
			o.wait = unknownWait
		}
		o.bounded = true
	}
	return nil
}

// suggestions are what the statistics suggest, 0 if they do not.
func (cl *claim) suggestions(ctx context.Context) (ttl, wait time.Duration, err error) {
	info, err := cl.client.told(ctx, cl.hold.key)
	switch {
	case err != nil && !errors.Is(err, errTooLong):
		return 0, 0, err
	case info != nil:
		cl.rank = info.Rank
		return info.SuggestedTTL, info.SuggestedWait, nil
	}
	stat := booksOf(cl.hold.key) + statSuffix
	items, err := cl.client.Read(ctx, stat)
	return parseHolds(items[stat]).suggestedTTL(), 0, err
}
