package waitqueue

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// modelLine is a Line, slowly and plainly.
type modelLine struct {
	queued, polling, kept []*modelWaiter
}

type modelWaiter struct {
	place  Place
	client int
	value  uint64
	node   *Waiter[int]
	poller *Poller[int]
}

// order sorts a slice of waiters.
func order(s []*modelWaiter) {
	slices.SortFunc(s, func(a, b *modelWaiter) int {
		return cmp.Or(cmp.Compare(a.place.Since, b.place.Since), cmp.Compare(a.place.Number, b.place.Number))
	})
}

// find returns the index of the first waiter that is meant, -1 if there is none.
func find(s []*modelWaiter, meant func(*modelWaiter) bool) int { return slices.IndexFunc(s, meant) }

// TestLineAgainstSlices makes clients, some of which store the same, do at random what
// they may, and compares the Line with three slices.
func TestLineAgainstSlices(t *testing.T) {
	const clients, values = 40, 8
	random := rand.New(rand.NewPCG(1, 0))
	var l Line[int, int]
	var m modelLine
	for step := range 50_000 {
		now := time.Duration(step / 5)
		c := random.IntN(clients)
		value := uint64(c % values)
		queued := find(m.queued, func(w *modelWaiter) bool { return w.client == c })
		switch op := random.IntN(10); {
		case queued >= 0 && op < 3: // its wait ends
			m.timeOut(&l, queued, now)
		case queued >= 0:
		case op < 3:
			m.join(&l, c, value, now)
		case op < 7:
			m.refuse(&l, c, value, now)
		case op < 8:
			m.close(&l, c, now)
		case op < 9 && len(m.kept) > 0:
			i := random.IntN(len(m.kept))
			l.Remove(m.kept[i].poller)
			m.kept = slices.Delete(m.kept, i, i+1)
		default:
			m.serve(t, &l)
		}
		m.compare(t, &l, c)
		if t.Failed() {
			t.Fatalf("in step %d", step)
		}
	}
}

// place is the place that a client gets, in the Line and in the model.
func (m *modelLine) place(l *Line[int, int], c int, value uint64, now time.Duration) Place {
	p := l.Returned(c, value)
	if p != nil {
		l.Remove(p)
	}
	if i := find(m.polling, func(w *modelWaiter) bool { return w.client == c }); i >= 0 {
		place := m.polling[i].place
		m.polling = slices.Delete(m.polling, i, i+1)
		return place
	}
	if i := find(m.kept, func(w *modelWaiter) bool { return value != 0 && w.value == value }); i >= 0 {
		place := m.kept[i].place
		m.kept = slices.Delete(m.kept, i, i+1)
		return place
	}
	if p != nil {
		return Place{} // the comparison finds it
	}
	return l.Arrive(now)
}

func (m *modelLine) join(l *Line[int, int], c int, value uint64, now time.Duration) {
	w := &modelWaiter{place: m.place(l, c, value, now), client: c, value: value, node: &Waiter[int]{X: c}}
	l.Queue.Insert(w.node, w.place)
	m.queued = append(m.queued, w)
	order(m.queued)
}

func (m *modelLine) refuse(l *Line[int, int], c int, value uint64, now time.Duration) {
	if p := l.Poller(c); p != nil {
		p.Refused(now)
		return
	}
	w := &modelWaiter{place: m.place(l, c, value, now), client: c, value: value}
	w.poller = l.Poll(c, value, w.place, now)
	m.polling = append(m.polling, w)
	order(m.polling)
}

func (m *modelLine) timeOut(l *Line[int, int], i int, now time.Duration) {
	w := m.queued[i]
	m.queued = slices.Delete(m.queued, i, i+1)
	l.Queue.Remove(w.node)
	w.poller = l.Poll(w.client, w.value, w.place, now)
	m.polling = append(m.polling, w)
	order(m.polling)
}

// close closes a client's connection.
func (m *modelLine) close(l *Line[int, int], c int, now time.Duration) {
	i := find(m.polling, func(w *modelWaiter) bool { return w.client == c })
	if i < 0 {
		return
	}
	w := m.polling[i]
	m.polling = slices.Delete(m.polling, i, i+1)
	if !l.Keeps(w.poller) {
		l.Remove(w.poller)
		return
	}
	l.Leave(w.poller, now)
	m.kept = append(m.kept, w)
	order(m.kept)
}

