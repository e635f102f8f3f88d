package locks

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/stats/fills"
	"github.com/lockcached/lockcached/store"
)

// ErrHeld says that a get is held back: its answer comes through its Hold.
var ErrHeld = errors.New("locks: held back until the value is there")

// Holder is told about a Hold, from any goroutine and with no lock held. It must not wait.
type Holder interface {
	// Decided is called when it is known how each key of the Hold is to be answered, once:
	// after Seal, and unless Leave has said otherwise.
	Decided()
	// Hurried is called when one of several keys is to be answered by a miss: the others are
	// not to be waited for, so that Leave is to be called.
	Hurried()
}

// Hold is a get whose answer is held back until somebody has stored what it asks for: one key,
// or several for which it waits together. The session that asks owns it. It is used once.
type Hold struct {
	Holder  Holder
	Session *Session

	who     *claimant
	keys    []*heldKey // guarded by Manager.waits for those who look for circles
	first   heldKey    // memory for the first of them
	until   time.Duration
	taken   int          // how many of keys Take has returned
	pending atomic.Int32 // keys that are not decided, and 1 until Seal
}

// heldKey is a key that a Hold waits for.
type heldKey struct {
	hold     *Hold
	of       *filling
	audience *audience
	index    int32 // in the audience
	how      Sight // Held until it is decided
	as       Asked
	snapshot *snapshot
}

// SetIndex is for the heap of a audience.
func (k *heldKey) SetIndex(i int32) { k.index = i }

// audience is who is held for one fill. When that ends they are told without the shard's mutex,
// and without being visited under it, however many they are.
type audience struct {
	waiting  store.Heap[*heldKey]
	joined   int       // how many have joined, ever
	plain    int       // how many are plain gets
	over     bool      // the fill has ended
	snapshot *snapshot // what they are answered with
}

func (c *audience) first() *heldKey {
	if c == nil {
		return nil
	}
	k, _, _ := c.waiting.Top()
	return k
}

// earlier is by how much the time of the next to join is cut, so that of those who come at the
// same moment the first is also the first to go.
func (c *audience) earlier() time.Duration {
	c.joined++
	return max(0, time.Microsecond-time.Duration(c.joined))
}

func (c *audience) firstDue() time.Duration {
	_, due, _ := c.waiting.Top()
	return due
}

// snapshot is a value as it was stored, shared by all who are answered with it.
type snapshot struct {
	item  *Item
	users atomic.Int32
}

// heldBytes is about what it takes to hold a get for one key, in bytes, with what the server
// needs for it.
const heldBytes = int64(unsafe.Sizeof(Hold{})) + heapEntryBytes + 700

// decision is who is to be told that a key is decided.
type decision struct {
	audience *audience // all of these, by the value,
	key      *heldKey  // or this one
}

// NewHold returns a Hold for one get of a session.
func NewHold(h Holder, s *Session) *Hold {
	hold := &Hold{Holder: h, Session: s, who: s.claimant(), until: ttl.Forever}
	hold.pending.Store(1)
	return hold
}

// Waits reports whether the Hold waits for any key.
func (h *Hold) Waits() bool { return len(h.keys) > 0 }

// Keys is how many keys the Hold waits for.
func (h *Hold) Keys() int { return len(h.keys) }

// join has a get wait for a fill, so long at most, and reports whether it does: not if nobody is
// held for that fill, the server ends, too many wait already, there is no memory, or it would wait
// for itself.
func (sh *shard) join(asks *Fetch, f *filling, most, now time.Duration) bool {
	m := sh.m
	if !f.holds || most == 0 || m.ending.Load() || m.crowded() || !sh.evict(heldBytes, nil) {
		return false
	}
	h := asks.Back.HoldBack()
	k := &h.first
	if h.first.hold != nil {
		k = new(heldKey)
	}
	if !m.waitForFill(h, k, f) {
		return false
	}
	if f.audience == nil {
		f.audience = new(audience)
	}
	// Those who look for circles read k.of.
	k.hold, k.audience, k.how, k.as = h, f.audience, Held, asks.As
	h.until = min(h.until, expiresAt(most, now))
	h.pending.Add(1)
	f.audience.waiting.Push(k, h.until-f.audience.earlier())
	if k.as == AsGet {
		f.audience.plain++
	}
	sh.fillings.held++
	sh.fillings.bytes += heldBytes
	sh.settle(settleStep)
	m.addWaiter()
	sh.reschedule(f)
	return true
}

