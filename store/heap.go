package store

import (
	"iter"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
)

// Indexed is something that is told its place in a Heap, -1 when it leaves.
type Indexed interface{ SetIndex(i int32) }

// Heap is a binary heap of things that are due at some time, the first one on
// top. Each knows its place, so one in the middle can be removed without a search.
// (container/heap would do, at the price of an interface call and a cache miss per
// comparison; here the times lie side by side.)
type Heap[T Indexed] []entry[T]

type entry[T Indexed] struct {
	due time.Duration
	x   T
}

// Top returns what is due first and when; if the Heap is empty, ok is false and due
// ttl.Forever.
func (h Heap[T]) Top() (x T, due time.Duration, ok bool) {
	if len(h) == 0 {
		return x, ttl.Forever, false
	}
	return h[0].x, h[0].due, true
}

// All visits the things, what is due early roughly before what is due late. The Heap must not
// be changed meanwhile.
func (h Heap[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := range h {
			if !yield(h[i].x) {
				return
			}
		}
	}
}

// Due is when the thing at place i is due.
func (h Heap[T]) Due(i int32) time.Duration { return h[i].due }

// Push adds x.
func (h *Heap[T]) Push(x T, due time.Duration) {
	*h = append(*h, entry[T]{due, x})
	h.up(len(*h) - 1)
}

// Remove takes out what is at place i.
func (h *Heap[T]) Remove(i int32) {
	old := *h
	last := len(old) - 1
	gone, moved := old[i].x, old[last]
	old[last] = entry[T]{}
	*h = old[:last]
	if int(i) < last {
		old[i] = moved
		h.restore(int(i))
	}
	gone.SetIndex(-1)
}

// Move changes when the thing at place i is due.
func (h Heap[T]) Move(i int32, due time.Duration) {
	h[i].due = due
	h.restore(int(i))
}

func (h Heap[T]) restore(i int) {
	if !h.down(i) {
		h.up(i)
	}
}

// up and down carry one entry to its place and write it once, at the end.
func (h Heap[T]) up(i int) {
	e := h[i]
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].due <= e.due {
			break
		}
		h[i] = h[parent]
		h[i].x.SetIndex(int32(i))
		i = parent
	}
	h[i] = e
	e.x.SetIndex(int32(i))
}

// down reports whether the entry moved.
func (h Heap[T]) down(i int) bool {
	start, e := i, h[i]
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if right := child + 1; right < len(h) && h[right].due < h[child].due {
			child = right
		}
		if e.due <= h[child].due {
			break
		}
		h[i] = h[child]
		h[i].x.SetIndex(int32(i))
		i = child
	}
	if i == start {
		return false
	}
	h[i] = e
	e.x.SetIndex(int32(i))
	return true
}
