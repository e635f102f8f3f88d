package locks

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/lockcached/lockcached/stats/fills"
	"github.com/lockcached/lockcached/store"
)

// filling is the life of the fills of a key. A get that is told a miss makes its session the
// filler:
//
//	             get finds nothing: told a miss
//	(nobody) ──────────────────────────────────────> filling ──┐ the filler hangs up or
//	   ^                                              │   ^    │ takes too long: one of those
//	   │     stored, by anybody: all who are held     │   └────┘ who are held is told a miss
//	   │     are answered with the value              │
//	   ├──────────────────────────────────────────────┤
//	   │                                              │ nobody is held
//	   └─── stored, or forgotten after a minute ── watched
//
// It exists while somebody may be computing. A session that was told a miss is remembered
// after its time is over, so that the server learns how long it really took, and knows a value
// that was read before the key was deleted.
type filling struct {
	key    string
	hash   uint64
	shard  *shard
	policy fillPolicy // when the filler was told the miss
	past   *fills.Key

	filler   *claimant     // who is given time; nil if nobody is
	until    time.Duration // the end of that time
	began    time.Duration // when the first of a row of fillers was told the miss
	holds    bool          // others are held for the filler
	early    bool          // it began before the value expired
	again    bool          // the filler has got the key for a second time
	told     []computing   // who was told a miss and has not stored since, the first first
	audience *audience     // who is held; nil if nobody is
	watch    time.Duration // when it is forgotten if nothing happens
	holder   *claimant     // the filler, while others are held; guarded by Manager.waits

	index       int32       // in fillings.due
	older, next *filling    // in fillings.idle, while nobody is given time
	gone        atomic.Bool // forgotten
}

// SetIndex is for the heap of fillings that are due.
func (f *filling) SetIndex(i int32) { f.index = i }

// computing is a session that was told a miss.
type computing struct {
	by     *claimant
	since  time.Duration
	lookup uint64 // number of the look-up, once its time was over without a store
	late   bool   // the key was deleted since: what this session stores may be older
}

// maxTold bounds the sessions that are remembered for one key. Of more, the latest are.
const maxTold = 16

// watched is how long a session that was told a miss is remembered.
const watched = time.Minute

// makeFilling returns a new filling of a key, nil if there is no memory for it.
func (sh *shard) makeFilling(key []byte, hash uint64) *filling {
	size := fillingBytes + keySize(string(key))
	if !sh.evict(size, nil) {
		return nil
	}
	f := &filling{key: string(key), hash: hash, shard: sh, index: -1}
	f.past = sh.fillings.book.Of(key)
	sh.fillings.byKey[f.key] = f
	sh.fillings.bytes += size
	sh.settle(settleStep)
	return f
}

// tellMiss makes a session that is told a miss the filler of the key, whose policy is up to date. It
// reports whether the session is to remember the filling.
func (sh *shard) tellMiss(f *filling, by *claimant, early bool, now time.Duration) (remember bool) {
	book := sh.fillings.book
	if f.filler == nil && f.audience == nil {
		f.began = now
		if !book.IsOwn(f.past) { // nobody knows which of them will not store any more
			f.told = slices.DeleteFunc(f.told, func(t computing) bool { return !t.late })
		}
	}
	cold, most := f.policy.times()
	f.until = expiresAt(book.Time(f.past, cold, most), now)
	f.holds = f.policy.hold > 0 && book.Holds(f.past, f.policy.hold)
	f.early, f.again = early, false
	f.watch = f.until + watched
	remember = f.tell(by, now)
	sh.setFiller(f, by)
	sh.countFill(f, fills.Started, 1)
	if early {
		sh.countFill(f, fills.Early, 1)
	}
	sh.fillings.unlink(f)
	sh.reschedule(f)
	return remember
}

// tell records that a session was told a miss now. If it was before, it begins anew. tell
// reports whether it was not.
func (f *filling) tell(by *claimant, now time.Duration) (isNew bool) {
	if i := f.find(by); i >= 0 {
		f.told[i] = computing{by: by, since: now}
		return false
	}
	if len(f.told) == maxTold {
		f.told = slices.Delete(f.told, 0, 1)
	}
	f.told = append(f.told, computing{by: by, since: now})
	return true
}