func (m *modelLine) serve(t *testing.T, l *Line[int, int]) {
	w := l.Queue.Pop()
	switch {
	case len(m.queued) == 0 && w == nil:
	case len(m.queued) == 0 || w != m.queued[0].node:
		t.Error("somebody else was served")
	default:
		m.queued = m.queued[1:]
	}
}

func (m *modelLine) compare(t *testing.T, l *Line[int, int], c int) {
	t.Helper()
	if l.Queue.Len() != len(m.queued) || l.Polling() != len(m.polling) || l.Kept() != len(m.kept) {
		t.Errorf("%d queued, %d polling, %d kept, want %d, %d and %d",
			l.Queue.Len(), l.Polling(), l.Kept(), len(m.queued), len(m.polling), len(m.kept))
	}
	if waiters := len(m.queued) + len(m.polling); l.Waiters() != waiters || l.Empty() != (waiters+len(m.kept) == 0) {
		t.Errorf("%d wait, want %d; empty: %v", l.Waiters(), waiters, l.Empty())
	}
	rank, overtaken := l.Waiters(), false
	if i := find(m.polling, func(w *modelWaiter) bool { return w.client == c }); i >= 0 {
		rank = len(m.queued) + i
		overtaken = len(m.queued) > 0 && m.queued[0].place.Since > m.polling[i].place.Since
	}
	if l.Rank(c) != rank || l.Overtaken(c) != overtaken {
		t.Errorf("rank %d, overtaken %v, want %d and %v", l.Rank(c), l.Overtaken(c), rank, overtaken)
	}
}

// No more than MaxKept places are kept, and none of a poller without a value.
func TestKeptAreBounded(t *testing.T) {
	var l Line[int, int]
	for c := range 2 * MaxKept {
		p := l.Poll(c, uint64(c%3), l.Arrive(0), 0)
		if keeps := l.Keeps(p); keeps != (c%3 != 0 && l.Kept() < MaxKept) {
			t.Fatalf("client %d: a place is kept: %v, with %d others", c, keeps, l.Kept())
		}
		if l.Keeps(p) {
			l.Leave(p, 0)
		} else {
			l.Remove(p)
		}
	}
	if l.Kept() != MaxKept || l.Waiters() != 0 {
		t.Errorf("%d places are kept, %d wait", l.Kept(), l.Waiters())
	}
}

func BenchmarkLine(b *testing.B) {
	for _, n := range lengths {
		var l Line[int, int]
		for c := range n {
			l.Poll(c, 1, l.Arrive(time.Duration(c)), 0)
		}
		b.Run(fmt.Sprintf("rank/%d", n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				l.Rank(i % n)
				i += 7919
			}
		})
		b.Run(fmt.Sprintf("reconnect/%d", n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				p := l.Poller(i % n)
				l.Leave(p, 0)
				p = l.Returned(-1, 1)
				l.Remove(p)
				l.Poll(i%n, 1, p.Place(), 0)
				i += 7919
			}
		})
	}
}

// The memory of a line depends on its waiters, and is 0 when it is empty.
// Whoever is expected can be found until nobody is left.
func TestExpected(t *testing.T) {
	var l Line[int, int]
	for c := range 10 {
		p := l.Poll(c, uint64(1+c%3), l.Arrive(0), 0)
		if c%2 == 0 {
			l.Leave(p, 0)
		}
	}
	n := 0
	for p := l.Expected(); p != nil; p = l.Expected() {
		l.Remove(p)
		n++
	}
	if n != 10 || !l.Empty() {
		t.Errorf("%d were expected; nobody is: %v", n, l.Empty())
	}
}

func TestLineBytes(t *testing.T) {
	const clients = 100
	var l Line[int, int]
	var pollers []*Poller[int]
	for c := range clients {
		before := l.Bytes()
		pollers = append(pollers, l.Poll(c, uint64(c+1), l.Arrive(0), 0))
		if l.Bytes() <= before {
			t.Fatalf("%d bytes with %d pollers, %d before", l.Bytes(), c+1, before)
		}
	}
	for _, p := range pollers {
		before := l.Bytes()
		if l.Leave(p, 0); l.Bytes() < before-entryBytes-mapBytes {
			t.Fatalf("%d bytes, %d before somebody left a place", l.Bytes(), before)
		}
	}
	for _, p := range pollers {
		l.Remove(p)
	}
	if l.Bytes() != 0 || !l.Empty() {
		t.Errorf("%d bytes in an empty line", l.Bytes())
	}
}
