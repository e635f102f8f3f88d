package locks

import (
	"errors"
	"hash/maphash"
	"sync"
	"time"

	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/stats/ledger"
	"github.com/lockcached/lockcached/store"
	"github.com/lockcached/lockcached/waitqueue"
)

// errNoRoom says that the shard cannot make room by itself.
var errNoRoom = errors.New("locks: nothing left to evict")

// item is an item of the store with what makes it a lock.
type item = store.Item[hold]

// hold is the present hold of a lock.
type hold struct {
	since time.Duration // the grant; 0 if the item is no lock
	past  *ledger.Past  // if it is no lock, nil until there is something to know
	line  *line         // nil while nobody waits
	by    *claimant     // whom it was granted to; nil if that is not known
}

func held(it *item) bool { return it.Attached.since != 0 }

// shard is a part of the keys with everything that belongs to them.
type shard struct {
	m  *Manager
	mu sync.Mutex // guards all below, the items, lines and statistics included

	table   *store.Table[hold]
	claims  int64 // bytes that queued claims hold on to
	settled int64 // bytes as counted in Manager.used

	lines     map[string]*line
	deadlines store.Heap[*Waiting] // ends of waits
	expected  store.Heap[expected] // to come back, until when
	polling   int                  // pollers in all lines
	queued    int                  // waiters in all queues
	lineBytes int64                // what all lines take, with their pollers

	closed      map[string]*closedLock // by key
	closedBytes int64                  // what they take
	reopenings  store.Heap[*closedLock]

	ledger *ledger.Ledger // what is known of the past of the locks
	counts Counts

	foundExpired, foundFlushed bool // by the latest find

	view  View          // what a Viewer is shown, kept here so that it is not allocated
	entry journal.Entry // what the journal is told, for the same reason
	wrote uint64        // number of the latest entry
	ended uint64        // the same, of those that told of an end

	// What is to be done once the shard is unlocked.
	served  *Waiting   // whose wait is over, linked by next
	lost    []lostLock // expired while wanted
	circles []deadlock // that claims have closed
	last    *Waiting   // end of served
}

func newShard(m *Manager, keys int) *shard {
	return &shard{
		m:      m,
		table:  store.New[hold](),
		lines:  make(map[string]*line),
		closed: make(map[string]*closedLock),
		ledger: ledger.New(m.books, keys, m.config.StatsClasses),
	}
}

// unlock ends a critical section and then does what it left to be done: tells
// waiters how their wait ended, logs, and has what other shards know of a class that is
// contended from now on added to what this one knows.
func (sh *shard) unlock() {
	if sh.served == nil && sh.lost == nil && sh.circles == nil && !sh.ledger.HasGrown() {
		sh.mu.Unlock()
		return
	}
	served, lost, circles, grown := sh.served, sh.lost, sh.circles, sh.ledger.Grown()
	sh.served, sh.last, sh.lost, sh.circles = nil, nil, nil, nil
	sh.mu.Unlock()
	sh.m.deliver(served)
	sh.m.report(lost)
	sh.m.reportCircles(circles)
	sh.m.gather(grown)
}

// find returns the live item of the key, or nil. An item found expired is ended
// on the spot; if that hands the lock over, the new holder's item is found. What
// was found expired is noted for those who count it.
func (sh *shard) find(hash uint64, key []byte, now time.Duration) *item {
	sh.foundExpired, sh.foundFlushed = false, false
	if len(sh.closed) > 0 {
		sh.openDue(key, now)
	}
	for {
		it := sh.table.Find(hash, key)
		if it == nil || it.Expires() > now {
			return it
		}
		sh.foundFlushed = it.Has(store.Flushed)
		sh.foundExpired = !sh.foundFlushed
		sh.counts.reclaimed(it)
		sh.end(it, expiry, now)
	}
}

// grant gives the lock of a claim to its claimant: an add that found nothing, a
// hand-off and a withdrawn grant's successor all come here. since is when the claimant
// began to wait, 0 if it did not.
func (sh *shard) grant(c *Put, since, now time.Duration) *item {
	it := sh.insert(c, now, true)
	sh.begin(it, now, c.Session.claimant())
	if s := c.Session; s != nil && s.overtaken == c.hash {
		s.overtaken = 0
	}
	if len(sh.lines) > 0 {
		since = sh.leaveLine(it, c, since, now)
	}
	e := ledger.Event{Kind: ledger.Granted, Now: now}
	if since != 0 {
		e.Waited, e.Took = true, now-since
	}
	sh.happened(it, &e)
	c.entry = sh.wrote
	return it
}

