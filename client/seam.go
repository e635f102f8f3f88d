package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/client/internal/ctxtime"
)

// What follows is for packages that build on locks, as client/cache does. A program that
// only takes locks needs none of it.

// ErrUnable is what Write, and a claim with Hasty, return if the server answered
// SERVER_ERROR, as one does that has no room, or did not keep what it had stored.
var ErrUnable = errors.New("client: the server cannot do it")

// Config returns what the Client was made with. What was left out has its default; Logger
// is never nil.
func (c *Client) Config() Config { return c.config }

// Attached returns what is attached to the Client under a key, for as long as the Client
// lives. If there is nothing yet, it attaches what build returns. Build may be called more
// often than once; the first value stays. A key should be of a type of its package's own,
// as those of context.WithValue.
func (c *Client) Attached(key any, build func() any) any {
	value, found := c.attached.Load(key)
	if !found {
		value, _ = c.attached.LoadOrStore(key, build())
	}
	return value
}

// HasQueue reports whether the lock of a key is known to live on a lockcached, which hands
// it over to the next in line. It asks nobody.
func (c *Client) HasQueue(key string) bool {
	s, err := c.serverOf(key)
	return err == nil && s.is() == lockcached
}

// Go runs work in the background. Its context has the values of ctx, and ends, with the
// cause ErrClosed, when the Client is closed; Close waits for the end of work. After Close
// Go returns ErrClosed, and does nothing.
func (c *Client) Go(ctx context.Context, work func(context.Context)) error {
	if err := c.begin(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(c.closing, func() { cancel(ErrClosed) })
	go func() {
		defer c.pending.Done()
		defer cancel(nil)
		defer stop()
		work(ctx)
	}()
	return nil
}

// Read reads keys, which may live on several servers; those that are not there are
// missing in the answer. It is repeated while a server is away.
func (c *Client) Read(ctx context.Context, keys ...string) (map[string]*memcache.Item, error) {
	var servers []*peer
	of := make(map[*peer][]string)
	for i, key := range keys {
		if c.fleet != nil && i > 0 {
			of[servers[0]] = append(of[servers[0]], key) // any node answers for all
			continue
		}
		s, err := c.serverOf(key)
		if err != nil {
			return nil, err
		}
		if of[s] == nil {
			servers = append(servers, s)
		}
		of[s] = append(of[s], key)
	}
	found := make(map[string]*memcache.Item)
	for _, s := range servers {
		err := c.do(ctx, of[s][0], func(at *peer) error {
			items, err := at.mc.GetMulti(of[s])
			for key, item := range items {
				found[key] = item
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Write stores an ordinary item, and sees to it that it is there: a server whose memory is
// full may evict it at once. If it is not, or the server answers that it cannot store
// it, that is ErrUnable. While the server is away it is repeated, so that it may be
// carried out twice.
func (c *Client) Write(ctx context.Context, item *memcache.Item) error {
	return c.do(ctx, item.Key, func(s *peer) (err error) {
		for range 2 { // somebody may have deleted it in that moment
			if err = s.mc.Set(item); err != nil {
				return unable(err)
			}
			if err = s.mc.Touch(item.Key, item.Expiration); !errors.Is(err, memcache.ErrCacheMiss) {
				return err
			}
		}
		return fmt.Errorf("%w: it is gone at once", ErrUnable)
	})
}

// Along reads another key together with the lock when it is granted, without a round trip
// of its own where both live on one server. Lock.Along has what was there.
func Along(key string) Option { return func(o *options) { o.along = key } }

// Hasty makes a claim that is answered SERVER_ERROR fail at once, with ErrUnable, instead
// of being made again.
func Hasty() Option { return func(o *options) { o.hasty = true } }

// Along is the item under the key of the option Along as it was right after the grant, nil
// if there was none.
func (l *Lock) Along() *memcache.Item { return l.along }

// maxNote is how much of a lock's value is random, in bytes.
const maxNote = 13

// LeaveNote ends the hold as Unlock does, but lets the lock stand for a while, with a note
// of up to 13 bytes at the end of its value for those who wait and look at it. That needs
// no room on a server that has none. An error says that the lock is as it was, as far as is
// known.
func (l *Lock) LeaveNote(ctx context.Context, note string, stands time.Duration) error {
	if len(note) > maxNote {
		return fmt.Errorf("client: a note of %d bytes, want at most %d", len(note), maxNote)
	}
	l.op.Lock()
	defer l.op.Unlock()
	if l.done {
		return ErrUnlocked
	}
	left := hold{key: l.hold.key, owner: l.hold.owner[:len(l.hold.owner)-len(note)] + note}
	// It ends by itself should we not live to end it.
	if _, err := l.client.replace(ctx, &l.hold, left.owner, l.leaseOf(2*stands)); err != nil {
		return err
	}
	l.cancel(ErrUnlocked)
	l.done = true
	l.end(nil)
	if l.client.begin() != nil {
		return nil
	}
	defer l.client.pending.Done()
	l.client.background(func(ctx context.Context) {
		ctxtime.Sleep(l.client.closing, stands)
		if err := l.client.release(ctx, &left, time.Time{}); err != nil {
			l.client.log.Debug("a notice ends by its TTL", "key", left.key, "error", err)
		}
	})
	return nil
}
