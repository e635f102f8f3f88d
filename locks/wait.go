package locks

import (
	"bytes"
	"time"

	"github.com/lockcached/lockcached/stats/ledger"
	"github.com/lockcached/lockcached/waitqueue"
)

// Outcome is how a wait ended.
type Outcome uint8

// The outcomes of a wait. A wait that its own client ends reports none.
const (
	pending Outcome = iota
	Granted
	TimedOut
	Moved  // to another node, with the key: the claim may be sent there. Or it was sent again here
	Failed // in vain too, but that cannot be confirmed: see Manager.Unconfirmed
)

// Waiter is told how the wait of a queued claim ended.
type Waiter interface {
	// Served is called once, from whichever goroutine ended the wait and with
	// no lock held. It reports whether the answer could be given; a grant that
	// could not is withdrawn.
	Served(w *Waiting, how Outcome) bool
}

// Wait says how a claim may wait in line.
type Wait struct {
	For     time.Duration // 0 or less means not at all; UnaskedWait if the client does not say
	Waiter  Waiter        // is told the outcome
	Waiting *Waiting      // the memory for the wait
	// Named says that the client itself asked to wait, in its Session. Such a wait is
	// ended if it is a deadlock.
	Named bool
	// GoesOn says that this wait is a part of a longer one: the client will wait again
	// when it is over. It counts as a wait in vain only if the client does not come back.
	GoesOn bool
	// Waited is how long the claim has waited at another node before it was sent here: it
	// gets the place that it would have if it had waited here. It counts towards MaxWait.
	Waited time.Duration
}

// Waiting is a claim that stands in line. PutOrWait fills in the one that the caller
// provides; it may be used again once the wait is over.
type Waiting struct {
	claim  Put // a copy that the Waiting owns, its key and value included
	hash   uint64
	node   waitqueue.Waiter[*Waiting]
	line   *line
	waiter Waiter
	stored Stored // the result

	leaseEnd time.Duration // end of the lease, if it is Dated
	waitEnd  time.Duration // when the wait is over
	next     *Waiting      // in shard.served
	due      int32         // index in shard.deadlines
	how      Outcome

	patient bool // it may wait for more than a moment
	named   bool // as in Wait
	goesOn  bool // as in Wait, or the wait was cut short
}

// SetIndex is for the heap of deadlines.
func (w *Waiting) SetIndex(i int32) { w.due = i }

// Waiter is who is told the outcome.
func (w *Waiting) Waiter() Waiter { return w.waiter }

// Token is the token of the grant that ended the wait.
func (w *Waiting) Token() uint64 { return w.stored.CAS }

// Stored is the result of the wait, as Put returns it for a claim that does not wait.
func (w *Waiting) Stored() Stored { return w.stored }

// Key is the key of the claim.
func (w *Waiting) Key() []byte { return w.claim.Key }

// admit returns nil if a claim may wait in line, or else why not: ErrNotStored, or
// errNoRoom if there is no memory for it.
func (sh *shard) admit(c *Put, l *line, it *item) error {
	switch {
	case l.Queue.Len() >= sh.m.config().MaxWaiters || sh.m.crowded() || sh.m.ending.Load():
		return ErrNotStored
	case !sh.evict(int64(len(c.Key)+len(c.Value)), it): // the line has been counted
		return errNoRoom
	}
	return nil
}

