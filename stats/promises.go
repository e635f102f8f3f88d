package stats

import (
	"slices"
	"time"
)

// maxPromises bounds the memory of one lock's Promises to 64 kB. Further waiters are spread
// without being remembered.
const maxPromises = 4096

// Promises are the times at which waiters of one lock were told to come back, at most 4096
// of them, 8 bytes each. Remembering them is what spreads the waiters: each is told the
// first time that nobody covers yet, and needs no name for that. Waiters that choose for
// themselves leave the lock idle up to twice as long.
//
// They outlast the hold for which they were made: they cover times, not holds. A waiter
// that does not come leaves a hole of one place, so nothing checks whether it came.
//
// The zero value is empty and ready for use.
type Promises struct {
	slots []time.Duration // those from head on are outstanding, in ascending order
	head  int
	made  int           // how many since there were none, remembered or not
	tail  time.Duration // the latest time given out after the end of the present hold
}

// Len is the number of outstanding promises, as of the last advice.
func (p *Promises) Len() int { return len(p.slots) - p.head }

// Cancel forgets the promise for that time: its waiter came back, was served, or has gone.
// The promise may be forgotten already, because its time had come.
func (p *Promises) Cancel(at time.Duration) {
	i, found := slices.BinarySearch(p.pending(), at)
	if !found {
		return
	}
	i += p.head
	if i-p.head < len(p.slots)-i { // move the shorter side
		copy(p.slots[p.head+1:i+1], p.slots[p.head:i])
		p.head++
		return
	}
	p.slots = slices.Delete(p.slots, i, i+1)
}

func (p *Promises) pending() []time.Duration { return p.slots[p.head:] }

// prune forgets promises for times before from, and those after to, which exist only if the
// clock was set back.
func (p *Promises) prune(from, to time.Duration) {
	for p.head < len(p.slots) && p.slots[p.head] < from {
		p.head++
	}
	for len(p.slots) > p.head && p.slots[len(p.slots)-1] > to {
		p.slots = p.slots[:len(p.slots)-1]
	}
	p.tail = min(p.tail, to)
	if p.Len() == 0 {
		p.reset()
	}
}

// reset forgets everything, and frees the memory that a crowd took.
func (p *Promises) reset() {
	const crowd = 64
	*p = Promises{slots: p.slots[:0]}
	if cap(p.slots) > crowd {
		p.slots = nil
	}
}

// insert remembers a promise. It reuses the space of those whose time has come: a near
// promise has few before it, and moves only those.
func (p *Promises) insert(at time.Duration) {
	if p.Len() >= maxPromises {
		return
	}
	i := p.after(at) + p.head
	if p.head > 0 && i-p.head < len(p.slots)-i {
		copy(p.slots[p.head-1:], p.slots[p.head:i])
		p.head--
		p.slots[i-1] = at
		return
	}
	if len(p.slots) == cap(p.slots) && p.head > len(p.slots)/4 {
		p.slots = slices.Delete(p.slots, 0, p.head)
		i, p.head = i-p.head, 0
	}
	p.slots = slices.Insert(p.slots, i, at)
}

// after is the number of promises for that time or earlier.
func (p *Promises) after(at time.Duration) int {
	n, _ := slices.BinarySearch(p.pending(), at+1)
	return n
}

// covered tells whether a waiter was told to come between from and to.
func (p *Promises) covered(from, to time.Duration) bool {
	i, found := slices.BinarySearch(p.pending(), from)
	return found || i < p.Len() && p.pending()[i] <= to
}
