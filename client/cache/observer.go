package cache

import (
	"context"
	"time"

	"github.com/lockcached/lockcached/client"
)

// A Observer is told what caches do: those of a Client, if it is one of its
// Config.Observers. As those, it must not block.
type Observer interface {
	// Compute follows a miss, or a computation in the background. What it returns as context
	// is used for it, and what it returns as function is called when it is over.
	Compute(ctx context.Context, cache, key string) (context.Context, func(Computation))
	// Watch is called once for each name of a Client's caches. What stats returns is what
	// they have counted together.
	Watch(cache string, stats func() Stats)
}

// A Computation is how a miss, or a computation in the background, ended.
type Computation struct {
	Waited  time.Duration // for the lock or the value, -1 if it was not to wait
	Token   uint64        // of the lock, 0 if there was none
	Outcome string        // computed, waited, fell through, failed, gave up, left to others; "" if it was ended by a panic
	Err     error         // nil if there is a value, or if it was left to others
}

// observersOf returns those of a Client's observers that are told of its caches.
func observersOf(all []client.Observer) (some []Observer) {
	for _, o := range all {
		if o, ok := o.(Observer); ok {
			some = append(some, o)
		}
	}
	return some
}
