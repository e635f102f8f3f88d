package locks

import (
	"errors"
	"hash/maphash"
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

// hold is the present hold of a lock. The line of those who wait is in the item's Tag: see
// lineNumbers.
type hold struct {
	since time.Duration // the grant; 0 if the item is not a lock
	past  *ledger.Past  // nil if the item is not a lock
	by    *claimant     // whose hold it is; nil if that is not known
}

func held(it *item) bool { return it.Attached.since != 0 }

// shard is a part of the keys with everything that belongs to them.
type shard struct {
	m  *Manager
	mu mutex // guards all below, the items, lines and statistics included

	table   *store.Table[hold]
	claims  int64 // bytes of queued claims
	settled int64 // bytes as counted in Manager.used

	lines     map[string]*line // by key
	numbers   lineNumbers
	deadlines store.Heap[*Waiting] // ends of waits
	expected  store.Heap[expected] // pollers and kept places, by when they are given up
	polling   int                  // pollers in all lines
	queued    int                  // waiters in all queues
	lineBytes int64                // of all lines with their pollers

	ids *claimIDs // nil outside of clusters

	recent *recent // nil unless it is kept

	fillings *fillings // nil if there never were policies for fills
	kept     *item     // by the latest find: it has expired, but is still there

	closed      map[string]*closedLock // by key
	closedBytes int64                  // of all closed locks
	reopenings  store.Heap[*closedLock]

	ledger *ledger.Ledger // the past of the locks
	counts Counts

	foundExpired, foundFlushed bool // by the latest find

	latest  time.Duration // what now has returned last
	expired bool          // the lease of some hold has ended: a release may come after its own

	view  View          // shown to a Viewer; kept here to save an allocation
	entry journal.Entry // passed to the journal; kept here for the same reason
	wrote uint64        // number of the latest entry
	ended uint64        // number of the latest entry that ended a hold

	// Work to do once the shard is unlocked.
	served  *Waiting   // waiters whose wait is over, linked by next
	lost    []lostLock // expired while somebody waited
	circles []deadlock // deadlocks to be logged
	last    *Waiting   // end of served
	more    *moreWork  // what is seldom to be done; nil if there is none
}

func newShard(m *Manager, keys int) *shard {
	sh := &shard{
		m:       m,
		table:   store.New[hold](),
		lines:   make(map[string]*line),
		numbers: newLineNumbers(),
		closed:  make(map[string]*closedLock),
		ledger:  ledger.New(m.books, keys, m.fixed.StatsClasses),
	}
	if m.fixed.Owned != nil {
		sh.ids = newClaimIDs()
	}
	if c := m.config(); c.fills != nil {
		sh.fillings = newFillings(c.fills, keys)
	}
	if m.fixed.Recent {
		sh.recent = newRecent(int(m.mask) + 1)
	}
	return sh
}

// unlock ends a critical section and then does the work that it left: it tells waiters
// how their wait ended, logs, and gathers what all shards know of a class that has just
// become contended.
func (sh *shard) unlock() {
	if sh.served == nil && sh.lost == nil && sh.circles == nil && sh.more == nil && !sh.ledger.HasGrown() {
		sh.mu.Unlock()
		return
	}
	more := sh.more
	sh.more = nil
	served, lost, circles, grown := sh.served, sh.lost, sh.circles, sh.ledger.Grown()
	sh.served, sh.last, sh.lost, sh.circles = nil, nil, nil, nil
	sh.mu.Unlock()
	if more != nil {
		sh.m.doMore(more)
	}
	sh.m.deliver(served)
	sh.m.report(lost)
	sh.m.reportCircles(circles)
	sh.m.gather(grown)
}

// now is the time of the present critical section, which works on behalf of s; nil if that
// is not known. The time of a session's requests may lie a little back, but a shard's time
// never goes back.
func (sh *shard) now(s *Session) time.Duration {
	at := time.Duration(0)
	if s != nil {
		at = s.at
	}
	if at == 0 {
		at = sh.m.now()
	}
	sh.latest = max(sh.latest, at)
	return sh.latest
}

// moreWork is work to do once the shard is unlocked, of kinds that are rare.
type moreWork struct {
	decided []decision    // gets that are not held any more
	hurried []*Hold       // gets that are not to be held any more
	late    []lateRelease // to be logged
}

// later returns the work to add to.
func (sh *shard) later() *moreWork {
	if sh.more == nil {
		sh.more = new(moreWork)
	}
	return sh.more
}

func (m *Manager) doMore(w *moreWork) {
	m.tellHeld(w.decided)
	for _, h := range w.hurried {
		h.Holder.Hurried()
	}
	m.reportLate(w.late)
}

// find returns the live item of the key, or nil. An item found expired is ended
// on the spot; if that hands the lock over, the new holder's item is found. foundExpired
// and foundFlushed say what it ended, for the counters. An item that is kept beyond its expiry
// is not ended, and kept says which.
func (sh *shard) find(hash uint64, key []byte, now time.Duration) *item {
	sh.foundExpired, sh.foundFlushed = false, false
	if sh.fillings != nil {
		sh.kept = nil
	}
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
		if sh.fillings != nil && sh.keeps(it, now) {
			sh.kept = it
			return nil
		}
		sh.counts.reclaimed(it)
		sh.end(it, expiry, now)
	}
}

