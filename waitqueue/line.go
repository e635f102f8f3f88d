package waitqueue

import (
	"iter"
	"time"
	"unsafe"
)

// Line is the waiters for one lock: first the queued ones, behind them the pollers, each
// in the order of their places. C identifies a client, X is what a queued waiter carries.
// The zero value is an empty line.
type Line[C comparable, X any] struct {
	Queue   Queue[X]
	pollers map[C]*Poller[C]  // by client; nil while there are few
	order   Queue[*Poller[C]] // of the pollers
	// kept has the places of pollers whose connection is closed, by the value they want
	// to store: some clients connect anew for each try.
	kept    map[uint64]*Queue[*Poller[C]]
	away    int    // places that are kept
	arrived uint64 // places given out
}

// MaxKept bounds the places that one line keeps for pollers whose connection is closed.
const MaxKept = 1024

// Arrive gives out a new place, behind all others from the same moment or before.
func (l *Line[C, X]) Arrive(now time.Duration) Place {
	l.arrived++
	return Place{Since: now, Number: l.arrived}
}

// Polling is the number of pollers.
func (l *Line[C, X]) Polling() int { return l.order.Len() }

// Waiters is the number of waiters, queued or polling.
func (l *Line[C, X]) Waiters() int { return l.Queue.Len() + l.order.Len() }

// Kept is the number of places kept for pollers that are away.
func (l *Line[C, X]) Kept() int { return l.away }

// Pollers yields the pollers in their order. The line must not be changed meanwhile.
func (l *Line[C, X]) Pollers() iter.Seq[*Poller[C]] {
	return func(yield func(*Poller[C]) bool) {
		for w := range l.order.All() {
			if !yield(w.X) {
				return
			}
		}
	}
}

// Bytes is about how much memory the pollers and the kept places take, in bytes, besides
// the Line itself. Queued waiters are the memory of the caller.
func (l *Line[C, X]) Bytes() (n int64) {
	if l.pollers != nil {
		n += mapBytes
	}
	if l.kept != nil {
		n += mapBytes
	}
	poller := int64(unsafe.Sizeof(Poller[C]{}))
	return n + int64(len(l.pollers))*entryBytes + int64(l.Polling())*poller + int64(l.away)*(poller+placeBytes)
}

// The size of maps, in bytes: of a small one, of an entry in a large one, and of the
// entry of a kept place with its Queue.
const (
	mapBytes   = 192
	entryBytes = 32
	placeBytes = 40
)

// Empty reports whether there are neither waiters nor kept places.
func (l *Line[C, X]) Empty() bool { return l.Waiters() == 0 && l.away == 0 }

// Rank is how many wait ahead of c. A client that does not poll would be last.
func (l *Line[C, X]) Rank(c C) int {
	p := l.Poller(c)
	if p == nil {
		return l.Waiters()
	}
	return l.Queue.Len() + l.order.Rank(&p.node)
}

// Overtaken reports whether c polls and all that are queued came later. They are served
// first, so c might never find the lock free.
func (l *Line[C, X]) Overtaken(c C) bool {
	first, p := l.Queue.First(), l.Poller(c)
	return first != nil && p != nil && first.place.Since > p.node.place.Since
}

// few is the number of pollers up to which there is no map: most locks have very few, and
// a map would take more memory than they do.
const few = 8

// Poller returns c's poller, nil if c does not poll.
func (l *Line[C, X]) Poller(c C) *Poller[C] {
	if l.pollers != nil {
		return l.pollers[c]
	}
	return among(l.order.root, c)
}

// among returns c's poller if it is in the tree below w, or nil. It is faster than a
// range over All.
func among[C comparable](w *Waiter[*Poller[C]], c C) *Poller[C] {
	for ; w != nil; w = w.right {
		if w.X.client == c {
			return w.X
		}
		if p := among(w.left, c); p != nil {
			return p
		}
	}
	return nil
}

// Returned returns the poller of a client that has come back, or polls no more: c's own
// or else, if value is not 0, the first of those that are away and wanted to store the
// same value. It is nil if there is none.
func (l *Line[C, X]) Returned(c C, value uint64) *Poller[C] {
	if p := l.Poller(c); p != nil {
		return p
	}
	if q := l.kept[value]; q != nil {
		return q.First().X
	}
	return nil
}

// Poll makes c, which must not poll yet, a poller that was refused now.
func (l *Line[C, X]) Poll(c C, value uint64, at Place, now time.Duration) *Poller[C] {
	p := &Poller[C]{client: c, value: value, owed: 1, last: now}
	p.node.X = p
	l.order.Insert(&p.node, at)
	switch {
	case l.pollers != nil:
		l.pollers[c] = p
	case l.order.Len() > few:
		l.pollers = make(map[C]*Poller[C])
		for w := range l.order.All() {
			l.pollers[w.X.client] = w.X
		}
	}
	return p
}

// Keeps reports whether the place of a poller is kept when its connection is closed: it
// has to be recognizable when it comes back, and not too many may be away.
func (l *Line[C, X]) Keeps(p *Poller[C]) bool { return p.value != 0 && l.away < MaxKept }

// Leave keeps the place of a poller whose connection is closed, if Keeps allows it.
func (l *Line[C, X]) Leave(p *Poller[C], now time.Duration) {
	l.Remove(p)
	if l.kept == nil {
		l.kept = make(map[uint64]*Queue[*Poller[C]])
	}
	q := l.kept[p.value]
	if q == nil {
		q = new(Queue[*Poller[C]])
		l.kept[p.value] = q
	}
	p.away, p.last = true, now
	q.Insert(&p.node, p.node.place)
	l.away++
}

// Expected returns one of the pollers and of those that are away, nil if there are none.
func (l *Line[C, X]) Expected() *Poller[C] {
	if w := l.order.First(); w != nil {
		return w.X
	}
	for _, q := range l.kept {
		return q.First().X
	}
	return nil
}

// Remove forgets a poller, or its place if it is away.
func (l *Line[C, X]) Remove(p *Poller[C]) {
	if !p.away {
		l.order.Remove(&p.node)
		if delete(l.pollers, p.client); len(l.pollers) == 0 {
			l.pollers = nil
		}
		return
	}
	q := l.kept[p.value]
	q.Remove(&p.node)
	if q.Len() == 0 {
		delete(l.kept, p.value)
	}
	if l.away--; l.away == 0 {
		l.kept = nil
	}
}
