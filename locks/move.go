package locks

import (
	"time"

	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/stats/ledger"
)

// In a cluster a Manager serves the keys that are Owned, and keys move from one node to
// another: Disown forgets them here, Adopt puts their holds into the Manager there. A hold
// moves as it is, and goes on. Waiters are told, and queue again at the new owner, see
// Wait.Waited. What else is known of a key stays behind: who polls for it and in what
// order, its lock-delay, its statistics, who waits for whom, and ordinary items.

// Adopt takes over a hold from another node, with so much of its lease left, which may be
// ttl.Forever. It goes on as the entry, a Put, describes it, with the same token and the
// same claim; Since is on the clock of this Manager's journal, and Expires is not read. It
// is not a new hold: nothing is counted, nobody is told, and nothing is written to the
// journal. It replaces a hold that was adopted before, and may exceed the memory limit.
//
// The key is not Owned yet. Call RaiseToken first, or tokens might fall.
func (m *Manager) Adopt(e *journal.Entry, lease time.Duration) {
	sh, hash := m.shardOf(e.Key)
	sh.mu.Lock()
	defer sh.unlock()
	now := sh.now(nil)
	if it := sh.table.Find(hash, e.Key); it != nil {
		sh.forgetItem(it, now)
	}
	sh.putBack(e, hash, expiresAt(lease, now), now)
}

// RaiseToken makes tokens from now on larger than n, which is below 2^63.
func (m *Manager) RaiseToken(n uint64) {
	for {
		old := m.token.Load()
		if old >= n || m.token.CompareAndSwap(old, n) {
			return
		}
	}
}

// LatestToken is the largest token that was given here, or at first what tokens begin above: the
// clock, in nanoseconds.
func (m *Manager) LatestToken() uint64 { return m.token.Load() }

// Barrier returns when no request is under way about a key that was not Owned when Barrier
// was called. All that was done about it until then is in the journal's Mark.
func (m *Manager) Barrier() {
	for _, sh := range m.shards {
		sh.mu.Lock()
		sh.unlock()
	}
}

// Disown forgets the keys that match, which are not Owned any more, with all that is known
// of them. Their holds do not end: nothing is written to the journal, and nobody is served.
// Waits end as Moved. When Disown returns, no request about such a key is under way.
func (m *Manager) Disown(match func(key []byte) bool) {
	for _, sh := range m.shards {
		sh.mu.Lock()
		sh.disown(match)
		sh.settle(0)
		sh.unlock()
	}
}

// disown is Disown for one shard, which it unlocks in between. Since the keys rest, nothing
// is added behind its back; but the eviction of an item may close the lock of its line, so
// closed locks go last.
func (sh *shard) disown(match func(key []byte) bool) {
	sh.disownItems(match)
	sh.eachLine(func(l *line) {
		if match(bytesOf(l.key)) {
			sh.disownLine(l)
		}
	})
	eachPart(sh, sh.closed, func(c *closedLock) {
		if match(bytesOf(c.key)) {
			sh.forgetClosed(c)
		}
	})
	sh.disownFills(match)
}

// disownItems forgets the items that match. It unlocks the shard in between.
func (sh *shard) disownItems(match func(key []byte) bool) {
	var found []*item
	for cursor, more := uint32(0), true; more; more = cursor != 0 {
		cursor = sh.table.Scan(cursor, stride, func(it *item) {
			if match(it.Key()) {
				found = append(found, it)
			}
		})
		now := sh.now(nil)
		for _, it := range found {
			sh.forgetItem(it, now)
		}
		found = found[:0]
		sh.yield()
	}
}

// forgetItem removes an item. If it is a held lock, its hold goes on at another node.
func (sh *shard) forgetItem(it *item, now time.Duration) {
	if held(it) {
		sh.ledger.Note(it.Attached.past, &ledger.Event{Kind: ledger.Left, Now: now})
		sh.ids.end(it)
	}
	sh.table.Remove(it)
	sh.settle(settleStep)
}

// disownLine sends away all who wait in a line. It unlocks the shard in between.
func (sh *shard) disownLine(l *line) {
	for n := 1; !l.Empty(); n++ {
		now := sh.now(nil)
		if w := l.Queue.First(); w != nil {
			l.Queue.Remove(w)
			sh.leftQueue(w.X)
			sh.tell(w.X, Moved, now)
		} else {
			sh.drop(l, l.Expected(), now)
		}
		if n%stride == 0 {
			sh.yield()
		}
	}
	sh.tidy(l)
}
