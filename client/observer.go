package client

import (
	"context"
	"errors"
	"time"

	"github.com/lockcached/lockcached/client/internal/observe"
)

// An Observer is told what a Client does. Packages clientmetrics and clienttrace have one
// each, for Prometheus and for OpenTelemetry. Its methods, and the functions that they
// return, are called from any goroutine, and in the middle of the work: they must not
// block.
type Observer interface {
	// Acquire follows a call of Lock or TryLock for a key. What it returns as context is
	// used for the call, and what it returns as function is called when the call is over.
	Acquire(ctx context.Context, key string) (context.Context, func(Acquisition))
	// Hold follows a lock that was granted. What it returns as context is the parent of
	// Lock.Context, and what it returns as function is called when the hold is over: with
	// nil if we ended it, and with why it was lost otherwise.
	Hold(ctx context.Context, grant Grant) (context.Context, func(lost error))
	// Renewed tells that the lease of a lock was prolonged.
	Renewed(key string)
	// Retried tells that a request is made again. The context is that of the call.
	Retried(ctx context.Context, retry Retry)
	// Failed tells that a request got no answer from a server in all its tries.
	Failed(server string)
}

// An Acquisition is how a call of Lock or TryLock ended.
type Acquisition struct {
	Token     uint64        // of the grant, 0 if there is none
	Tries     int           // claims that were sent
	Refused   int           // claims that found the lock held
	Contested bool          // the lock was not granted at once
	Once      bool          // it was TryLock
	Waited    time.Duration // from the call to its end
	Rank      int           // how many waited ahead when we last knew, -1 if never
	Strategy  string        // that was chosen, "never" for TryLock
	Err       error         // that the caller gets, nil with a grant
}

// Outcome is how it ended, in one word: granted, held, unavailable, interrupted or failed.
func (a *Acquisition) Outcome() string {
	switch {
	case a.Err == nil:
		return "granted"
	case errors.Is(a.Err, ErrHeld):
		return "held"
	case errors.Is(a.Err, ErrUnavailable):
		return "unavailable"
	case errors.Is(a.Err, errInterrupted):
		return "interrupted"
	}
	return "failed"
}

// A Grant is a lock that is ours.
type Grant struct {
	Key, Owner string
	Token      uint64
}

// A Retry is a request that is made again because its server was away or busy.
type Retry struct {
	Key, Server string
	Attempt     int           // that failed, the first being 1
	Pause       time.Duration // until the next
	Err         error         // why it failed
}

// observers are told one after the other; the first one's context is the outermost.
type observers []Observer

func (os observers) acquire(ctx context.Context, key string) (context.Context, func(Acquisition)) {
	return observe.Begin(ctx, os, func(ctx context.Context, o Observer) (context.Context, func(Acquisition)) {
		return o.Acquire(ctx, key)
	})
}

func (os observers) hold(ctx context.Context, grant Grant) (context.Context, func(error)) {
	return observe.Begin(ctx, os, func(ctx context.Context, o Observer) (context.Context, func(error)) {
		return o.Hold(ctx, grant)
	})
}

func (os observers) renewed(key string) {
	for _, o := range os {
		o.Renewed(key)
	}
}

func (os observers) retried(ctx context.Context, retry Retry) {
	for _, o := range os {
		o.Retried(ctx, retry)
	}
}

func (os observers) failed(server string) {
	for _, o := range os {
		o.Failed(server)
	}
}
