package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// A pace is a strategy at work for one claim that was refused.
type pace interface {
	// again waits for the moment to ask again, and asks: nil is the grant,
	// memcache.ErrNotStored another refusal.
	again(ctx context.Context, cl *claim) error
	// done follows the end of the claim, whatever it is.
	done(ctx context.Context, cl *claim)
}

// pace chooses.
func (cl *claim) pace() (pace, error) {
	cl.chosen = cl.opts.strategy
	switch {
	case cl.chosen == Auto && cl.kind == plain:
		cl.chosen = Local
	case cl.chosen == Auto:
		cl.chosen = Queue
	case cl.kind == plain && (cl.chosen == Queue || cl.chosen == Advice):
		return nil, fmt.Errorf("%w: it has neither a line nor advice for the strategy %v", ErrPlain, cl.chosen)
	}
	if cl.chosen == Queue && !cl.mayQueue() {
		cl.chosen = Advice
	}
	if cl.chosen == Advice && !cl.mayAsk() {
		cl.chosen = Local
	}
	switch cl.chosen {
	case Queue:
		return new(queue), nil
	case Advice:
		return &polling{pause: advised}, nil
	case Local:
		return new(local), nil
	case Fixed:
		return &polling{pause: func(context.Context, *claim) (time.Duration, error) { return cl.opts.every, nil }}, nil
	case Exponential:
		return &polling{pause: exponential(baseBackoff)}, nil
	}
	return &polling{}, nil // never
}

// mayQueue and mayAsk tell whether the key leaves room for the words of a wait in line,
// and of a question about the lock. That matters to a Memcache of the caller's only.
func (cl *claim) mayQueue() bool {
	return cl.client.config.Memcache == nil || fits(longestWaitPrefix, cl.hold.key)
}

func (cl *claim) mayAsk() bool {
	return cl.client.config.Memcache == nil || fits(retryPrefix, cl.hold.key)
}

// polling asks again after pauses.
type polling struct {
	pause func(context.Context, *claim) (time.Duration, error)
}

func (p *polling) again(ctx context.Context, cl *claim) error {
	pause, err := p.pause(ctx, cl)
	if err != nil {
		return err
	}
	if !cl.pause(ctx, pause) {
		return interrupted(ctx)
	}
	return cl.add()
}

func (*polling) done(context.Context, *claim) {}

// advised is when the server says to come back. What else it tells goes into the span.
func advised(_ context.Context, cl *claim) (time.Duration, error) {
	retry, lock := retryPrefix+cl.hold.key, lockPrefix+cl.hold.key
	if !fits(retryPrefix, cl.hold.key) {
		return cl.advisedOnLine()
	}
	items, err := cl.client.Read(cl.patience, retry, lock)
	if err != nil {
		return 0, err
	}
	if items[retry] == nil || items[lock] == nil {
		return 0, ErrPlain
	}
	cl.rank = parseInfo(cl.hold.key, items[lock].Value).Rank
	ms, err := strconv.Atoi(string(items[retry].Value))
	if err != nil {
		return 0, fmt.Errorf("client: advice %q is no number", items[retry].Value)
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// advisedOnLine is advised for a key that has no room for the prefix.
func (cl *claim) advisedOnLine() (time.Duration, error) {
	info, err := cl.client.toldOnLine(cl.patience, cl.hold.key)
	switch {
	case err != nil:
		return 0, err
	case info == nil:
		return 0, ErrPlain
	}
	cl.rank = info.Rank
	return info.Retry, nil
}

const (
	baseBackoff = 100 * time.Millisecond
	maxBackoff  = 10 * time.Second
)

// exponential is a random pause below a limit that doubles.
func exponential(limit time.Duration) func(context.Context, *claim) (time.Duration, error) {
	return func(context.Context, *claim) (time.Duration, error) {
		pause := rand.N(limit)
		limit = min(2*limit, maxBackoff)
		return pause, nil
	}
}

// queue waits in the server's line.
type queue struct {
	turnedAway bool // the latest wait was refused too soon
}

// tooSoon is a refusal that came so much before the end of the wait that waiting
// again at once could become a busy loop: the line is full, or the server's --max-wait
// tiny. Or the server shuts down: then the next try finds the connection closed, and
// goes on in the line of the server that comes after. What that one advises those who
// poll would be too late for somebody who may wait.
const tooSoon = 100 * time.Millisecond

func (q *queue) again(ctx context.Context, cl *claim) error {
	soon := tooSoon
	if cl.client.config.Memcache != nil {
		soon = min(soon, cl.client.config.Timeout/2) // its waits may be short
	}
	if end, bounded := ctx.Deadline(); bounded && time.Until(end) <= 3*roundTrip {
		<-ctx.Done() // the last slice is over, and what is left is too short for another
		return interrupted(ctx)
	}
	began, before := time.Now(), q.turnedAway
	err := cl.wait(ctx)
	q.turnedAway = isNotStored(err) && time.Since(began) < soon && cl.left() > 0 && ctx.Err() == nil
	if !q.turnedAway {
		return err
	}
	pause := tooSoon
	if before {
		advice, err := advised(ctx, cl)
		if err != nil {
			return err
		}
		pause = max(advice, tooSoon)
	}
	if !cl.pause(ctx, pause) {
		return interrupted(ctx)
	}
	return err
}

func (*queue) done(context.Context, *claim) {}
