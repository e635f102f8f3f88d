package engine

import (
	"context"
	"errors"
	"time"
)

// How long to wait for an answer: at first, and at most; every try gets twice as long
// as the one before. A commit takes milliseconds, and an election, for which there is
// nothing to do but wait, about a second.
const (
	FirstTry = 700 * time.Millisecond
	LastTry  = 5 * time.Second
)

// settlePause keeps tries apart that fail at once.
const settlePause = 20 * time.Millisecond

// Settle repeats a transaction until its outcome is known, or it is refused. A try is cut
// short by a change of leader. When ctx ends, what is returned is the error of the last try,
// an ErrUnknown.
//
// A try whose answer was lost may have been carried out, so the transaction has to be one
// that may be carried out twice. If it changes what its own conditions are about, they do
// not hold for the repetition: then Held says nothing, and the caller has to look.
func Settle(ctx context.Context, e Engine, t Txn) (Outcome, error) {
	for patience := FirstTry; ; patience = min(2*patience, LastTry) {
		o, err := Try(ctx, e, t, patience)
		if !errors.Is(err, ErrUnknown) {
			return o, err
		}
		select {
		case <-ctx.Done():
			return Outcome{}, err
		case <-time.After(settlePause):
		}
	}
}

// Try gives a transaction so much time, and less if the leader changes meanwhile: what was asked
// of the old one may never be answered.
func Try(ctx context.Context, e Engine, t Txn, patience time.Duration) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	changed := e.LeaderChanged()
	go func() {
		select {
		case <-changed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return e.Txn(ctx, t)
}
