package cache

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/client/internal/ctxtime"
	"github.com/lockcached/lockcached/client/internal/digest"
	"github.com/lockcached/lockcached/client/internal/observe"
)

// fly gets the value for all goroutines of this process that want it: it computes
// while holding the lock, or waits for whoever does.
func (t *task[T]) fly(ctx context.Context) (value T, err error) {
	ctx, tell := t.observe(ctx)
	defer tell()
	if t.unstorable {
		return t.alone(ctx)
	}
	for began := time.Now(); ; {
		value, err := t.round(ctx, began)
		if err != errTakenAway {
			return value, err
		}
	}
}

// round waits for the lock or for the value, whichever comes first, and computes if it
// is the lock.
func (t *task[T]) round(ctx context.Context, began time.Time) (value T, err error) {
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	watching, stop := context.WithCancel(asking)
	defer stop()
	watched := make(chan *entry[T], 1)
	go func() {
		news := t.watch(watching, began)
		if news != nil {
			cancel()
		}
		watched <- news
	}()
	hold, err := t.lock(asking, began)
	stop()
	news := <-watched
	t.report.Waited = time.Since(began)
	if err == nil {
		t.report.Token = hold.Token()
	}
	switch {
	case news != nil:
		if err == nil {
			t.unlock(hold)
		}
		return t.accept(ctx, news)
	case err != nil:
		return t.withoutLock(ctx, err)
	}
	return t.withLock(ctx, hold)
}

// lock waits for the lock of the key, for what is left of the time since began.
func (t *task[T]) lock(ctx context.Context, began time.Time) (*client.Lock, error) {
	options := t.options()
	if wait := t.config.Wait; wait > 0 {
		options = append(options, client.Wait(max(time.Until(began.Add(wait)), 0)))
	}
	return t.client.Lock(ctx, t.lockKey(), options...)
}

// watch looks for the value now and then until ctx ends. On plain memcached it is there
// long before it is everybody's turn to have the lock. On lockcached it is when a
// fleet is large, or when somebody died between storing the value and the release.
func (t *task[T]) watch(ctx context.Context, began time.Time) *entry[T] {
	for ctxtime.Sleep(ctx, t.watchPause(time.Since(began))) {
		if news, found := t.look(ctx); found {
			return &news
		}
	}
	return nil
}

// Limits of the pauses between looks. They grow with the time that was waited, so that
// a value comes late by a small part of what computing it takes.
const (
	shortestLook = 20 * time.Millisecond
	longestLook  = 500 * time.Millisecond
	lookPart     = 8
)

func (t *task[T]) watchPause(waited time.Duration) time.Duration {
	pause := min(max(waited/lookPart, shortestLook), longestLook)
	if t.client.HasQueue(t.lockKey()) {
		pause = longestLook // the line is faster
	}
	return pause/2 + rand.N(pause)
}

// options are those of every claim. The value is read together with the lock that was
// granted: it is a round trip less until the next one in line has it.
func (t *task[T]) options() []client.Option {
	// A server that has no room for the lock need not be asked again: this is a cache.
	return []client.Option{client.TTL(t.config.Lease), client.KeepAlive(), client.Using(t.config.Strategy), client.Along(t.key), client.Hasty()}
}

// longestLockKey leaves room, within the 250 bytes of a key, for what is put in
// front of it to ask about a lock.
const longestLockKey = 200

// lockKey is the key of the lock: of a long key its beginning and its digest.
func (t *task[T]) lockKey() string {
	key := t.config.LockPrefix + t.key
	if len(key) <= longestLockKey {
		return key
	}
	return digest.Shorten(key, longestLockKey/2)
}

// errTakenAway says that the lock was lost, and that computing ended for that.
var errTakenAway = errors.New("cache: the lock was lost while computing")

// withLock computes, unless somebody else has done so while we waited. To those who
// waited such a value is good enough even if its time is over already: it was made
// after they had asked.
func (t *task[T]) withLock(ctx context.Context, hold *client.Lock) (value T, err error) {
	defer t.unlock(hold)
	if news, found := t.newsIn(hold.Along()); found {
		t.unlock(hold)
		return t.accept(ctx, &news)
	}
	value, made, err := t.produce(hold.Context())
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(hold.Context()), client.ErrLost) {
		t.counts.lost.Add(1)
		return value, errTakenAway
	}
	if made != nil {
		t.storeAsHolder(ctx, hold, made)
	}
	return value, t.conclude("computed", err)
}

// storeAsHolder stores what was made if the lock is still ours, which a renewal finds
// out. Time may have passed that we know nothing of, while the process or its host was
// stopped; then whoever took over has stored a newer value, or is about to. And if no
// caller has waited for the end, the next one has the value.
func (t *task[T]) storeAsHolder(ctx context.Context, hold *client.Lock, made *envelope) {
	ctx = context.WithoutCancel(ctx)
	err := hold.Renew(ctx, t.config.Lease)
	if err != nil {
		if errors.Is(err, client.ErrLost) {
			t.counts.lost.Add(1)
		}
		t.log(slog.LevelWarn, err, "computed value is not stored")
		return
	}
	if !t.store(ctx, made) && !made.failed {
		t.giveNotice(ctx, hold, made.computed)
	}
}

func (t *task[T]) unlock(hold *client.Lock) {
	if err := hold.Unlock(); err != nil {
		t.log(slog.LevelDebug, err, "lock of a computed value is not ours to release")
	}
}

// withoutLock is what is done if there is no lock to be had.
func (t *task[T]) withoutLock(ctx context.Context, why error) (value T, err error) {
	fallback := GiveUp
	switch {
	case errors.Is(why, client.ErrHeld):
		if news, found := t.look(ctx); found {
			return t.accept(ctx, &news)
		}
		t.meet()
		fallback = t.config.WaitOver
	case errors.Is(why, client.ErrUnavailable) || errors.Is(why, client.ErrUnable):
		fallback = t.config.ServerAway
	}
	if fallback == GiveUp {
		return value, t.end("gave up", why)
	}
	t.counts.fellThrough.Add(1)
	value, made, err := t.produce(ctx)
	if err == nil {
		t.store(ctx, made)
	}
	return value, t.conclude("fell through", err)
}

// accept takes what somebody else has computed, or failed to.
func (t *task[T]) accept(ctx context.Context, news *entry[T]) (T, error) {
	t.meet()
	switch {
	case news.failed:
		return news.value, t.end("waited", news.failure(t.key))
	case news.unstorable && !t.background:
		return t.alone(ctx)
	}
	if !t.background {
		t.counts.waited.Add(1)
	}
	return news.value, t.end("waited", nil)
}

// meet counts that others were found computing, once for each caller that waits.
func (t *task[T]) meet() {
	if !t.background && !t.met.Swap(true) {
		t.counts.stampedes.Add(1)
	}
}

// conclude ends a task that has computed.
func (t *task[T]) conclude(outcome string, err error) error {
	if err != nil {
		return t.end("failed", ownError{err})
	}
	return t.end(outcome, nil)
}

// observe lets observers follow a task. What it returns as function tells them the end.
func (t *task[T]) observe(ctx context.Context) (context.Context, func()) {
	t.report = Computation{Waited: -1}
	ctx, tell := observe.Begin(ctx, t.observed, func(ctx context.Context, o Observer) (context.Context, func(Computation)) {
		return o.Compute(ctx, t.config.Name, t.key)
	})
	return ctx, func() { tell(t.report) }
}

// end notes how a task ended.
func (t *task[T]) end(outcome string, err error) error {
	t.report.Outcome, t.report.Err = outcome, err
	return err
}