// find returns where in told the session is, -1 if it is not.
func (f *filling) find(by *claimant) int {
	if by == nil {
		return -1
	}
	return slices.IndexFunc(f.told, func(t computing) bool { return t.by == by })
}

func (sh *shard) setFiller(f *filling, by *claimant) {
	f.filler = by
	if f.audience != nil {
		sh.m.waits.Lock()
		f.holder = by
		sh.m.waits.Unlock()
	}
}

// reschedule brings up to date when something is due: the filler's time or that of the first
// who is held is over, or all is forgotten.
func (sh *shard) reschedule(f *filling) {
	due := f.watch
	if f.filler != nil {
		due = f.until
		if f.audience != nil {
			due = min(due, f.audience.firstDue())
		}
	}
	if f.index < 0 {
		sh.fillings.due.Push(f, due)
	} else {
		sh.fillings.due.Move(f.index, due)
	}
	sh.m.dueAt(due)
}

// fillDue acts on what is due in a filling.
func (sh *shard) fillDue(f *filling, now time.Duration) {
	switch {
	case !sh.m.owns(bytesOf(f.key)):
		sh.fillings.due.Move(f.index, now+restsFor)
	case f.filler != nil && f.until-time.Microsecond <= now: // before the time of who is held, see earlier
		sh.abandon(f, now)
	case f.filler != nil && f.audience != nil && f.audience.firstDue() <= now:
		sh.fallThrough(f, f.audience.first(), now)
		sh.reschedule(f)
	case f.watch <= now:
		sh.forgetFilling(f, now)
	default:
		sh.reschedule(f)
	}
}

// abandon ends a fill whose filler has not stored anything that can be seen. One of those who
// are held, the first, is told a miss and is the next filler; the others go on waiting. If the
// policy has gone meanwhile, that goes on as before until nobody is held.
func (sh *shard) abandon(f *filling, now time.Duration) {
	number := sh.fillings.book.LookedUp(f.past, false)
	if i := f.find(f.filler); i >= 0 {
		f.told[i].lookup = number
	}
	sh.countFill(f, fills.Abandoned, 1)
	if k := f.audience.first(); k != nil {
		if p := sh.m.config().fillPolicy(bytesOf(f.key)); !p.isZero() {
			f.policy = p
		}
		sh.missed(f, k, now)
		sh.tellMiss(f, k.hold.who, false, now)
		return
	}
	sh.noFiller(f)
}

// noFiller leaves a filling without a filler: it is only watched.
func (sh *shard) noFiller(f *filling) {
	sh.setFiller(f, nil)
	if len(f.told) == 0 {
		sh.dropFilling(f)
		return
	}
	f.watch = f.told[len(f.told)-1].since + watched
	sh.reschedule(f)
	fs := sh.fillings
	fs.link(f)
	if fs.idles > fs.mostIdle {
		sh.dropFilling(fs.idle)
	}
}

// forgetFilling drops a filling that was watched for long enough.
func (sh *shard) forgetFilling(f *filling, now time.Duration) {
	for _, t := range f.told {
		sh.fillings.book.Lasted(f.past, now-t.since, now)
	}
	sh.dropFilling(f)
}

// dropFilling removes a filling in which nobody is held.
func (sh *shard) dropFilling(f *filling) {
	fs := sh.fillings
	f.gone.Store(true)
	f.filler = nil
	fs.unlink(f)
	if f.index >= 0 {
		fs.due.Remove(f.index)
	}
	delete(fs.byKey, f.key)
	fs.bytes -= fillingBytes + keySize(f.key)
	sh.settle(settleStep)
}

// fillerLeft is for a session that has closed. If values of the class are usually stored over
// the connection that was told the miss, it stores nothing any more.
func (sh *shard) fillerLeft(f *filling, by *claimant, now time.Duration) {
	i := f.find(by)
	if f.gone.Load() || i < 0 || !sh.fillings.book.IsOwn(f.past) {
		return
	}
	sh.fillings.book.Lasted(f.past, now-f.told[i].since, now)
	f.told = slices.Delete(f.told, i, i+1)
	switch {
	case f.filler == by:
		sh.abandon(f, now)
	case f.filler == nil && len(f.told) == 0:
		sh.dropFilling(f)
	}
}

