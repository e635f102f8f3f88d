package client

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/lockcached/lockcached/locks"
)

// A record is an Observer that writes down what it is told.
type record struct {
	mu           sync.Mutex // guards what follows
	acquisitions []Acquisition
	grants       []Grant
	ends         []error // of holds
	renewals     []string
	retries      []Retry
	failed       []string
}

// inContext is what a record puts into contexts.
type inContext struct{}

func (r *record) Acquire(ctx context.Context, key string) (context.Context, func(Acquisition)) {
	return ctx, func(a Acquisition) { note(r, &r.acquisitions, a) }
}

func (r *record) Hold(ctx context.Context, grant Grant) (context.Context, func(error)) {
	note(r, &r.grants, grant)
	return context.WithValue(ctx, inContext{}, grant.Key), func(lost error) { note(r, &r.ends, lost) }
}

func (r *record) Renewed(key string)                     { note(r, &r.renewals, key) }
func (r *record) Retried(_ context.Context, retry Retry) { note(r, &r.retries, retry) }
func (r *record) Failed(server string)                   { note(r, &r.failed, server) }

func note[T any](r *record, all *[]T, one T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*all = append(*all, one)
}

// Observers are told of claims and of holds, and their context is the lock's.
func TestObservers(t *testing.T) {
	t.Parallel()
	h := newHost(t, locks.Config{})
	var seen, second record
	c := newClient(t, Config{Observers: []Observer{&seen, &second}}, h.addr)
	kept, lost := take(t, c, "kept"), take(t, c, "lost")
	if key := kept.Context().Value(inContext{}); key != "kept" {
		t.Errorf("the lock's context has %v", key)
	}
	_, err := c.TryLock(t.Context(), "kept")
	is(t, "trylock", err, ErrHeld)
	_, err = c.Lock(t.Context(), "kept", Wait(time.Millisecond))
	is(t, "lock", err, ErrHeld)
	is(t, "renewal", kept.Renew(t.Context(), 0), nil)
	is(t, "unlock", kept.Unlock(), nil)
	is(t, "deleting it", c.mc.Delete("lost"), nil)
	is(t, "unlock", lost.Unlock(), ErrLost)

	for _, r := range []*record{&seen, &second} {
		var outcomes []string
		for _, a := range r.acquisitions {
			outcomes = append(outcomes, a.Outcome())
		}
		if len(outcomes) != 4 || outcomes[0] != "granted" || outcomes[2] != "held" || !r.acquisitions[2].Once ||
			r.acquisitions[3].Once || r.acquisitions[3].Waited < time.Millisecond || r.acquisitions[0].Token != kept.Token() {
			t.Errorf("%+v", r.acquisitions)
		}
		if len(r.grants) != 2 || r.grants[0] != (Grant{"kept", kept.Owner(), kept.Token()}) {
			t.Errorf("%+v", r.grants)
		}
		if len(r.ends) != 2 || r.ends[0] != nil || !errors.Is(r.ends[1], ErrLost) || len(r.renewals) != 1 {
			t.Errorf("ends %v, renewals %v", r.ends, r.renewals)
		}
	}
}
