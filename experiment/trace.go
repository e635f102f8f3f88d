package main

import "time"

// A trace is what a picture of one contended lock needs. A nil trace records nothing.
type trace struct {
	tries []tracedTry
	uses  []tracedUse
}

type tracedTry struct {
	client int
	at     time.Duration
	served bool
}

type tracedUse struct {
	client   int
	from, to time.Duration
}

func (t *trace) try(client int, at time.Duration, served bool) {
	if t != nil {
		t.tries = append(t.tries, tracedTry{client, at, served})
	}
}

func (t *trace) use(client int, from, to time.Duration) {
	if t != nil {
		t.uses = append(t.uses, tracedUse{client, from, to})
	}
}