// afterPut is called when a storage command was carried out. What joins a value to another one
// ends no fill.
func (sh *shard) afterPut(c *Put, hash uint64, joined bool, now time.Duration) {
	switch it := sh.table.Find(hash, c.Key); {
	case it == nil: // its exptime was over
		sh.invalidate(c.Key)
		sh.failedToStore(c.Key, now)
	case !joined:
		sh.stored(it, c.Session, now)
	}
}

// stored is called when a client has stored a value under the item's key: that ends the fill.
// All who are held are answered with the value. If it was read before the key was deleted, it
// has expired for everybody else.
func (sh *shard) stored(it *item, s *Session, now time.Duration) {
	f := sh.fillings.of(it.Key())
	if f == nil {
		return
	}
	if it.Expires() <= now {
		sh.storedNothing(f, now)
		return
	}
	late := sh.storedBy(f, s.claimantIfAny(), now)
	if f.filler != nil {
		sh.fillings.book.LookedUp(f.past, true)
	}
	if f.audience != nil {
		sh.answerAll(f, it)
	}
	if late && !held(it) { // a key may have become that of a lock, see Reconfigure
		it.Mark(store.Spent)
		sh.table.SetExpires(it, now)
		sh.m.dueAt(it.Due())
	}
	sh.noFiller(f)
}

// storedBy learns from a store how long it took, and reports whether the value may be older
// than the latest delete of the key. Clients with a pool may store over another connection than
// the one that was told the miss; where they usually do, the first that was told a miss is
// taken for the one that has stored, and if the key was deleted, everybody for late.
func (sh *shard) storedBy(f *filling, by *claimant, now time.Duration) (late bool) {
	if len(f.told) == 0 {
		return false
	}
	i := f.find(by)
	own, isOwn := i >= 0, sh.fillings.book.IsOwn(f.past)
	t := f.told[max(i, 0)]
	since := t.since
	switch {
	case own:
		late = t.late
		f.told = slices.Delete(f.told, i, i+1)
	case !isOwn:
		late = slices.ContainsFunc(f.told, func(t computing) bool { return t.late })
		f.told = nil
		fallthrough
	case f.filler != nil:
		if f.filler != nil {
			since = f.began
		}
	default: // somebody who has computed nothing
		return false
	}
	if t.lookup != 0 {
		sh.fillings.book.Amend(f.past, t.lookup)
	}
	sh.tookFill(f, now-since, own, now)
	return late
}

// tookFill records how long a fill took.
func (sh *shard) tookFill(f *filling, took time.Duration, own bool, now time.Duration) {
	sh.fillings.book.Took(f.past, took, own, now)
	c := sh.fillMetrics(f)
	c.Fills[fills.Stored]++
	c.Fill.Add(took)
}

// storedNothing is called when a client has stored something that nobody can see. If somebody
// computes the key, that is over.
func (sh *shard) storedNothing(f *filling, now time.Duration) {
	if f.filler != nil {
		sh.abandon(f, now)
	}
}

// failedToStore is storedNothing for a key.
func (sh *shard) failedToStore(key []byte, now time.Duration) {
	if f := sh.fillings.of(key); f != nil {
		sh.storedNothing(f, now)
	}
}

// invalidate is called when a client has removed the value of a key, or would have: what is
// computed now was perhaps read before that.
func (sh *shard) invalidate(key []byte) {
	if f := sh.fillings.of(key); f != nil {
		f.invalidate()
	}
}

func (f *filling) invalidate() {
	for i := range f.told {
		f.told[i].late = true
	}
}

// countFill counts n events of a key's fills.
func (sh *shard) countFill(f *filling, what fills.Counter, n int) {
	sh.fillings.book.Count(f.past, what, uint64(n))
	sh.fillMetrics(f).Fills[what] += uint64(n)
}

// fillMetrics is where the fills of a key are counted for monitoring.
func (sh *shard) fillMetrics(f *filling) *ClassMetrics {
	return sh.ledger.MetricsOfClass(f.past.Class())
}
