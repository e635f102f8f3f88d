package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// A Lock is a lock that was granted to us. Its methods may be called from any
// goroutine.
type Lock struct {
	client  *Client
	kind    kind
	token   uint64
	ttl     time.Duration
	granted time.Time
	life    context.Context // that was given to Lock
	ctx     context.Context
	cancel  context.CancelCauseFunc
	tell    func(lost error) // the observers, when the hold is over
	keeper  chan struct{}    // closed when nothing keeps the lock alive any more
	along   *memcache.Item   // of the key that was read together with it; nil: a miss
	line    *line            // on which the lock was granted, nil if it was not in line
	server  *peer
	late    int           // tries of its claim that had no answer, and may arrive yet
	leftFor time.Duration // see Leave

	op   sync.Mutex // one Renew or Unlock at a time; guards what follows, but for key and owner
	hold hold
	done bool // unlocked, with this outcome
	err  error

	mu      sync.Mutex // guards what follows; never held during a request
	expires time.Time
	timer   *time.Timer
	ended   bool
}

// Key is what is locked.
func (l *Lock) Key() string { return l.hold.key }

// Owner is the value that stands in the lock, unlike that of any other grant.
func (l *Lock) Owner() string { return l.hold.owner }

// Token is the fencing token of the grant: the lock's CAS id right after it. The token
// of every later grant of any lock on that server is larger. It stays the same when
// the lock is renewed, although the CAS id changes then. On lockcached tokens also rise
// over a restart; on plain memcached they begin anew.
func (l *Lock) Token() uint64 { return l.token }

// Context follows the one that was given to Lock. It also ends when the lock is
// unlocked (the cause is ErrUnlocked) or lost (ErrLost), and a tenth of the TTL, but
// one second at most, before the lease ends: who stops working when the context ends
// has so much time to stop before somebody else may have the lock. A context that has
// ended stays so, even if the lock is renewed then.
func (l *Lock) Context() context.Context { return l.ctx }

// Expires is when the lease ends, on our own monotonic clock, and rather too early
// than too late: it is counted from before the request that began it was sent.
func (l *Lock) Expires() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.expires
}

// margin is how long before the end of a lease its context ends.
func margin(ttl time.Duration) time.Duration { return min(ttl/10, time.Second) }

// expire follows the end of the time for which the lock is surely ours.
func (l *Lock) expire() {
	l.mu.Lock()
	left := time.Until(l.expires.Add(-margin(l.ttl)))
	if left > 0 { // it was renewed meanwhile
		l.timer.Reset(left)
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	l.lose(fmt.Errorf("%w: the lease of %s ends", ErrLost, l.hold.key))
}

// lose ends the context because the lock is not ours any more, or will not be.
func (l *Lock) lose(why error) {
	if l.ctx.Err() == nil {
		l.client.log.Warn("lock lost", "key", l.hold.key, "owner", l.hold.owner, "token", l.token,
			"held_ms", time.Since(l.granted).Milliseconds(), "error", why)
	}
	l.cancel(why)
	l.end(why)
}

// end lets go of what belongs to the hold, and tells how it ended: only the first end
// counts.
func (l *Lock) end(err error) {
	l.mu.Lock()
	first, over := !l.ended, time.Until(l.expires)
	l.ended = true
	l.timer.Stop()
	l.mu.Unlock()
	if !first {
		return
	}
	l.tell(err)
	if err == nil {
		l.line.done()
		over = l.leftFor
	} else {
		l.line.hangUp()
		// What is lost because its lease ends is left to whoever has to stop now.
		over = min(max(over, 0), margin(l.ttl))
	}
	if l.late > 0 && l.client.begin() == nil {
		defer l.client.pending.Done()
		l.client.watch(l.server, newStray(l.hold.key, l.hold.owner, l.late, l.ttl).after(over))
	}
}

// Renew makes the lease end a TTL from now: the one that is given or, if that is 0,
// the one the lock had. ErrLost says that the lock is not ours any more.
func (l *Lock) Renew(ctx context.Context, ttl time.Duration) error {
	ttl = cmp.Or(ttl, l.ttl)
	if err := CheckTTL(ttl); err != nil {
		return err
	}
	l.op.Lock()
	defer l.op.Unlock()
	switch {
	case l.done:
		return fmt.Errorf("client: renew %s: %w", l.hold.key, ErrUnlocked)
	case l.late > 0 && l.hasEnded():
		// What stands there now may be a late claim of ours, granted to nobody.
		return fmt.Errorf("%w: %s is not ours any more", ErrLost, l.hold.key)
	}
	sent, err := l.client.swap(ctx, &l.hold, l.leaseOf(ttl))
	switch {
	case errors.Is(err, ErrLost):
		err = fmt.Errorf("%w: %s is not ours any more", ErrLost, l.hold.key)
		l.lose(err)
	case err != nil:
		err = fmt.Errorf("client: renew %s: %w", l.hold.key, err)
	default:
		l.renewed(sent, ttl)
	}
	return err
}

// leaseOf is a lease for the lock where it lives.
func (l *Lock) leaseOf(ttl time.Duration) lease {
	return func(sent time.Time) (int32, error) { return exptime(ttl, l.kind, sent) }
}

func (l *Lock) hasEnded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

func (l *Lock) renewed(sent time.Time, ttl time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expires = sent.Add(whole(ttl))
	if !l.ended {
		l.timer.Reset(time.Until(l.expires.Add(-margin(l.ttl))))
	}
	l.client.observed.renewed(l.hold.key)
}

// Unlock ends the hold, and never somebody else's: ErrLost says that it was over before.
// It works also when the context of Lock has ended; while the server is away it takes as
// long as the tries take. Calling it again returns the same. Only after an
// ErrUnavailable it tries again.
func (l *Lock) Unlock() error {
	l.cancel(ErrUnlocked)
	<-l.keeper
	l.op.Lock()
	defer l.op.Unlock()
	if l.done {
		return l.err
	}
	err := l.client.release(context.WithoutCancel(l.life), &l.hold, l.Expires())
	switch {
	case err == nil:
	case errors.Is(err, ErrLost):
		err = fmt.Errorf("%w: %s was not ours any more when it was unlocked", ErrLost, l.hold.key)
	default:
		return fmt.Errorf("client: unlock %s: %w", l.hold.key, err)
	}
	l.done, l.err = true, err
	l.end(err)
	if err == nil && l.kind == plain {
		l.client.noteHold(l.life, l.hold.key, time.Since(l.granted))
	}
	return err
}