// enqueue puts a claim in the line of an existing item or, if it is nil, of a closed
// lock. It returns ErrQueued, or why the claim may not wait.
func (sh *shard) enqueue(c *Put, hash uint64, wait *Wait, it *item, now time.Duration) error {
	l := sh.lineOf(c.Key, it)
	var earlier waitqueue.Place
	if sh.ids != nil {
		earlier = sh.supersede(c, l, now)
	}
	if err := sh.admit(c, l, it); err != nil {
		sh.tidy(l)
		return err
	}
	w := wait.Waiting
	data := append(append(w.claim.Key[:0], c.Key...), c.Value...) // copied: the caller's do not last
	*w = Waiting{claim: *c, hash: hash, line: l, waiter: wait.Waiter, named: wait.Named}
	w.claim.Key, w.claim.Value = data[:len(c.Key)], data[len(c.Key):]
	w.leaseEnd = expiresAt(c.Lease, now)
	w.node.X = w
	at := sh.placeFor(l, c.Session, identity(c, it), now)
	if sh.ids != nil {
		at = wait.placeElsewhere(at, earlier, now)
		sh.ids.enqueue(w)
	}
	l.Queue.Insert(&w.node, at)
	if w.patient = wait.For > momentary; w.patient {
		l.patient++
	}
	if it != nil {
		if held(it) {
			sh.roomForPast(it)
			l.contention = sh.ledger.Contended(sh.pastOf(it))
		}
		sh.table.Hurry(it) // now somebody waits for it to expire
		sh.m.dueAt(it.Expires())
	} else if sh.settling(now) {
		sh.close(l.key, sh.m.settled)
	}
	c.Session.remember(l)
	c.Session.claimant() // made now, on the session's own goroutine
	if sh.fillings != nil {
		sh.standsInLine(w, it)
	}
	sh.queued++
	sh.claims += w.size()
	sh.settle(settleStep)
	sh.m.addWaiter()
	limit := sh.m.config().MaxWait
	w.goesOn = wait.GoesOn || wait.Named && wait.For > limit // a client that asks for more will wait on
	w.waitEnd = expiresAt(min(wait.For, limit-wait.Waited), now)
	deadline := w.waitEnd
	if w.named && sh.closesCircle(w, it) {
		deadline = min(deadline, now+circleStands)
	}
	sh.deadlines.Push(w, deadline)
	sh.m.dueAt(deadline)
	sh.noteTry(c, it, WasQueued, now, now)
	return ErrQueued
}

// size is the memory that the claim takes while it waits, in bytes.
func (w *Waiting) size() int64 { return int64(len(w.claim.Key) + len(w.claim.Value)) }

// leftQueue does the bookkeeping for a waiter that was just taken out of its
// queue.
func (sh *shard) leftQueue(w *Waiting) {
	sh.queued--
	sh.claims -= w.size()
	sh.ids.dequeue(w)
	sh.settle(settleStep)
	if w.named || sh.fillings != nil {
		sh.m.endWait(w.claim.Session.self)
	}
	if w.patient {
		w.line.patient--
	}
	sh.m.waiters.Add(-1)
	sh.deadlines.Remove(w.due)
}

// tell ends a wait: its client is told once the shard is unlocked.
func (sh *shard) tell(w *Waiting, how Outcome, now time.Duration) {
	sh.decide(w, how, now)
	if sh.last == nil {
		sh.served = w
	} else {
		sh.last.next = w
	}
	sh.last = w
}

// decide records how a wait has ended.
func (sh *shard) decide(w *Waiting, how Outcome, now time.Duration) {
	w.how = how
	w.stored.Size = int32(len(w.claim.Value))
	if w.claim.WithLine {
		w.stored.Place = sh.place(&w.claim, w.hash, how == Granted, now)
	}
	w.claim.Value = nil
	if cap(w.claim.Key) > maxKeptClaim {
		w.claim.Key = bytes.Clone(w.claim.Key)
	}
}

// maxKeptClaim bounds the buffer, in bytes, that a Waiting keeps for its next use: a
// connection that once waited with a large value would keep that memory for ever.
const maxKeptClaim = 512

// timeOut ends a wait without a grant.
func (sh *shard) timeOut(w *Waiting, now time.Duration) {
	w.line.Queue.Remove(&w.node)
	sh.leftQueue(w)
	sh.timedOut(w, now)
	sh.tell(w, TimedOut, now)
	sh.tidy(w.line)
}