// leftAudience does the bookkeeping for a key that was just taken out of its audience.
func (sh *shard) leftAudience(f *filling, k *heldKey) {
	if k.as == AsGet {
		k.audience.plain--
	}
	if k.audience.waiting.Len() == 0 {
		f.audience = nil
	}
	sh.released(1)
}

// released does the bookkeeping for n keys that are not waited for any more.
func (sh *shard) released(n int) {
	sh.fillings.held -= n
	sh.fillings.bytes -= int64(n) * heldBytes
	sh.m.waiters.Add(-int64(n))
	sh.settle(settleStep)
}

// tellLater has those who are concerned told of a decision once the shard is unlocked.
func (sh *shard) tellLater(d decision) {
	work := sh.later()
	work.decided = append(work.decided, d)
}

// decideMiss ends the wait of one key by a miss.
func (sh *shard) decideMiss(f *filling, k *heldKey) {
	k.audience.waiting.Remove(k.index)
	sh.leftAudience(f, k)
	k.how = Missing
	if k.as == AsGat {
		sh.counts.CmdTouch++
		sh.counts.TouchMisses++
	} else {
		sh.counts.CmdGet++
		sh.counts.GetMisses++
	}
}

// missed tells one of those who are held a miss.
func (sh *shard) missed(f *filling, k *heldKey, now time.Duration) {
	sh.decideMiss(f, k)
	sh.tellLater(decision{key: k})
}

// fallThrough tells one of those who are held a miss although somebody is computing.
func (sh *shard) fallThrough(f *filling, k *heldKey, now time.Duration) {
	sh.missed(f, k, now)
	f.tell(k.hold.who, now)
	sh.countFill(f, fills.FellThrough, 1)
}

// answerAll answers all who are held with the value that was just stored.
func (sh *shard) answerAll(f *filling, it *item) {
	c := f.audience
	n := c.waiting.Len()
	c.over, c.snapshot = true, &snapshot{item: it.Clone()}
	c.snapshot.users.Store(int32(n))
	sh.m.used.Add(c.snapshot.item.Size())
	sh.m.waits.Lock()
	f.holder = nil
	sh.m.waits.Unlock()
	f.audience = nil
	sh.counts.CmdGet += uint64(c.plain)
	sh.counts.GetHits += uint64(c.plain)
	sh.countFill(f, fills.Coalesced, n)
	sh.released(n)
	sh.tellLater(decision{audience: c})
}

// fewHeld is how many gets whoever stores a value answers before its own. If there are more, they are
// told on a goroutine of its own, tellAfter later: by then the answer to the store is on its way,
// and a busy machine has not given its processor to the others first.
const (
	fewHeld   = 4
	tellAfter = 50 * time.Microsecond
)

// tellHeld tells those who were held, on a goroutine of its own if they are many.
func (m *Manager) tellHeld(all []decision) {
	n := 0
	for _, d := range all {
		if n++; d.audience != nil {
			n += d.audience.waiting.Len()
		}
	}
	if n > fewHeld+1 {
		time.AfterFunc(tellAfter, func() { tellDecisions(all) })
	} else {
		tellDecisions(all)
	}
}

func tellDecisions(all []decision) {
	for _, d := range all {
		if d.audience == nil {
			d.key.hold.decided(d.key.how == Missing)
			continue
		}
		for k := range d.audience.waiting.All() {
			k.snapshot, k.how = d.audience.snapshot, Present
			k.hold.decided(false)
		}
	}
}

// decided records that one key is.
func (h *Hold) decided(hurry bool) {
	if hurry && h.pending.Load() > 1 {
		h.Holder.Hurried()
	}
	if h.pending.Add(-1) == 0 {
		h.Holder.Decided()
	}
}

// Seal says that no further key will be joined. It reports whether all keys are decided: then
// Decided is not called.
func (h *Hold) Seal() (decided bool) { return h.pending.Add(-1) == 0 }

