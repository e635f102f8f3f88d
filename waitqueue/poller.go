package waitqueue

import "time"

// Poller is a waiter that is refused and comes back by itself. If its connection was
// closed it is away, and only its place is kept.
type Poller[C comparable] struct {
	GoesOn bool // it has waited in line, and said that it will wait on

	node     Waiter[*Poller[C]] // among the pollers, or the places kept for its value
	client   C
	value    uint64        // identifies it when it comes back; 0 if nothing does
	last     time.Duration // its latest refusal, or when its connection was closed
	interval time.Duration // the longest of its recent pauses
	promised time.Duration // when it was told to come back; 0 if it was not
	index    int32
	owed     uint8 // refusals for which it has not asked for advice
	away     bool
}

// A poller is taken to have given up when it has stayed away for patience times
// its longest recent pause: one that doubles its pauses comes back after twice
// the last one. The floor is for those that were refused only once and may sleep
// for seconds, the ceiling for those that sleep for minutes. A place is kept for the time
// of the floor.
const (
	patience    = 3
	MinPatience = 10 * time.Second
	MaxPatience = 10 * time.Minute
)

// maxOwed bounds how many times in a row a poller gets new advice. A connection may
// stand for several waiters that share it, each of which asks.
const maxOwed = 16

// Place is where the poller stands.
func (p *Poller[C]) Place() Place { return p.node.place }

// Away reports whether the poller's connection is closed, so that it does not wait.
func (p *Poller[C]) Away() bool { return p.away }

// Value identifies the poller when it comes back; 0 if nothing does.
func (p *Poller[C]) Value() uint64 { return p.value }

// Until is the first moment at which the poller counts as having given up, or its place
// is not kept any longer, if it does not come back before.
func (p *Poller[C]) Until() time.Duration {
	if p.away {
		return p.last + MinPatience + 1
	}
	return p.last + min(max(patience*p.interval, MinPatience), MaxPatience) + 1
}

// Refused records that the poller asked again and was refused. Its longest pause fades,
// so that one long absence does not count for ever.
func (p *Poller[C]) Refused(now time.Duration) {
	p.owed = min(p.owed+1, maxOwed)
	pause := now - p.last
	p.interval = max(pause, p.interval-p.interval/8)
	p.last = now
}

// Promise records when the poller was told to come back.
func (p *Poller[C]) Promise(at time.Duration) {
	p.promised = at
	if p.owed > 0 {
		p.owed--
	}
}

// Promised is when the poller was told to come back; 0 if it was not. It is owed new
// advice if it was refused since.
func (p *Poller[C]) Promised() (at time.Duration, owed bool) { return p.promised, p.owed > 0 }

// TakeBack forgets when the poller was told to come back, and returns it.
func (p *Poller[C]) TakeBack() time.Duration {
	at := p.promised
	p.promised = 0
	return at
}

// SetIndex and Index are for a heap of pollers that are expected to come back.
func (p *Poller[C]) SetIndex(i int32) { p.index = i }

// Index returns what SetIndex was given.
func (p *Poller[C]) Index() int32 { return p.index }
