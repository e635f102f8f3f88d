package locks

import (
	"time"

	"github.com/lockcached/lockcached/waitqueue"
)

// ClaimID tells a claim of a cluster from all others. If its answer was lost, the claim is
// sent again with the same id, perhaps to another node: a claim that holds the lock already
// is answered with that grant. The zero ClaimID is none.
type ClaimID [16]byte

// claimIDs are the ids of a shard's claims. They stand beside the items, so that the locks
// of a single server, where it is nil, take no memory for them.
type claimIDs struct {
	holds  map[*item]ClaimID    // of claims that hold a lock
	queued map[ClaimID]*Waiting // of claims in line
}

func newClaimIDs() *claimIDs {
	return &claimIDs{holds: make(map[*item]ClaimID), queued: make(map[ClaimID]*Waiting)}
}

// claimIDBytes is about how many bytes the id of a claim takes.
const claimIDBytes = 48

func (ids *claimIDs) bytes() int64 {
	if ids == nil {
		return 0
	}
	return claimIDBytes * int64(len(ids.holds)+len(ids.queued))
}

// begin records whose hold it is.
func (ids *claimIDs) begin(it *item, id ClaimID) {
	if ids != nil && id != (ClaimID{}) {
		ids.holds[it] = id
	}
}

// end forgets whose hold it was.
func (ids *claimIDs) end(it *item) {
	if ids != nil {
		delete(ids.holds, it)
	}
}

// of returns the id of the claim that holds the lock.
func (ids *claimIDs) of(it *item) (id ClaimID) {
	if ids != nil {
		id = ids.holds[it]
	}
	return id
}

// isGrantOf reports whether the lock is held by a claim that was sent before.
func (ids *claimIDs) isGrantOf(it *item, c *Put) bool {
	return ids != nil && c.Claim != (ClaimID{}) && ids.holds[it] == c.Claim
}

// enqueue records that a claim waits in line. ids is not nil.
func (ids *claimIDs) enqueue(w *Waiting) {
	if w.claim.Claim != (ClaimID{}) {
		ids.queued[w.claim.Claim] = w
	}
}

// dequeue records that a claim has left its line.
func (ids *claimIDs) dequeue(w *Waiting) {
	if ids != nil && ids.queued[w.claim.Claim] == w {
		delete(ids.queued, w.claim.Claim)
	}
}

// supersede ends the wait of a claim that has been sent again, and returns its place; zero
// if it does not wait in that line. The answer to the earlier sending would not be read; but
// if that were granted the lock, the claim would wait for itself. Outside of clusters there
// is none.
func (sh *shard) supersede(c *Put, l *line, now time.Duration) waitqueue.Place {
	w := sh.ids.queued[c.Claim]
	if w == nil || w.line != l {
		return waitqueue.Place{}
	}
	l.Queue.Remove(&w.node)
	sh.leftQueue(w)
	sh.tell(w, Moved, now)
	return w.node.Place()
}

// placeElsewhere is the place of a claim that waits from now on. It may have waited at another
// node, or here before it was sent again; otherwise its place is at.
func (w *Wait) placeElsewhere(at, earlier waitqueue.Place, now time.Duration) waitqueue.Place {
	if since := w.began(now); since != 0 {
		at.Since = min(at.Since, since)
	}
	if !earlier.IsZero() && earlier.Before(at) {
		return earlier
	}
	return at
}

// began returns when a claim began to wait at another node, 0 if it did not.
func (w *Wait) began(now time.Duration) time.Duration {
	switch {
	case w == nil || w.Waited <= 0:
		return 0
	case w.Waited == now:
		return 1 // 0 is never
	}
	return now - w.Waited
}
