package cache

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/protocol"
)

// task is what a caller of a Cache wants: the value of a key, with the function
// that it brings along to compute it.
type task[T any] struct {
	*Cache[T]
	key     string
	ttl     time.Duration
	compute func(context.Context) (T, error)
	seen    time.Time // until when what its caller found was fresh; zero if that was nothing

	background bool // nobody waits for it

	unstorable bool // the value cannot be stored: there is nothing to wait for

	report Computation // what observers are told when it is over

	met atomic.Bool // that others were found computing is counted
}

// entry is what a read found; all zero if that was nothing.
type entry[T any] struct {
	envelope
	value T
}

func (e *entry[T]) fresh(now time.Time) bool { return now.Before(e.freshUntil) }

// failure is the error of whoever finds that computing has failed.
func (e *entry[T]) failure(key string) error {
	return &FailedError{Key: key, Text: string(e.payload), Until: e.freshUntil}
}

// find reads what the caller wants. A server that is away has nothing, and what nobody
// can make sense of is nothing.
func (t *task[T]) find(ctx context.Context) (e entry[T], err error) {
	if t.key == "" || strings.HasPrefix(t.key, protocol.ReservedPrefix) {
		return e, memcache.ErrMalformedKey // gomemcache would see nothing wrong
	}
	items, err := t.client.Read(ctx, t.key)
	switch {
	case errors.Is(err, client.ErrUnavailable):
		return e, nil
	case err != nil:
		return e, err
	}
	e, err = t.decode(items[t.key])
	if err != nil {
		t.counts.unreadable.Add(1)
		t.log(slog.LevelWarn, err, "cached value cannot be read, and is computed again")
	}
	t.seen = e.freshUntil
	return e, nil
}

// errForeign: it was not a Cache that stored this.
var errForeign = errors.New("cache: no value of a Cache")

// decode makes sense of what is stored, if anything is.
func (t *task[T]) decode(item *memcache.Item) (e entry[T], err error) {
	if item == nil {
		return e, nil
	}
	stored, ok := unseal(item.Value)
	if !ok {
		return e, errForeign
	}
	if stored.unstorable {
		return t.withoutValue(stored), nil
	}
	if !stored.failed {
		e.value, err = t.config.Codec.Decode(stored.payload)
	}
	if err != nil {
		return entry[T]{}, err
	}
	e.envelope = stored
	return e, nil
}

// look reads what somebody has stored since the caller looked first, or left in the
// lock because it could not.
func (t *task[T]) look(ctx context.Context) (news entry[T], found bool) {
	lock := t.lockKey()
	items, err := t.client.Read(ctx, t.key, lock)
	if err != nil {
		return news, false
	}
	if news, found = t.newsIn(items[t.key]); !found && isNotice(items[lock]) {
		news = t.withoutValue(t.notice(0))
		return news, news.unstorable
	}
	return news, found
}

// newsIn tells a value that somebody has stored since the caller looked first, or a
// failure that still counts.
func (t *task[T]) newsIn(item *memcache.Item) (news entry[T], found bool) {
	news, err := t.decode(item)
	found = err == nil && !news.freshUntil.IsZero() && !news.freshUntil.Equal(t.seen) &&
		(!news.failed || news.fresh(time.Now()))
	return news, found
}

// produce computes. It also returns what is to be stored, nil if that is nothing.
func (t *task[T]) produce(ctx context.Context) (value T, made *envelope, err error) {
	err = errGoexit // unless it returns
	defer func() { t.tally(recover(), err) }()
	began := time.Now()
	value, err = t.compute(ctx)
	made = &envelope{computed: time.Since(began), freshUntil: time.Now().Add(t.ttl)}
	if err == nil {
		made.payload, err = t.config.Codec.Encode(value)
	}
	if err != nil {
		made = t.failure(ctx, err)
	}
	return value, made, err
}

// tally counts a computation. A panic goes on; it is logged because the caller that it
// is for may have left.
func (t *task[T]) tally(panicked any, err error) {
	if err == nil {
		t.counts.computed.Add(1)
	} else {
		t.counts.failed.Add(1)
	}
	if panicked != nil {
		p := panicOf(panicked)
		t.log(slog.LevelError, p, "panic while computing a cached value")
		panic(p)
	}
}

// failure is what is stored of an error: nothing unless failures are remembered, and
// nothing in place of a value that can be served a while longer.
func (t *task[T]) failure(ctx context.Context, err error) *envelope {
	now := time.Now()
	if t.config.NegativeTTL == 0 || ctx.Err() != nil || now.Before(t.seen.Add(t.config.Stale)) {
		return nil
	}
	return &envelope{freshUntil: now.Add(t.config.NegativeTTL), failed: true, payload: []byte(err.Error())}
}

// store stores what was made, and reports whether that can be done at all. If it is not
// stored, others will have to compute again; our callers have their value all the same.
func (t *task[T]) store(ctx context.Context, made *envelope) (storable bool) {
	keep := time.Until(made.freshUntil)
	if !made.failed {
		keep += t.config.Stale
	}
	err := t.put(ctx, made, keep)
	if err != nil {
		t.log(slog.LevelWarn, err, "computed value cannot be stored")
	}
	return !errors.Is(err, client.ErrUnable)
}

func (t *task[T]) put(ctx context.Context, e *envelope, keep time.Duration) error {
	return t.client.Write(ctx, &memcache.Item{Key: t.key, Value: e.seal(), Expiration: expiration(keep, time.Now())})
}

func (t *task[T]) log(level slog.Level, err error, what string) {
	t.client.Config().Logger.Log(context.Background(), level, what, "cache", t.config.Name, "key", t.key, "error", err)
}
