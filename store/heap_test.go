package store

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
)

// due knows its place in a Heap, and when it is due.
type due struct {
	at    time.Duration
	index int32
}

func (d *due) SetIndex(i int32) { d.index = i }

func TestHeapSorts(t *testing.T) {
	var h Heap[*due]
	random := rand.New(rand.NewPCG(1, 0))
	var want []time.Duration
	for range 3*chunk + 100 {
		d := &due{at: time.Duration(random.IntN(500))}
		h.Push(d, d.at)
		want = append(want, d.at)
	}
	slices.Sort(want)
	for i := range want {
		d, at, ok := h.Top()
		if !ok || at != want[i] || d.at != at || d.index != 0 {
			t.Fatalf("%d. is due at %v, want %v", i, at, want[i])
		}
		h.Remove(d.index)
		if d.index != -1 {
			t.Fatalf("out of the heap it has place %d", d.index)
		}
	}
	if _, at, ok := h.Top(); ok || at != ttl.Forever {
		t.Error("the heap is not empty")
	}
	if h.room > chunk {
		t.Errorf("an empty heap has room for %d", h.room)
	}
}

// A slice with linear search does the same.
func TestHeapAgainstSlice(t *testing.T) {
	var h Heap[*due]
	var all []*due
	random := rand.New(rand.NewPCG(1, 0))
	for step := range 20_000 {
		at := time.Duration(random.IntN(1000))
		i := 0
		if len(all) > 0 {
			i = random.IntN(len(all))
		}
		switch op := random.IntN(3); {
		case len(all) == 0 || op == 0 && len(all) < 100:
			d := &due{at: at}
			h.Push(d, at)
			all = append(all, d)
		case op == 1:
			all[i].at = at
			h.Move(all[i].index, at)
		default:
			h.Remove(all[i].index)
			all = slices.Delete(all, i, i+1)
		}
		checkHeap(t, &h, all)
		if t.Failed() {
			t.Fatalf("after step %d", step)
		}
	}
}

func checkHeap(t *testing.T, h *Heap[*due], all []*due) {
	first := ttl.Forever
	for _, d := range all {
		first = min(first, d.at)
		if e := h.at(int(d.index)); e.x != d || e.due != d.at {
			t.Errorf("what is due at %v is not at its place", d.at)
		}
	}
	if _, at, _ := h.Top(); at != first || h.Len() != len(all) {
		t.Errorf("first of %d due at %v, want %d, %v", h.Len(), at, len(all), first)
	}
}

func BenchmarkHeap(b *testing.B) {
	var h Heap[*due]
	for i := range 100_000 {
		h.Push(&due{}, time.Duration(i))
	}
	var d due
	b.ReportAllocs()
	for b.Loop() {
		h.Push(&d, 50_000)
		h.Remove(d.index)
	}
}
