package locks

import (
	"time"

	"github.com/lockcached/lockcached/stats/ledger"
)

// A shard makes holders and ends holds. Everything else that follows is done by those
// that listen to its events: the ledger, the journal, the log, the record of recent events.

// happened tells all listeners what has happened to a held lock. The item is as it is
// after the event or, if the hold has ended, as it was before.
func (sh *shard) happened(it *item, e *ledger.Event) {
	if e.Kind != ledger.Changed { // the ledger keeps no record of these
		sh.ledger.Note(sh.pastFor(it, e), e)
	}
	if sh.m.journal != nil {
		sh.write(it, e.Kind)
	}
	if sh.recent != nil {
		sh.noteRecent(it, e)
	}
	if e.Kind == ledger.Expired {
		sh.noteLost(it, e.Took, e.Now)
	}
}

// happenedTo reports an event of a lock that does not concern its hold, if it has one:
// only the ledger is told.
func (sh *shard) happenedTo(p *ledger.Past, kind ledger.Kind, now time.Duration) {
	sh.ledger.Note(p, &ledger.Event{Kind: kind, Now: now})
}

// changed reports a change of an item if it is a held lock: the hold goes on.
func (sh *shard) changed(it *item, kind ledger.Kind, now time.Duration) {
	if held(it) {
		sh.roomForPast(it)
		sh.happened(it, &ledger.Event{Kind: kind, Now: now})
	}
}

// pastFor returns the past that records an event of a held lock. A grant that nobody
// waited for takes no memory of its own. The end of a hold does, if locks of its class come again,
// but no more than the ledger is allowed for locks that nobody holds.
func (sh *shard) pastFor(it *item, e *ledger.Event) *ledger.Past {
	past := it.Attached.past
	switch {
	case e.Kind.EndsHold():
		past = sh.ledger.Ended(past, it.Key(), e.Kind)
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

// pastOf returns the past of a held lock. A lock that has shared the past of its class
// gets one of its own if there is room for that.
func (sh *shard) pastOf(it *item) *ledger.Past {
	past := it.Attached.past
	if past.IsShared() && sh.hasRoom(ledger.PastBytes) {
		past = sh.ledger.Own(past, it.Key())
		it.Attached.past = past
		sh.settle(settleStep)
	}
	return past
}

// roomForPast evicts items to make room for pastOf. Only requests call it: while a hold
// or a wait ends, nothing may be evicted.
func (sh *shard) roomForPast(it *item) {
	if it.Attached.past.IsShared() {
		sh.evict(2*ledger.PastBytes, it)
	}
}

// pastOfKey returns the past of the lock of a key; it is the key's item, or nil.
func (sh *shard) pastOfKey(key []byte, it *item) *ledger.Past {
	if it != nil && held(it) {
		return sh.pastOf(it)
	}
	return sh.ledger.Of(key)
}
