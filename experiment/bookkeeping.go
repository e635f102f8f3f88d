package main

import (
	"slices"
	"time"

	"github.com/lockcached/lockcached/stats"
	books "github.com/lockcached/lockcached/stats/ledger"
)

// bookkeeping is how the server comes to advise the clients that it refuses. It tells the
// server's own books, in virtual time, what advice depends on, and takes the advice from them.
// The lock is alone in its class and on its server.
type bookkeeping struct {
	ranked bool
	faults

	books   *books.Ledger
	past    *books.Past
	shown   time.Duration // how long the holds before the start took
	since   time.Duration // when the present hold began
	polling []int         // clients that were refused and will come back, the longest waiting first
}

func (b *bookkeeping) init(t trial) {
	*b = bookkeeping{ranked: t.policy.ranked, faults: t.faults}
	b.books = books.New(books.NewShared(':', 1, 0), 1, 1)
	b.past = b.books.Of([]byte("experiment:lock"))
}

// note records an event. The clock of the books begins with the first hold that was shown.
func (b *bookkeeping) note(now time.Duration, e books.Event) {
	e.Now = b.shown + now
	b.books.Note(b.past, &e)
}

// show records a hold before the start, for which nobody waited.
func (b *bookkeeping) show(ended books.Kind, took time.Duration) {
	b.note(0, books.Event{Kind: books.Granted})
	b.shown += took
	b.note(0, books.Event{Kind: ended, Took: took})
}

// granted records that a client has the lock, and how long it has waited, 0 if it has not.
func (b *bookkeeping) granted(client int, now, waited time.Duration) {
	if i := slices.Index(b.polling, client); i >= 0 {
		b.polling = slices.Delete(b.polling, i, i+1)
	}
	b.since = now
	b.note(now, books.Event{Kind: books.Granted, Waited: waited > 0, Took: waited})
}

// ended records that the hold was released or has expired.
func (b *bookkeeping) ended(how books.Kind, now time.Duration) {
	b.note(now, books.Event{Kind: how, Took: now - b.since})
}

// contended records that a client waits, in line or until it asks again.
func (b *bookkeeping) contended() { b.books.Contended(b.past) }

// refused records that a client will come back.
func (b *bookkeeping) refused(client int) {
	b.contended()
	if b.ranked && !slices.Contains(b.polling, client) {
		b.polling = append(b.polling, client)
	}
}

// forget clears what the server forgets if no client asks for the lock for long.
func (b *bookkeeping) forget() { b.polling = nil }

// tell returns what the server tells a client that computes its own pause.
func (b *bookkeeping) tell(now time.Duration, waiters int) scene {
	hold := &b.past.Hold
	return scene{
		mean: time.Duration(hold.Mean()), stddev: time.Duration(hold.Stddev()),
		age: now - b.since, waiters: waiters,
	}
}

// advise returns the pause that the server suggests to a client that it has refused. No
// client counts as queued: one that is parked for a moment will most likely be refused, too.
func (b *bookkeeping) advise(client int, now time.Duration) time.Duration {
	s := stats.Scene{Now: now, Since: b.since}
	if b.dying > 0 {
		s.Expires = b.leaseEnd(b.since, now)
	}
	var at time.Duration
	b.past.Consult(func(k books.Knowledge) {
		k.Describe(&s)
		promises := &b.past.Contention().Promises
		if b.ranked {
			at = promises.AdviseRank(&s, slices.Index(b.polling, client))
		} else {
			at = promises.Advise(&s)
		}
	})
	return time.Duration(stats.RetryMs(now, at, 0)) * time.Millisecond
}