// begin makes a holder of whomever an item, which is new, was stored by. It is the only
// place that does.
func (sh *shard) begin(it *item, since time.Duration, by *claimant) {
	it.Attached.since, it.Attached.by = since, by
}

// leaveLine takes a claimant that is granted the lock out of the line, if there is one
// for the lock. It returns since when the claimant waited, 0 if it did not.
func (sh *shard) leaveLine(it *item, c *Put, since, now time.Duration) time.Duration {
	l := sh.lines[string(it.Key())]
	if l == nil {
		return since
	}
	it.Attached.line = l
	sh.m.handedTo(l, it.Attached.by)
	if since == 0 {
		since = sh.takePlace(l, c.Session, identity(c, nil), now).Since
	}
	if l.freeSince != 0 {
		it.Attached.past = sh.ledger.Of(it.Key())
		sh.ledger.Note(it.Attached.past, &ledger.Event{Kind: ledger.GapEnded, Now: now, Took: now - l.freeSince})
		l.freeSince = 0
	}
	sh.tidy(l)
	return since
}

// insert adds an item that is not there yet.
func (sh *shard) insert(c *Put, now time.Duration, pinned bool) *item {
	expires := expiresAt(c.Lease, now)
	it := sh.table.Insert(c.hash, c.Key, c.Value, expires, now, pinned)
	it.Flags = c.Flags
	if c.Binary {
		it.Mark(store.Binary)
	}
	sh.setCAS(it, c.NewCAS)
	sh.counts.TotalItems++
	sh.settle(settleStep)
	sh.m.dueAt(it.Due())
	if len(sh.closed) > 0 && !pinned {
		sh.adopt(it)
	}
	return it
}

// setCAS gives a new version its id: the one that was asked for, or the next if
// that is 0.
func (sh *shard) setCAS(it *item, asked uint64) {
	if asked == 0 {
		asked = sh.m.nextToken()
	}
	it.SetCAS(asked)
}

// ending is why an item goes.
type ending uint8

const (
	release ending = iota
	expiry
	withdrawal
	unheard  // a withdrawal before anybody can have heard of the grant
	unkept   // the same, of a grant that the journal could not keep
	eviction // never of a held lock
)

// release ends an item because by, nil if that is not known, has asked for it.
func (sh *shard) release(it *item, by *Session, now time.Duration) {
	it.Attached.releasedBy(by)
	sh.end(it, release, now)
}

// end removes an item, ends its hold if it is a held lock, and hands over to the
// next in line, unless the lock is closed now. It is the only place that does.
func (sh *shard) end(it *item, why ending, now time.Duration) {
	if held(it) {
		sh.endHold(it, why, now)
		sh.closeAfter(it, why, now)
	}
	l := it.Attached.line
	sh.table.Remove(it)
	sh.settle(settleStep)
	switch {
	case l == nil:
	case sh.staysClosed(l, now):
		sh.m.handedTo(l, nil)
	default:
		sh.succeed(l, now)
	}
}

// kinds are what an ending is called as an event.
var kinds = [...]ledger.Kind{
	release:    ledger.Released,
	expiry:     ledger.Expired,
	withdrawal: ledger.Withdrawn,
	unheard:    ledger.Withdrawn,
	unkept:     ledger.Unkept,
}

// endHold tells that the hold has ended, and how it went.
func (sh *shard) endHold(it *item, why ending, now time.Duration) {
	// A lease that ended while the server was down did not last until now.
	took := min(now, it.Expires()) - it.Attached.since
	sh.happened(it, &ledger.Event{Kind: kinds[why], Now: now, Took: took, Token: it.CAS()})
}

// few is how many waits end at a time without a new holder. Run does that up to batch
// times while the shard is locked.
const few = 8

// succeed gives a lock that has just become free to the next in line, in the
// same critical section, so that no newcomer can come between. If a few in line could
// not hold it, the lock is closed until Run has come to the others.
func (sh *shard) succeed(l *line, now time.Duration) {
	for n := 0; l.Queue.Len() > 0; n++ {
		switch {
		case n == few:
			sh.close(l.key, now)
			sh.m.handedTo(l, nil)
			return
		case sh.m.JournalErr() != nil:
			sh.timeOut(l.Queue.First().X, now)
		case sh.handOff(l, now):
			return
		}
	}
	if !l.Empty() {
		l.freeSince = max(now, sh.m.settled)
	}
	sh.tidy(l)
}

