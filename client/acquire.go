package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// Lock takes the lock and waits for it as long as others have it, until ctx ends or
// the time given by Wait is over, which is ErrHeld. When ctx ends during a request other
// than a wait in line, Lock returns when that is over. The lock's own context follows
// ctx, see Lock.Context.
func (c *Client) Lock(ctx context.Context, key string, opts ...Option) (*Lock, error) {
	o := optionsOf(opts)
	o.strategy = cmp.Or(o.strategy, c.config.Strategy)
	return c.obtain(ctx, key, o)
}

// TryLock takes the lock if it is free. If not, that is ErrHeld at once.
func (c *Client) TryLock(ctx context.Context, key string, opts ...Option) (*Lock, error) {
	o := optionsOf(opts)
	o.strategy = never
	return c.obtain(ctx, key, o)
}

// Causes of contexts that end because of Wait.
var (
	errWaitOver = errors.New("client: the time to wait is over")
	errNoAnswer = errors.New("client: no answer within the time to wait")
)

// obtain is Lock and TryLock, with observers.
func (c *Client) obtain(ctx context.Context, key string, o options) (*Lock, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	defer c.pending.Done()
	if err := cmp.Or(checkKey(key), o.check()); err != nil {
		return nil, err
	}
	s, err := c.home(key)
	if err != nil {
		return nil, err
	}
	cl := &claim{
		client: c, server: s, hold: hold{key: key}, by: cmp.Or(o.owner, c.config.Owner),
		ttl: cmp.Or(o.ttl, c.config.TTL), opts: o, begun: time.Now(), rank: -1,
	}
	cl.name()

	asking, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.closing, func() { cancel(ErrClosed) })()
	asking, tell := c.observed.acquire(asking, key)
	l, err := cl.obtain(asking, ctx)
	tell(cl.acquisition(l, err))
	return l, err
}

// acquisition is what observers are told of a claim that is over.
func (cl *claim) acquisition(l *Lock, err error) Acquisition {
	a := Acquisition{
		Tries: cl.tries, Refused: cl.refused, Contested: cl.contested, Once: cl.opts.strategy == never,
		Waited: time.Since(cl.begun), Rank: cl.rank, Strategy: cl.chosen.String(), Err: err,
	}
	if l != nil {
		a.Token = l.token
	}
	return a
}

func checkKey(key string) error {
	if len(key) == 0 || len(key) > maxKey || isReserved(key) ||
		strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("%w: %q", ErrKey, key)
	}
	return nil
}

func (o *options) check() error {
	switch {
	case CheckTTL(o.ttl) != nil:
		return CheckTTL(o.ttl)
	case o.wait < 0:
		return fmt.Errorf("client: Wait(%v), want 0 or more", o.wait)
	case o.every <= 0:
		return fmt.Errorf("client: Every(%v), want more than 0", o.every)
	case o.strategy > Exponential && o.strategy != never:
		return fmt.Errorf("client: there is no %v", o.strategy)
	}
	return nil
}

// obtain asks until the lock is ours. The context is asking's for the claim, and
// life's for the lock.
func (cl *claim) obtain(asking, life context.Context) (l *Lock, err error) {
	defer func() {
		if err != nil {
			cl.abandon()
			err = cl.explain(err)
		}
	}()
	if err := cl.adapt(asking); err != nil {
		return nil, err
	}
	defer cl.bound(asking)()
	pass, err := cl.takeTurn(asking)
	if err != nil {
		return nil, err
	}
	defer pass()
	for range grants {
		if err = cl.ask(asking); err != nil {
			return nil, err
		}
		if l, err = cl.granted(asking, life); !errors.Is(err, ErrLost) {
			return l, err
		}
		cl.sent = time.Now() // whatever comes now began later
	}
	return nil, err
}

// grants is how many grants a claim may lose before it has looked at them. The server
// takes a grant back if the connection breaks right after it.
const grants = 3

// takeTurn waits for the turn to ask, as long as the claim may wait. Then it asks
// without one: that another goroutine asks for the lock does not mean that it is held.
// That goroutine may be in line, so that a look comes first. A look is no claim.
func (cl *claim) takeTurn(ctx context.Context) (pass func(), err error) {
	turns, key := &cl.client.turns, cl.hold.key
	pass = func() { turns.pass(key) }
	if turns.tryTake(key) {
		return pass, nil
	}
	if cl.opts.strategy != never {
		ctx, cancel := cl.untilWaitIsOver(ctx)
		defer cancel()
		if err := turns.take(ctx, key); !errors.Is(err, errWaitOver) {
			return pass, err
		}
	}
	err = cl.client.do(cl.patience, key, func(s *peer) error { return s.look(&cl.hold) })
	switch {
	case errors.Is(err, memcache.ErrCacheMiss):
		return func() {}, nil
	case err == nil || errors.Is(err, ErrLost):
		err = memcache.ErrNotStored
	}
	return nil, err
}

// ask makes the claim until it is granted.
func (cl *claim) ask(ctx context.Context) (err error) {
	if cl.kind, err = cl.client.kindOf(cl.patience, cl.server, cl.hold.key, cl.client.do); err != nil {
		return err
	}
	next, err := cl.pace()
	if err != nil {
		return err
	}
	defer next.done(ctx, cl)
	asked := time.Now()
	if cl.kind == lockcached && (cl.chosen == Queue || cl.chosen == never && cl.mayQueue()) {
		err = cl.wait(ctx) // a lock that is free is granted at once
	} else {
		err = cl.add()
	}
	cl.contested = cl.chosen == Queue && time.Since(asked) > roundTrip
	for ; isNotStored(err); err = next.again(ctx, cl) {
		cl.contested = true
		cl.refused++
		if cl.chosen == never || cl.left() <= 0 {
			break
		}
		if ctx.Err() != nil {
			return interrupted(ctx)
		}
	}
	if errors.Is(err, ErrPlain) && cl.opts.strategy == Auto {
		return cl.ask(ctx) // somebody has put a memcached in lockcached's place
	}
	return err
}

// roundTrip is how long the grant of a free lock takes at most, in most networks.
const roundTrip = 5 * time.Millisecond

// explain is the error that the caller gets.
func (cl *claim) explain(err error) error {
	switch {
	case errors.Is(err, ErrUnavailable):
		return err
	case isNotStored(err) && cl.opts.strategy == never:
		return &HeldError{Key: cl.hold.key, Tries: cl.tries}
	case isNotStored(err):
		return &HeldError{Key: cl.hold.key, Waited: time.Since(cl.begun), Tries: cl.tries}
	case errors.Is(err, errNoAnswer):
		return &FaultError{Server: cl.server.name, Tries: cl.tries, Spent: time.Since(cl.begun), Err: errNoAnswer}
	case errors.Is(err, errInterrupted):
		return fmt.Errorf("client: lock %s, after %v, tries: %d: %w",
			cl.hold.key, time.Since(cl.begun).Round(time.Millisecond), cl.tries, err)
	}
	return fmt.Errorf("client: lock %s: %w", cl.hold.key, err)
}
