package store

import (
	"iter"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
)

// Indexed is something that is told its place in a Heap, -1 when it leaves.
type Indexed interface{ SetIndex(i int32) }

// Heap is a heap of things that are due at some time, the first one on top. Each knows its
// place, so one in the middle can be removed without a search. (container/heap would do, at the
// price of an interface call and a cache miss per comparison; here the times lie side by side.)
//
// It grows by chunks: a slice that grows by append takes more memory than it needs, and leaves
// as much behind for the garbage collector.
type Heap[T Indexed] struct {
	top   []entry[T]         // a chunk, too, or less if the Heap is small
	more  []*[chunk]entry[T] // what has no place there
	n     int
	room  int // for so many things
	least int // with fewer things the last chunk is not needed
}

type entry[T Indexed] struct {
	due time.Duration
	x   T
}

const (
	// chunk entries of 16 bytes take 32 KB, which the allocator does not round up.
	chunkBits = 11
	chunk     = 1 << chunkBits
	minTop    = 4
	// branch is how many things are right below each: with more than two there are fewer
	// levels, and those below one thing are neighbours in memory.
	branch = 4
)

// at returns the entry at place i, for which there is room.
func (h *Heap[T]) at(i int) *entry[T] {
	if uint(i) < uint(len(h.top)) {
		return &h.top[i]
	}
	i -= chunk
	return &h.more[i>>chunkBits][i&(chunk-1)]
}

// Len is the number of things.
func (h *Heap[T]) Len() int { return h.n }

// Top returns what is due first and when; if the Heap is empty, ok is false and due
// ttl.Forever.
func (h *Heap[T]) Top() (x T, due time.Duration, ok bool) {
	if h.n == 0 {
		return x, ttl.Forever, false
	}
	top := h.at(0)
	return top.x, top.due, true
}

// All visits the things, what is due early roughly before what is due late. The Heap must not
// be changed meanwhile.
func (h *Heap[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := range h.n {
			if !yield(h.at(i).x) {
				return
			}
		}
	}
}

// Due is when the thing at place i is due.
func (h *Heap[T]) Due(i int32) time.Duration { return h.at(int(i)).due }

// Push adds x.
func (h *Heap[T]) Push(x T, due time.Duration) {
	if h.n == h.room {
		h.grow()
	}
	h.n++
	h.up(h.n-1, entry[T]{due, x})
}

// Remove takes out what is at place i.
func (h *Heap[T]) Remove(i int32) {
	h.n--
	last := h.at(h.n)
	moved, gone := *last, last.x
	*last = entry[T]{}
	if int(i) < h.n {
		gone = h.at(int(i)).x
		h.place(int(i), moved)
	}
	if h.n < h.least {
		h.shrink()
	}
	gone.SetIndex(-1)
}

// Move changes when the thing at place i is due.
func (h *Heap[T]) Move(i int32, due time.Duration) {
	e := *h.at(int(i))
	e.due = due
	h.place(int(i), e)
}

func (h *Heap[T]) grow() {
	if len(h.top) < chunk {
		top := make([]entry[T], max(minTop, 2*len(h.top)))
		copy(top, h.top)
		h.top = top
	} else {
		h.more = append(h.more, new([chunk]entry[T]))
	}
	h.resized()
}

func (h *Heap[T]) shrink() {
	last := len(h.more) - 1
	h.more[last] = nil
	h.more = h.more[:last]
	h.resized()
}

// resized notes how many entries there are now. Half a chunk more than needed is kept.
func (h *Heap[T]) resized() {
	h.room = len(h.top) + len(h.more)*chunk
	h.least = h.room - chunk - chunk/2
}

// place puts e where it belongs, beginning at place i, which is free.
func (h *Heap[T]) place(i int, e entry[T]) {
	if i > 0 && e.due < h.at((i-1)/branch).due {
		h.up(i, e)
	} else {
		h.down(i, e)
	}
}

// up and down carry e to its place and write it once, at the end.
func (h *Heap[T]) up(i int, e entry[T]) {
	free := h.at(i)
	for i > 0 {
		above := (i - 1) / branch
		a := h.at(above)
		if a.due <= e.due {
			break
		}
		*free = *a
		free.x.SetIndex(int32(i))
		i, free = above, a
	}
	*free = e
	e.x.SetIndex(int32(i))
}

func (h *Heap[T]) down(i int, e entry[T]) {
	free := h.at(i)
	for {
		below, b := h.firstBelow(i)
		if b == nil || e.due <= b.due {
			break
		}
		*free = *b
		free.x.SetIndex(int32(i))
		i, free = below, b
	}
	*free = e
	e.x.SetIndex(int32(i))
}

// firstBelow returns what is due first of those right below place i; nil if there are none.
func (h *Heap[T]) firstBelow(i int) (first int, b *entry[T]) {
	for j := branch*i + 1; j <= branch*i+branch && j < h.n; j++ {
		if c := h.at(j); b == nil || c.due < b.due {
			first, b = j, c
		}
	}
	return first, b
}