// handOff serves the next in line, and reports whether that holds the lock now. A
// claim whose lease is over by then is served as memcached does it: what it stores is
// gone at once, so that it neither holds the lock nor has lost it.
func (sh *shard) handOff(l *line, now time.Duration) (holds bool) {
	w := l.Queue.Pop().X
	sh.leftQueue(w)
	if w.claim.Dated {
		w.claim.Lease = w.leaseEnd - now
	}
	if w.claim.Lease <= 0 {
		sh.counts.TotalItems++
		w.token = sh.m.nextToken()
		sh.tell(w, Granted, now)
		return false
	}
	it := sh.grant(&w.claim, w.node.Place().Since, now)
	sh.happened(it, &ledger.Event{Kind: ledger.HandedOff, Now: now})
	w.token = it.CAS()
	sh.tell(w, Granted, now)
	return true
}

// tidy removes a line in which nobody waits. Sessions may remember it for longer.
func (sh *shard) tidy(l *line) {
	if !l.Empty() || sh.lines[l.key] != l {
		return
	}
	delete(sh.lines, l.key)
	sh.lineBytes -= l.counted
	l.counted, l.contention, l.Line = 0, nil, waitqueue.Line[*Session, *Waiting]{}
	sh.settle(settleStep)
	if c := sh.closed[l.key]; c != nil && c.until <= sh.m.settled {
		sh.forgetClosed(c) // only those in line were to be served then
	}
	if it := sh.itemOf(l.key); it != nil {
		it.Attached.line = nil
	}
}

// itemOf returns the item of the key, expired or not, or nil.
func (sh *shard) itemOf(key string) *item {
	k := bytesOf(key)
	return sh.table.Find(maphash.Bytes(sh.m.seed, k), k)
}

// lineOf returns the line for a key, a new one if nobody waited. The item is the
// key's; nil if it is that of a closed lock.
func (sh *shard) lineOf(key []byte, it *item) *line {
	if it != nil && it.Attached.line != nil {
		return it.Attached.line
	}
	l := sh.lines[stringOf(key)]
	if l == nil {
		l = &line{shard: sh, key: string(key)}
		sh.lines[l.key] = l
		sh.weigh(l)
	}
	if it != nil {
		it.Attached.line = l
	}
	return l
}

// bytes is what counts towards the memory limit.
func (sh *shard) bytes() int64 {
	return sh.table.Bytes() + sh.claims + sh.lineBytes + sh.closedBytes + sh.ledger.Bytes()
}

// settleStep is how far, in bytes, a shard's count may be off from what
// Manager.used knows of it: the shared counter is not touched by every request.
const settleStep = 4 << 10

// settle brings Manager.used up to date if it is off by more than step bytes.
func (sh *shard) settle(step int64) {
	if d := sh.bytes() - sh.settled; d > step || d < -step {
		sh.m.used.Add(d)
		sh.settled += d
	}
}

// total is what counts towards the memory limit, of all shards.
func (sh *shard) total() int64 { return sh.m.used.Load() + sh.bytes() - sh.settled }

// hasRoom reports whether so many bytes fit into memory, or would if items were evicted.
func (sh *shard) hasRoom(need int64) bool {
	limit := sh.m.limit.Load()
	return limit == 0 || sh.total()+need <= limit || sh.table.Oldest() != nil && !sh.m.config.NoEvict
}

// evict removes the items used longest ago until need more bytes fit into
// memory, and reports whether they do. Held locks stay, and so does keep.
func (sh *shard) evict(need int64, keep *item) bool {
	limit := sh.m.limit.Load()
	if limit == 0 {
		return true
	}
	for sh.total()+need > limit {
		it := sh.table.Oldest()
		if it == nil || it == keep || sh.m.config.NoEvict {
			// Whoever looks for room elsewhere has to count this shard in full, or
			// finds room that is not there.
			sh.settle(0)
			return false
		}
		now := sh.m.now()
		if it.Expires() <= now {
			sh.counts.reclaimed(it)
		} else {
			sh.counts.evicted(it)
		}
		sh.end(it, eviction, now)
	}
	return true
}