// timedOut makes a poller of a waiter whose wait ended without a grant: it is expected to
// come back, and keeps its place. A wait that goes on counts as one in vain only if the
// waiter does not come back.
func (sh *shard) timedOut(w *Waiting, now time.Duration) {
	it := sh.table.Find(w.hash, w.claim.Key)
	sh.noteTry(&w.claim, it, GaveUp, w.node.Place().Since, now)
	p := sh.poll(w.line, w.claim.Session, identity(&w.claim, it), w.node.Place(), now)
	if p != nil && w.goesOn {
		p.GoesOn = true
		return
	}
	sh.happenedTo(sh.pastOfKey(w.claim.Key, it), ledger.WaitedInVain, now)
}

// GiveUp ends a wait whose client wants or needs no answer through its Waiter any more.
// If the client is not gone, it is a poller from now on. GiveUp reports whether the wait
// had ended before: then Served was called, or is being called.
func (m *Manager) GiveUp(w *Waiting, gone bool) (decided bool) {
	sh := w.line.shard
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if w.how != pending {
		return true
	}
	l := w.line
	l.Queue.Remove(&w.node)
	sh.leftQueue(w)
	now := sh.now(nil)
	if gone {
		sh.noteTry(&w.claim, sh.table.Find(w.hash, w.claim.Key), GaveUp, w.node.Place().Since, now)
	} else {
		sh.timedOut(w, now)
	}
	sh.decide(w, TimedOut, now)
	sh.tidy(l)
	return false
}

// Withdraw takes back a grant whose claimant was gone before it could learn of it. The
// token makes sure that no other hold is ended. The only error is ErrMoved.
func (m *Manager) Withdraw(key []byte, token uint64) error {
	served, err := m.withdraw(key, token, withdrawal)
	m.deliver(served)
	return err
}

