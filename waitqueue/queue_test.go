package waitqueue

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// at is a place ordered by a number.
func at(n int) Place { return Place{Since: time.Duration(n / 2), Number: uint64(n + 1)} }

// queue returns a queue of waiters that carry 0, 1, 2 and so on.
func queue(n int) (*Queue[int], []*Waiter[int]) {
	q, all := new(Queue[int]), make([]*Waiter[int], n)
	for i := range all {
		all[i] = &Waiter[int]{X: i}
		q.Insert(all[i], at(i))
	}
	return q, all
}

// served empties the queue and returns what its waiters carried.
func served(q *Queue[int]) (order []int) {
	for w := q.Pop(); w != nil; w = q.Pop() {
		order = append(order, w.X)
	}
	return order
}

func TestFirstInFirstOut(t *testing.T) {
	q, _ := queue(5)
	if got := served(q); !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
		t.Errorf("served %v", got)
	}
	if q.Len() != 0 || q.Pop() != nil || q.First() != nil {
		t.Error("the queue is not empty")
	}
}

func TestRemove(t *testing.T) {
	for _, tt := range []struct {
		name  string
		leave []int
		want  []int
	}{
		{"first", []int{0}, []int{1, 2, 3}},
		{"middle", []int{1}, []int{0, 2, 3}},
		{"last", []int{3}, []int{0, 1, 2}},
		{"neighbours", []int{1, 2}, []int{0, 3}},
		{"neighbours-backwards", []int{2, 1}, []int{0, 3}},
		{"first-and-last", []int{0, 3}, []int{1, 2}},
		{"all", []int{2, 0, 3, 1}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q, all := queue(4)
			for _, i := range tt.leave {
				if !q.Remove(all[i]) {
					t.Errorf("%d was not in the queue", i)
				}
			}
			if q.Len() != len(tt.want) {
				t.Errorf("%d wait, want %d", q.Len(), len(tt.want))
			}
			if got := served(q); !slices.Equal(got, tt.want) {
				t.Errorf("served %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRemoveWhoIsNotInTheQueue(t *testing.T) {
	q, all := queue(2)
	other, _ := queue(1)
	q.Pop()
	for _, tt := range []struct {
		name string
		q    *Queue[int]
		w    *Waiter[int]
	}{
		{"served", q, all[0]},
		{"in another queue", other, all[1]},
		{"in none", q, new(Waiter[int])},
	} {
		if tt.q.Remove(tt.w) || tt.q.Rank(tt.w) != -1 {
			t.Errorf("a waiter that is %s was in the queue", tt.name)
		}
	}
	if q.Len() != 1 || other.Len() != 1 {
		t.Error("somebody else left")
	}
}

// A waiter that left may come again, to the same queue or to another.
func TestJoinAgain(t *testing.T) {
	q, all := queue(3)
	q.Remove(all[0])
	q.Insert(all[0], at(7))
	q.Remove(all[2])
	other, _ := queue(1)
	other.Insert(all[2], at(2))
	if got := served(q); !slices.Equal(got, []int{1, 0}) {
		t.Errorf("served %v", got)
	}
	if got := served(other); !slices.Equal(got, []int{0, 2}) {
		t.Errorf("the other queue served %v", got)
	}
}

// In whatever order waiters come, they are served in the order of their places.
func TestInsert(t *testing.T) {
	for _, come := range [][]int{{0}, {1, 0}, {0, 2, 1}, {2, 1, 0, 3}, {5, 3, 4, 0, 2, 1}} {
		q := new(Queue[int])
		for _, x := range come {
			q.Insert(&Waiter[int]{X: x}, at(x))
		}
		if first := q.First(); first.X != 0 || first.Place() != at(0) {
			t.Errorf("%v: %d is first", come, first.X)
		}
		if got := served(q); !slices.IsSorted(got) || len(got) != len(come) {
			t.Errorf("%v: served %v", come, got)
		}
	}
}

// A sorted slice does the same, slowly and plainly.
func TestQueueAgainstSlice(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 0))
	q, all := queue(60)
	model := slices.Clone(all)
	for step := range 50_000 {
		w := all[random.IntN(len(all))]
		rank := slices.Index(model, w)
		if q.Rank(w) != rank || q.Len() != len(model) {
			t.Fatalf("step %d: rank %d of %d, want %d of %d", step, q.Rank(w), q.Len(), rank, len(model))
		}
		switch {
		case rank < 0:
			q.Insert(w, Place{Since: time.Duration(random.IntN(8)), Number: uint64(step + len(all))})
			model = append(model, w)
			slices.SortFunc(model, func(a, b *Waiter[int]) int {
				return cmp.Or(cmp.Compare(a.place.Since, b.place.Since), cmp.Compare(a.place.Number, b.place.Number))
			})
		case random.IntN(2) == 0:
			q.Remove(w)
			model = slices.Delete(model, rank, rank+1)
		default:
			if first := q.First(); first != model[0] || q.Pop() != first {
				t.Fatalf("step %d: served %d, want %d", step, first.X, model[0].X)
			}
			model = model[1:]
		}
	}
}

// depth is the depth of the deepest waiter.
func depth(w *Waiter[int]) int {
	if w == nil {
		return 0
	}
	return 1 + max(depth(w.left), depth(w.right))
}

// In whatever order 100 000 waiters come, the tree is not deep: 2 ln n is 23, and three
// times as much does not happen by chance.
func TestDepth(t *testing.T) {
	const n = 100_000
	for name, place := range map[string]func(i int) int{
		"in-order":     func(i int) int { return i },
		"backwards":    func(i int) int { return n - i },
		"from-outside": func(i int) int { return n + i*(1-i%2*2) },
	} {
		q := new(Queue[int])
		for i := range n {
			q.Insert(new(Waiter[int]), at(place(i)))
		}
		for range n / 2 {
			q.Pop()
		}
		if d := depth(q.root); d > 70 || q.Len() != n/2 {
			t.Errorf("%s: the depth is %d with %d in line", name, d, q.Len())
		}
	}
}

func TestDoesNotAllocate(t *testing.T) {
	var q Queue[int]
	var w Waiter[int]
	if n := testing.AllocsPerRun(100, func() { q.Insert(&w, at(1)); q.Pop() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// lengths are the lengths that benchmarks compare.
var lengths = []int{3, 10, 1000, 10_000, 100_000}

// BenchmarkQueue shows that no operation takes time that grows faster than the logarithm
// of the queue, but for misses of the processor's caches.
func BenchmarkQueue(b *testing.B) {
	for _, bb := range []struct {
		name string
		op   func(q *Queue[int], w *Waiter[int], arrived int)
	}{
		{"hand-off", func(q *Queue[int], _ *Waiter[int], arrived int) { q.Insert(q.Pop(), at(arrived)) }},
		{"renew", func(q *Queue[int], w *Waiter[int], _ int) { q.Remove(w); q.Insert(w, w.Place()) }},
		{"give-up", func(q *Queue[int], w *Waiter[int], arrived int) { q.Remove(w); q.Insert(w, at(arrived)) }},
		{"rank", func(q *Queue[int], w *Waiter[int], _ int) { q.Rank(w) }},
	} {
		for _, n := range lengths {
			b.Run(fmt.Sprintf("%s/%d", bb.name, n), func(b *testing.B) {
				q, all := queue(n)
				rand.Shuffle(n, func(i, j int) { all[i], all[j] = all[j], all[i] })
				b.ReportAllocs()
				arrived := n
				for b.Loop() {
					bb.op(q, all[arrived%n], arrived)
					arrived++
				}
			})
		}
	}
}
