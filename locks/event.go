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
		sh.happened(it, &ledger.Event{Kind: kind, Now: now})
	}
}

// pastFor is where an event of a held lock is noted. A grant that nobody waited for
// takes no memory of its own.
func (sh *shard) pastFor(it *item, e *ledger.Event) *ledger.Past {
	if e.Kind != ledger.Granted || e.Waited || it.Attached.past != nil {
		return sh.pastOf(it)
	}
	it.Attached.past = sh.ledger.Granted(it.Key())
	return it.Attached.past
}

// pastOf is the past of an item's lock, its own from now on. That of an item that is no
// lock begins with nothing.
func (sh *shard) pastOf(it *item) *ledger.Past {
	past := it.Attached.past
	if past == nil || past.IsShared() {
		past = sh.ledger.Own(past, it.Key())
		it.Attached.past = past
	}
	return past
}

// pastOfKey is the past of the lock of a key, whose item it is if there is one.
func (sh *shard) pastOfKey(key []byte, it *item) *ledger.Past {
	if it != nil {
		return sh.pastOf(it)
	}
	return sh.ledger.Of(key)
}
