package waitqueue

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// line returns a queue of waiters that carry 0, 1, 2 and so on.
func line(n int) (*Queue[int], []*Waiter[int]) {
	q, all := new(Queue[int]), make([]*Waiter[int], n)
	for i := range all {
		all[i] = &Waiter[int]{X: i}
		q.Push(all[i])
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
	q, _ := line(5)
	if got := served(q); !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
		t.Errorf("served %v", got)
	}
	if q.Len() != 0 || q.Pop() != nil {
		t.Error("the line is not empty")
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
			q, all := line(4)
			for _, i := range tt.leave {
				if !q.Remove(all[i]) {
					t.Errorf("%d was not in line", i)
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

func TestRemoveWhoIsNotInLine(t *testing.T) {
	q, all := line(2)
	other, _ := line(1)
	q.Pop()
	for _, tt := range []struct {
		name string
		q    *Queue[int]
		w    *Waiter[int]
	}{
		{"served", q, all[0]},
		{"in another line", other, all[1]},
		{"in none", q, new(Waiter[int])},
	} {
		if tt.q.Remove(tt.w) || tt.q.Rank(tt.w) != -1 {
			t.Errorf("who is %s was in line", tt.name)
		}
	}
	if q.Len() != 1 || other.Len() != 1 {
		t.Error("somebody else left")
	}
}

func TestRank(t *testing.T) {
	q, all := line(4)
	q.Remove(all[1])
	for i, want := range []int{0, -1, 1, 2} {
		if got := q.Rank(all[i]); got != want {
			t.Errorf("waiter %d has rank %d, want %d", i, got, want)
		}
	}
}

// A waiter that left may join again, in the same line or in another.
func TestJoinAgain(t *testing.T) {
	q, all := line(3)
	q.Remove(all[0])
	q.Push(all[0])
	all[2].X = 7
	q.Remove(all[2])
	other, _ := line(1)
	other.Push(all[2])
	if got := served(q); !slices.Equal(got, []int{1, 0}) {
		t.Errorf("served %v", got)
	}
	if got := served(other); !slices.Equal(got, []int{0, 7}) {
		t.Errorf("the other line served %v", got)
	}
}

// Who is let in stands behind the last of those who are to be ahead.
func TestInsert(t *testing.T) {
	for _, tt := range []struct {
		name string
		line []int
		x    int
		want []int
	}{
		{"alone", nil, 1, []int{1}},
		{"first", []int{2, 3}, 1, []int{1, 2, 3}},
		{"middle", []int{1, 3}, 2, []int{1, 2, 3}},
		{"last", []int{1, 2}, 3, []int{1, 2, 3}},
		{"looks-from-the-end", []int{3, 1, 4}, 2, []int{3, 1, 2, 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := new(Queue[int])
			for _, x := range tt.line {
				q.Push(&Waiter[int]{X: x})
			}
			w := &Waiter[int]{X: tt.x}
			q.Insert(w, func(other int) bool { return other < w.X })
			if first := q.First(); first.X != tt.want[0] {
				t.Errorf("%d is first, want %d", first.X, tt.want[0])
			}
			if rank := q.Rank(w); rank != slices.Index(tt.want, tt.x) || q.Len() != len(tt.want) {
				t.Errorf("rank %d of %d in %v", rank, q.Len(), tt.want)
			}
			if got := served(q); !slices.Equal(got, tt.want) {
				t.Errorf("served %v, want %v", got, tt.want)
			}
			if q.First() != nil {
				t.Error("somebody is first in an empty line")
			}
		})
	}
}

// A slice does the same, slowly and plainly.
func TestAgainstSlice(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 0))
	q, all := line(20)
	model := slices.Clone(all)
	for step := range 20_000 {
		w := all[random.IntN(len(all))]
		place := slices.Index(model, w)
		switch {
		case q.Rank(w) != place || q.Len() != len(model):
			t.Fatalf("step %d: rank %d of %d, want %d of %d", step, q.Rank(w), q.Len(), place, len(model))
		case place < 0 && random.IntN(2) == 0:
			q.Push(w)
			model = append(model, w)
		case place < 0:
			at := random.IntN(len(model) + 1) // behind so many
			q.Insert(w, func(other int) bool { return at > 0 && other == model[at-1].X })
			model = slices.Insert(model, at, w)
		case random.IntN(2) == 0:
			q.Remove(w)
			model = slices.Delete(model, place, place+1)
		default:
			if first := q.Pop(); first != model[0] {
				t.Fatalf("step %d: served %d, want %d", step, first.X, model[0].X)
			}
			model = model[1:]
		}
	}
}

func TestDoesNotAllocate(t *testing.T) {
	var q Queue[int]
	var w Waiter[int]
	if n := testing.AllocsPerRun(100, func() { q.Push(&w); q.Pop() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPushPop(b *testing.B) {
	q, _ := line(1000)
	b.ReportAllocs()
	for b.Loop() {
		q.Push(q.Pop())
	}
}

// One that leaves from the middle of a line of 20 000 is as quick as the first.
func BenchmarkRemove(b *testing.B) {
	q, all := line(20_000)
	i := 0
	for b.Loop() {
		w := all[i%len(all)]
		q.Remove(w)
		q.Push(w)
		i += 7919
	}
}