// Holds reports whether the lock of the key is held by the grant with that token. If
// another node serves the key, it may be.
func (m *Manager) Holds(key []byte, token uint64) bool {
	sh, hash := m.shardOf(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !m.owns(key) {
		return true
	}
	it := sh.table.Find(hash, key)
	return it != nil && held(it) && it.CAS() == token
}

// withdraw ends the hold with that token, and returns the waiters served instead, or
// ErrMoved.
func (m *Manager) withdraw(key []byte, token uint64, why ending) (served *Waiting, err error) {
	return m.endHoldIf(key, why, func(it *item) bool { return it.CAS() == token })
}

// endHoldIf ends the hold of the key's lock if meant says so, and returns the waiters
// served instead, or ErrMoved.
func (m *Manager) endHoldIf(key []byte, why ending, meant func(it *item) bool) (served *Waiting, err error) {
	sh, hash := m.shardOf(key)
	sh.mu.Lock()
	defer sh.unlock()
	if !m.owns(key) {
		return nil, ErrMoved
	}
	now := sh.now(nil)
	if it := sh.find(hash, key, now); it != nil && held(it) && meant(it) {
		sh.end(it, why, now)
	}
	served = sh.served
	sh.served, sh.last = nil, nil
	return served, nil
}

// deliver tells waiters how their wait ended, once the journal has kept that. If this may
// take as long as a disk does, the caller does not wait for it.
func (m *Manager) deliver(w *Waiting) {
	if m.journal == nil {
		m.tellAll(w, 0)
		return
	}
	mark := m.markOf(w)
	if m.CommitWaits() && !m.Confirmed(mark) {
		go m.tellAll(w, mark)
		return
	}
	m.tellAll(w, mark)
}

// Served are waiters whose waits are over, and who have not been told yet. The zero value is
// nobody.
type Served struct{ first, last *Waiting }

func (s *Served) add(first, last *Waiting) {
	if s.first == nil {
		s.first = first
	} else {
		s.last.next = first
	}
	s.last = last
}

// IsEmpty reports whether there is nobody to tell.
func (s *Served) IsEmpty() bool { return s.first == nil }

// Next takes out the waiter that is to be told next, and how its wait has ended; nil if there is
// nobody.
func (s *Served) Next() (w *Waiting, how Outcome) {
	w = s.first
	if w == nil {
		return nil, 0
	}
	s.first = w.next
	w.next = nil
	return w, w.how
}

// Tell tells a waiter, which Next has returned.
func (m *Manager) Tell(w *Waiting) { m.tellAll(w, 0) }

// Unheard withdraws a grant of which its client cannot have learned.
func (m *Manager) Unheard(key []byte, token uint64) { m.tellAll(m.takeBackUnheard(key, token), 0) }

// markOf is what has to be confirmed before the waiters may be told: their grants or, for
// those that were granted nothing, all that is known.
func (m *Manager) markOf(w *Waiting) (mark uint64) {
	for ; w != nil; w = w.next {
		if w.how != Moved && w.stored.Entry == 0 {
			return m.Mark()
		}
		mark = max(mark, w.stored.Entry)
	}
	return mark
}

// tellAll tells waiters, and serves the next in line for each that turns out to be gone.
// If all clients of a host died at once, it works through them one after the other.
func (m *Manager) tellAll(w *Waiting, mark uint64) {
	for w != nil {
		var instead *Waiting // served instead of those that could not be told
		kept := m.Confirmed(mark) || m.Confirm(mark) == nil
		for w != nil {
			next, key, token, how := w.next, w.claim.Key, w.Token(), w.how
			switch {
			case !kept && !m.stands(w):
				if w.stored.Entry != 0 {
					instead = join(m.takeBack(key, token, w.claim.Session), instead)
				}
				w.stored.CAS, w.stored.Entry = 0, 0
				w.waiter.Served(w, m.refusal())
			// Once told, w may be in use for another wait.
			case !w.waiter.Served(w, how) && how == Granted:
				instead = join(m.takeBackUnheard(key, token), instead)
			}
			w = next
		}
		if w = instead; w != nil {
			mark = m.markOf(w)
		}
	}
}

// stands reports whether a waiter can be told how its wait ended although not all is
// confirmed. In a cluster, a refusal is a promise too, and so is the answer to a claim whose
// lease was over before it could hold the lock.
func (m *Manager) stands(w *Waiting) bool {
	switch {
	case w.how == Moved:
		return true
	case w.stored.Entry == 0:
		return !m.strict
	}
	return m.Kept(w.stored.Entry)
}

// refusal is the outcome of a wait whose grant was not kept.
func (m *Manager) refusal() Outcome {
	if m.strict {
		return Failed
	}
	return TimedOut
}

// takeBackUnheard withdraws a grant of which its client cannot know, and returns the waiters
// served instead. If the key is not owned any more, that is left to Config.Withdraw.
func (m *Manager) takeBackUnheard(key []byte, token uint64) *Waiting {
	served, err := m.withdraw(key, token, unheard)
	if err != nil {
		m.withdrawElsewhere(key, token)
	}
	return served
}

func (m *Manager) withdrawElsewhere(key []byte, token uint64) {
	if m.fixed.Withdraw != nil {
		m.fixed.Withdraw(key, token)
	}
}

// join puts list a before list b.
func join(a, b *Waiting) *Waiting {
	if a == nil {
		return b
	}
	end := a
	for end.next != nil {
		end = end.next
	}
	end.next = b
	return a
}

// EndWaits ends all waits without a grant, and all held gets by a miss, as when the server shuts down, and
// lets no new one begin.
func (m *Manager) EndWaits() {
	m.ending.Store(true)
	for _, sh := range m.shards {
		for more := true; more; {
			sh.mu.Lock()
			more = sh.endWaits(sh.now(nil))
			sh.unlock()
		}
	}
}

// endWaits ends a batch of waits, and reports whether there may be more.
func (sh *shard) endWaits(now time.Duration) (more bool) {
	if sh.endHolds(now) {
		return true
	}
	for range batch {
		w, _, ok := sh.deadlines.Top()
		if !ok {
			return false
		}
		sh.timeOut(w, now)
	}
	return true
}
