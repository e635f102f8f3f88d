package waitqueue

import (
	"iter"
	"math/rand/v2"
	"time"
)

// Place is the place of a waiter. Places are ordered by when the wait began, and those
// from the same moment by their numbers, from 1 on; no two are equal. The zero value
// means no place.
type Place struct {
	Since  time.Duration // on any clock that does not go back
	Number uint64
}

// IsZero reports whether p is no place.
func (p Place) IsZero() bool { return p.Number == 0 }

// Before reports whether p is ahead of q.
func (p Place) Before(q Place) bool {
	if p.Since != q.Since {
		return p.Since < q.Since
	}
	return p.Number < q.Number
}

// Queue holds waiters in the order of their places, each of which carries an X. The
// zero value is an empty queue.
//
// It is a treap: a binary tree ordered by places, in which no waiter has a higher
// priority than the one above it. Priorities are random, which keeps the depth
// logarithmic, about 2 ln n, whatever the order in which waiters come and go
// (Seidel and Aragon: Randomized Search Trees, 1996). Each waiter knows how many are
// below it, so that ranks can be counted on the way down.
type Queue[X any] struct{ root *Waiter[X] }

// Waiter is one waiter in a Queue. The zero value stands in no queue.
type Waiter[X any] struct {
	X           X
	place       Place
	left, right *Waiter[X] // those ahead and those behind
	size        int32      // of the tree from here on; 0 if it stands in no queue
	priority    uint32
}

// Place is where the waiter stands, or stood last.
func (w *Waiter[X]) Place() Place { return w.place }

func (w *Waiter[X]) len() int32 {
	if w == nil {
		return 0
	}
	return w.size
}

// side is the subtree of w that has the place.
func (w *Waiter[X]) side(p Place) **Waiter[X] {
	if p.Before(w.place) {
		return &w.left
	}
	return &w.right
}

// Len is the number of waiters.
func (q *Queue[X]) Len() int { return int(q.root.len()) }

// Insert puts w, which must stand in no queue, at a place that no other waiter has.
func (q *Queue[X]) Insert(w *Waiter[X], at Place) {
	w.place, w.priority = at, rand.Uint32()
	link := &q.root
	for *link != nil && (*link).priority >= w.priority {
		(*link).size++
		link = (*link).side(at)
	}
	w.size = (*link).len() + 1
	w.left, w.right = split(*link, at)
	*link = w
}

// split cuts a tree in two: those before the place and those behind it.
func split[X any](w *Waiter[X], at Place) (before, behind *Waiter[X]) {
	switch {
	case w == nil:
		return nil, nil
	case w.place.Before(at):
		before = w
		w.right, behind = split(w.right, at)
	default:
		behind = w
		before, w.left = split(w.left, at)
	}
	w.size = w.left.len() + 1 + w.right.len()
	return before, behind
}

// merge makes one tree of two; all of a is ahead of all of b.
func merge[X any](a, b *Waiter[X]) *Waiter[X] {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority >= b.priority:
		a.size += b.size
		a.right = merge(a.right, b)
		return a
	}
	b.size += a.size
	b.left = merge(a, b.left)
	return b
}

// All yields the waiters in their order. The queue must not be changed meanwhile.
func (q *Queue[X]) All() iter.Seq[*Waiter[X]] {
	return func(yield func(*Waiter[X]) bool) { q.root.each(yield) }
}

func (w *Waiter[X]) each(yield func(*Waiter[X]) bool) bool {
	return w == nil || w.left.each(yield) && yield(w) && w.right.each(yield)
}

// First returns the first waiter; nil if there is none.
func (q *Queue[X]) First() *Waiter[X] {
	w := q.root
	for w != nil && w.left != nil {
		w = w.left
	}
	return w
}

// Pop takes the first waiter out of the queue; nil if there is none.
func (q *Queue[X]) Pop() *Waiter[X] {
	if q.root == nil {
		return nil
	}
	link := &q.root
	for (*link).left != nil {
		(*link).size--
		link = &(*link).left
	}
	w := *link
	*link = w.right
	w.left, w.right, w.size = nil, nil, 0
	return w
}

// Remove takes w out of the queue, wherever it stands. It reports false if w does
// not stand in q, because it was served or left before.
func (q *Queue[X]) Remove(w *Waiter[X]) bool {
	if q.Rank(w) < 0 {
		return false
	}
	link := &q.root
	for *link != w {
		(*link).size--
		link = (*link).side(w.place)
	}
	*link = merge(w.left, w.right)
	w.left, w.right, w.size = nil, nil, 0
	return true
}

// Rank is how many waiters are ahead of w: 0 is next in line, -1 not in the queue at
// all.
func (q *Queue[X]) Rank(w *Waiter[X]) int {
	rank := int32(0)
	for at := q.root; at != nil && w.size > 0; {
		switch {
		case at == w:
			return int(rank + at.left.len())
		case w.place.Before(at.place):
			at = at.left
		default:
			rank += at.left.len() + 1
			at = at.right
		}
	}
	return -1
}
