package locks

import (
	"time"

	"github.com/lockcached/lockcached/stats/ledger"
)

// A shard makes holders and ends holds. What else there is to do about that is for
// those who listen to its events: the ledger, the journal, the log.

// happened tells all who listen what has happened to a held lock. The item is as it is
// after the event or, if the hold has ended, as it was before.
func (sh *shard) happened(it *item, e *ledger.Event) {
	if e.Kind != ledger.Changed { // of which nobody keeps a record
		sh.ledger.Note(sh.pastFor(it, e), e)
	}
	if sh.m.journal != nil {
		sh.write(it, e.Kind)
	}
	if e.Kind == ledger.Expired {
		sh.noteLost(it, e.Took, e.Now)
	}
}

// happenedTo tells what has happened to a lock whose hold, if there is one, it does not
// concern. So it concerns the ledger alone.
func (sh *shard) happenedTo(p *ledger.Past, kind ledger.Kind, now time.Duration) {
	sh.ledger.Note(p, &ledger.Event{Kind: kind, Now: now})
}

// changed tells of a change of an item, if that is a held lock: the hold goes on.
func (sh *shard) changed(it *item, kind ledger.Kind, now time.Duration) {
	if held(it) {
		sh.roomForPast(it)
		sh.happened(it, &ledger.Event{Kind: kind, Now: now})
	}
}

// pastFor is where an event of a held lock is noted. A grant that nobody waited for
// takes no memory of its own. The end of a hold does, but no more than the ledger is
// allowed for locks that nobody holds.
func (sh *shard) pastFor(it *item, e *ledger.Event) *ledger.Past {
	past := it.Attached.past
	switch {
	case e.Kind.EndsHold():
		past = sh.ledger.Own(past, it.Key())
	case past != nil:
		return sh.pastOf(it)
	case e.Waited && sh.hasRoom(ledger.PastBytes):
		past = sh.ledger.Of(it.Key())
	default:
		past = sh.ledger.Granted(it.Key())
	}
	it.Attached.past = past
	return past
}

// pastOf is the past of a held lock: its own from now on if there is room for that,
// and otherwise, if nothing but its class was known of it, that of its class.
func (sh *shard) pastOf(it *item) *ledger.Past {
	past := it.Attached.past
	if past.IsShared() && sh.hasRoom(ledger.PastBytes) {
		past = sh.ledger.Own(past, it.Key())
		it.Attached.past = past
		sh.settle(settleStep)
	}
	return past
}

// roomForPast evicts what is in the way of pastOf. That is for requests: while a hold
// ends, or a wait, nothing may be evicted.
func (sh *shard) roomForPast(it *item) {
	if it.Attached.past.IsShared() {
		sh.evict(2*ledger.PastBytes, it)
	}
}

// pastOfKey is the past of the lock of a key, whose item it is if there is one.
func (sh *shard) pastOfKey(key []byte, it *item) *ledger.Past {
	if it != nil && held(it) {
		return sh.pastOf(it)
	}
	return sh.ledger.Of(key)
}
