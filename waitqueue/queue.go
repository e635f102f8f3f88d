// Package waitqueue knows who is next: a plain first-in, first-out line, in which
// somebody may be let in where he stood before. No
// mutex, no goroutine, no clock; whoever owns a Queue guards it.
package waitqueue

// Queue is a line of waiters, each of which carries an X. The zero value is an
// empty line.
type Queue[X any] struct {
	head, tail *Waiter[X]
	length     int
}

// Waiter is one place in a Queue. The zero value stands in no line.
type Waiter[X any] struct {
	X          X
	line       *Queue[X]
	prev, next *Waiter[X]
}

// Len is the number of waiters.
func (q *Queue[X]) Len() int { return q.length }

// Push puts w, which must stand in no line, at the end.
func (q *Queue[X]) Push(w *Waiter[X]) {
	w.line, w.prev, w.next = q, q.tail, nil
	if q.tail != nil {
		q.tail.next = w
	} else {
		q.head = w
	}
	q.tail = w
	q.length++
}

// Insert puts w, which must stand in no line, behind the last of those who are to
// be ahead of it, looking from the end.
func (q *Queue[X]) Insert(w *Waiter[X], ahead func(other X) bool) {
	prev := q.tail
	for prev != nil && !ahead(prev.X) {
		prev = prev.prev
	}
	if prev == q.tail {
		q.Push(w)
		return
	}
	next := q.head
	if prev != nil {
		next = prev.next
		prev.next = w
	} else {
		q.head = w
	}
	w.line, w.prev, w.next = q, prev, next
	next.prev = w
	q.length++
}

// First is the first waiter in line; nil if there is none.
func (q *Queue[X]) First() *Waiter[X] { return q.head }

// Pop takes the first waiter out of the line; nil if there is none.
func (q *Queue[X]) Pop() *Waiter[X] {
	w := q.head
	if w != nil {
		q.Remove(w)
	}
	return w
}

// Remove takes w out of the line, wherever it stands, in constant time. It
// reports false if w does not stand in q, because it was served or left before.
func (q *Queue[X]) Remove(w *Waiter[X]) bool {
	if w.line != q {
		return false
	}
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		q.head = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		q.tail = w.prev
	}
	w.line, w.prev, w.next = nil, nil, nil
	q.length--
	return true
}

// Rank is how many waiters are ahead of w: 0 is next in line, -1 not in line at
// all. It takes time linear in the answer.
func (q *Queue[X]) Rank(w *Waiter[X]) int {
	if w.line != q {
		return -1
	}
	rank := 0
	for w = w.prev; w != nil; w = w.prev {
		rank++
	}
	return rank
}