// Leave ends the wait for all keys that are not decided: they fall through. gone says that the
// client has gone. It reports whether some keys are just being decided: then Decided is, or was,
// called, if Seal was called before.
func (m *Manager) Leave(h *Hold, gone bool) (calls bool) {
	calls = true
	for _, k := range h.keys {
		sh := k.of.shard
		sh.mu.Lock()
		if !k.audience.over && k.how == Held { // if it is over, how is not the shard's
			sh.leaveFill(k, gone)
			calls = h.pending.Add(-1) > 0
		}
		sh.unlock()
	}
	return calls
}

// leaveFill takes one key out of its audience.
func (sh *shard) leaveFill(k *heldKey, gone bool) {
	f := k.of
	sh.decideMiss(f, k)
	if !gone {
		f.tell(k.hold.who, sh.now(nil))
		sh.countFill(f, fills.FellThrough, 1)
	}
	sh.reschedule(f)
}

// Finish is called when the Hold is over, before its keys are answered, by its session.
func (m *Manager) Finish(h *Hold) {
	m.waits.Lock()
	if waits := h.who.fills; waits != nil {
		waits.holds = slices.DeleteFunc(waits.holds, func(o *Hold) bool { return o == h })
	}
	m.waits.Unlock()
	for _, k := range h.keys {
		if k.how == Missing {
			h.Session.rememberFill(k.of)
		}
	}
}

// CloseHold gives back the memory of the values that keys are answered with. It may be called more
// than once.
func (m *Manager) CloseHold(h *Hold) {
	for _, k := range h.keys {
		if s := k.snapshot; s != nil {
			k.snapshot = nil
			if s.users.Add(-1) == 0 {
				m.used.Add(-s.item.Size())
			}
		}
	}
}

// Take returns how to answer a get of the key, which is the next of those that the Hold has
// waited for: Present with the value as it was stored, or Missing. It returns Unknown if the
// key is not, or if another node serves it now: then it is to be asked for again. The value is
// good until CloseHold.
func (h *Hold) Take(key []byte) (it *Item, s Sight) {
	if h.taken == len(h.keys) || h.keys[h.taken].of.key != string(key) {
		return nil, Unknown
	}
	k := h.keys[h.taken]
	h.taken++
	if k.how == Present {
		return k.snapshot.item, Present
	}
	return nil, k.how
}

// Only returns the value with which the only key of the Hold is to be answered, nil if it has
// several or is to be answered in another way than by a plain value.
func (h *Hold) Only() *Item {
	if len(h.keys) != 1 || h.first.as != AsGet || h.first.how != Present {
		return nil
	}
	return h.first.snapshot.item
}

// endHolds ends a batch of holds by misses, and reports whether there may be more.
func (sh *shard) endHolds(now time.Duration) (more bool) {
	if sh.fillings == nil {
		return false
	}
	n := 0
	for _, f := range sh.fillings.byKey {
		for f.audience != nil {
			if n++; n > batch {
				return true
			}
			sh.fallThrough(f, f.audience.first(), now)
		}
	}
	return false
}

// rememberFill notes that the session was told a miss, for Manager.Close.
func (s *Session) rememberFill(f *filling) {
	const least = 8 // below that it is not worth to look for old ones
	if s.fills == nil {
		s.fills = new([]*filling)
	}
	fills := *s.fills
	if len(fills) == cap(fills) && len(fills) >= least {
		fills = slices.DeleteFunc(fills, func(f *filling) bool { return f.gone.Load() })
	}
	*s.fills = append(fills, f)
}

// closeFills is Close for the fills of a session.
func (m *Manager) closeFills(s *Session) {
	if s.fills == nil {
		return
	}
	for _, f := range *s.fills {
		f.shard.mu.Lock()
		f.shard.fillerLeft(f, s.self, f.shard.now(nil))
		f.shard.unlock()
	}
	s.fills = nil
}

func (s *Session) claimantIfAny() *claimant {
	if s == nil {
		return nil
	}
	return s.self
}

// disownFills forgets who computes the keys that match. Those who are held are to ask again.
func (sh *shard) disownFills(match func(key []byte) bool) {
	if sh.fillings == nil {
		return
	}
	eachPart(sh, sh.fillings.byKey, func(f *filling) {
		if !match(bytesOf(f.key)) {
			return
		}
		for k := f.audience.first(); k != nil; k = f.audience.first() {
			k.audience.waiting.Remove(k.index)
			sh.leftAudience(f, k)
			k.how = Unknown
			sh.tellLater(decision{key: k})
		}
		sh.dropFilling(f)
	})
}
