package main

import "time"

// An event is something that will happen in virtual time.
type event struct {
	at     time.Duration
	order  uint64 // of two events at the same time, the lower comes first
	what   happening
	client int
	turn   int // parkEnded counts only for the wait it was planned for
}

type happening uint8

const (
	arrival   happening = iota // a client begins to want the lock
	claimed                    // its try reaches the server
	started                    // it learns that it has the lock
	freed                      // its release reaches the server
	expired                    // it has died, and its lease ends
	parkEnded                  // the server stops holding back its refusal
)

// agenda is a heap of events, written out because a run spends its time here.
type agenda struct {
	heap   []event
	orders uint64
}

func (a *agenda) before(i, j int) bool {
	x, y := &a.heap[i], &a.heap[j]
	return x.at < y.at || x.at == y.at && x.order < y.order
}

func (a *agenda) plan(e event) {
	a.orders++
	e.order = a.orders
	a.heap = append(a.heap, e)
	for i := len(a.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if !a.before(i, parent) {
			return
		}
		a.heap[i], a.heap[parent] = a.heap[parent], a.heap[i]
		i = parent
	}
}

// next takes the earliest event; there must be one.
func (a *agenda) next() event {
	first := a.heap[0]
	last := len(a.heap) - 1
	a.heap[0] = a.heap[last]
	a.heap = a.heap[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return first
		}
		if child+1 < last && a.before(child+1, child) {
			child++
		}
		if !a.before(child, i) {
			return first
		}
		a.heap[i], a.heap[child] = a.heap[child], a.heap[i]
		i = child
	}
}