// grant gives the lock of a claim to its claimant: an add that found nothing, a
// hand-off and a withdrawn grant's successor all come here. since is when the claimant
// began to wait, 0 if it did not.
func (sh *shard) grant(c *Put, hash uint64, since, now time.Duration) *item {
	it := sh.insert(c, hash, now, true)
	sh.begin(it, now, c.Session.claimant())
	sh.ids.begin(it, c.Claim)
	if s := c.Session; s != nil && s.overtaken == hash {
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
	return it
}

// begin makes the client that stored a new item the holder of its lock. It is the only
// place that does.
func (sh *shard) begin(it *item, since time.Duration, by *claimant) {
	it.Attached.since, it.Attached.by = since, by
	sh.regains(by, it.Key())
}

// leaveLine takes a claimant that was granted the lock out of the lock's line, if there
// is one. It returns when the claimant began to wait, 0 if it did not wait.
func (sh *shard) leaveLine(it *item, c *Put, since, now time.Duration) time.Duration {
	l := sh.lines[string(it.Key())]
	if l == nil {
		return since
	}
	it.Tag = l.number
	sh.m.handedTo(l, it.Attached.by)
	if since == 0 {
		since = sh.takePlace(l, c.Session, identity(c, nil), now).Since
	}
	if l.freeSince != 0 {
		it.Attached.past = sh.ledger.Of(it.Key())
		sh.ledger.Note(it.Attached.past, &ledger.Event{Kind: ledger.GapEnded, Now: now, Took: now - l.freeSince})
		sh.noteGap(it.Key(), now-l.freeSince)
		l.freeSince = 0
	}
	sh.tidy(l)
	return since
}

// insert adds an item under a key that has none.
func (sh *shard) insert(c *Put, hash uint64, now time.Duration, pinned bool) *item {
	expires := expiresAt(c.Lease, now)
	if sh.fillings != nil {
		if old := sh.table.Find(hash, c.Key); old != nil {
			sh.dropKept(old, now)
		}
	}
	it := sh.table.Insert(hash, c.Key, c.Value, expires, now, pinned)
	it.Flags = c.Flags
	if c.Binary {
		it.Mark(store.Binary)
	}
	if c.Lease <= 0 {
		it.Mark(store.Spent)
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

// setCAS gives a new version its id: asked, or the next token if asked is 0. Whoever stored it may be
// another client, so that it is not what an earlier claim was granted.
func (sh *shard) setCAS(it *item, asked uint64) {
	sh.ids.end(it)
	if asked == 0 {
		asked = sh.m.nextToken()
	}
	it.SetCAS(asked)
}

// ending is why an item is removed.
type ending uint8

const (
	release ending = iota
	expiry
	withdrawal
	unheard  // a withdrawal before anybody can have learned of the grant
	unkept   // a withdrawal of a grant that the journal could not keep
	eviction // never of a held lock
)

// release ends an item at the request of by, which is nil if the session is not known.
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
		sh.ids.end(it)
	}
	l := sh.lineFor(it)
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

// kinds maps the ending of a hold to the kind of its event.
var kinds = [...]ledger.Kind{
	release:    ledger.Released,
	expiry:     ledger.Expired,
	withdrawal: ledger.Withdrawn,
	unheard:    ledger.Withdrawn,
	unkept:     ledger.Unkept,
}

// endHold reports the end of the hold as an event.
func (sh *shard) endHold(it *item, why ending, now time.Duration) {
	// A lease that ended while the server was down did not last until now.
	took := min(now, it.Expires()) - it.Attached.since
	sh.expired = sh.expired || why == expiry
	sh.happened(it, &ledger.Event{Kind: kinds[why], Now: now, Took: took, Token: it.CAS()})
	if why == expiry && sh.m.config().guards {
		sh.loses(it)
	}
}

// few bounds how many waits one call of succeed ends without a new holder. Run may call
// it up to batch times while the shard is locked.
const few = 8

// succeed gives a lock that has just become free to the next in line, in the
// same critical section, so that no newcomer can come between. If the first few in line
// cannot hold it, or the key rests, the lock is closed until Run serves the others.
func (sh *shard) succeed(l *line, now time.Duration) {
	for n := 0; l.Queue.Len() > 0; n++ {
		switch {
		case n == few, !sh.m.owns(bytesOf(l.key)):
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

// handOff serves the next in line, and reports whether it holds the lock now. A claim
// whose lease is already over is served as by memcached: its item is gone at once, so it
// neither holds the lock nor has lost it.
func (sh *shard) handOff(l *line, now time.Duration) (holds bool) {
	w := l.Queue.Pop().X
	sh.leftQueue(w)
	if w.claim.Dated {
		w.claim.Lease = w.leaseEnd - now
	}
	if w.claim.Lease <= 0 {
		sh.counts.TotalItems++
		w.stored.CAS = sh.m.nextToken()
		sh.tell(w, Granted, now)
		return false
	}
	it := sh.grant(&w.claim, w.hash, w.node.Place().Since, now)
	w.stored.CAS, w.stored.Entry = it.CAS(), sh.wrote
	sh.happened(it, &ledger.Event{Kind: ledger.HandedOff, Now: now})
	sh.tell(w, Granted, now)
	return true
}

// tidy removes a line in which nobody waits. Sessions may remember it for longer.
func (sh *shard) tidy(l *line) {
	if !l.Empty() || sh.lines[l.key] != l {
		return
	}
	delete(sh.lines, l.key)
	sh.numbers.remove(l)
	sh.lineBytes -= l.counted
	l.counted, l.contention, l.Line = 0, nil, waitqueue.Line[*Session, *Waiting]{}
	sh.settle(settleStep)
	if c := sh.closed[l.key]; c != nil && c.until <= sh.m.settled {
		sh.forgetClosed(c) // it was closed only for those in line
	}
	if it := sh.itemOf(l.key); it != nil {
		it.Tag = 0
	}
}

// itemOf returns the item of the key, expired or not, or nil.
func (sh *shard) itemOf(key string) *item {
	k := bytesOf(key)
	return sh.table.Find(maphash.Bytes(sh.m.seed, k), k)
}

// lineOf returns the line of a key, a new one if there was none. it is the key's item;
// nil if the lock is closed.
func (sh *shard) lineOf(key []byte, it *item) *line {
	if it != nil && hasLine(it) {
		return sh.lineFor(it)
	}
	l := sh.lines[stringOf(key)]
	if l == nil {
		l = &line{shard: sh, key: string(key)}
		sh.lines[l.key] = l
		sh.numbers.add(l)
		sh.weigh(l)
	}
	if it != nil {
		it.Tag = l.number
	}
	return l
}

// bytes is how much of the shard's memory counts towards the memory limit.
func (sh *shard) bytes() int64 {
	return sh.table.Bytes() + sh.claims + sh.ids.bytes() + sh.fillings.size() + sh.lineBytes + sh.closedBytes + sh.ledger.Bytes()
}

// settleStep is how far, in bytes, a shard's count may differ from its share of
// Manager.used: the shared counter is not touched by every request.
const settleStep = 4 << 10

// settle brings Manager.used up to date if it is off by more than step bytes.
func (sh *shard) settle(step int64) {
	if d := sh.bytes() - sh.settled; d > step || d < -step {
		sh.m.used.Add(d)
		sh.settled += d
	}
}

// total is how much memory of all shards counts towards the memory limit.
func (sh *shard) total() int64 { return sh.m.used.Load() + sh.bytes() - sh.settled }

// hasRoom reports whether need more bytes fit into memory, or might if items were
// evicted.
func (sh *shard) hasRoom(need int64) bool {
	limit := sh.m.limit.Load()
	return limit == 0 || sh.total()+need <= limit || sh.table.Oldest() != nil && !sh.m.config().NoEvict
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
		if it == nil || it == keep || sh.m.config().NoEvict {
			// A search for room in other shards must count this one in full, or it would
			// find room that does not exist.
			sh.settle(0)
			return false
		}
		now := sh.now(nil)
		if it.Expires() <= now {
			sh.counts.reclaimed(it)
		} else {
			sh.counts.evicted(it)
		}
		sh.end(it, eviction, now)
	}
	return true
}
