package client

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/client/internal/digest"
	"github.com/lockcached/lockcached/stats"
)

// On plain memcached the clients keep the books for each other, next to the lock:
//
//	KEY:stat  how long it is held: how many holds were noted, mean and deviation in ms
//	KEY:wait  how many wait, by incr and decr
//
// Both may be lost or wrong without harm: they only say when to ask again.
const (
	statSuffix = ":stat"
	waitSuffix = ":wait"
	// Of a key that has no room for them it is the beginning and the digest instead.
	longestWithBooks = maxKey - len(waitSuffix)

	statExpiration = 24 * 60 * 60 // seconds
	// Waiters that die are not counted down. Now and then the count begins anew.
	waitExpiration = 60 // seconds

	// A hold is noted at most that often by a Client for a key, but for the first few.
	noteEvery = time.Second
	firstFew  = 8
	// fading is the number of holds after which the older ones count as one more.
	fading = 128
)

// booksOf is the key to which the suffixes are added.
func booksOf(key string) string {
	if len(key) <= longestWithBooks {
		return key
	}
	return digest.Shorten(key, longestWithBooks/2)
}

// holds is what is known of how long a lock is held.
type holds struct{ count, mean, stddev float64 } // in ms

// parseHolds reads what String wrote. What cannot be read is as good as nothing.
func parseHolds(item *memcache.Item) (h holds) {
	if item == nil {
		return h
	}
	_, err := fmt.Sscan(string(item.Value), &h.count, &h.mean, &h.stddev)
	for _, x := range []float64{h.count, h.mean, h.stddev} {
		if err != nil || math.IsNaN(x) || x < 0 || x > 1e12 {
			return holds{}
		}
	}
	return h
}

func (h holds) String() string { return fmt.Sprintf("%.0f %.3f %.3f", h.count, h.mean, h.stddev) }

// with adds a hold: the running mean and deviation of B. P. Welford, in which old
// holds fade.
func (h holds) with(took time.Duration) holds {
	ms := float64(took) / float64(time.Millisecond)
	n := min(h.count, fading) + 1
	off := ms - h.mean
	mean := h.mean + off/n
	variance := ((n-1)*h.stddev*h.stddev + off*(ms-mean)) / n
	return holds{count: h.count + 1, mean: mean, stddev: math.Sqrt(max(variance, 0))}
}

// expected is the mean for who sees a hold that has that age already. As long as
// little is known, a short hold is expected that may have lasted for its age.
func (h holds) expected(age time.Duration) (mean, stddev time.Duration) {
	const prior = 25 // ms
	ms := float64(age) / float64(time.Millisecond)
	mu := (h.count*h.mean + max(prior, ms)) / (h.count + 1)
	sd := (h.count*h.stddev + mu) / (h.count + 1)
	return time.Duration(mu * float64(time.Millisecond)), time.Duration(sd * float64(time.Millisecond))
}

// suggestedTTL is a lease that few holds outlive, 0 if too little is known.
func (h holds) suggestedTTL() time.Duration {
	if h.count < firstFew {
		return 0
	}
	return time.Duration(max(3*h.mean, h.mean+6*h.stddev) * float64(time.Millisecond))
}

// noteHold tells the other clients how long a lock was held.
func (c *Client) noteHold(ctx context.Context, key string, took time.Duration) {
	var due bool
	c.memories.of(key, func(m *memory) {
		due = m.known < firstFew || time.Since(m.noted) >= noteEvery
	})
	if !due {
		return
	}
	stat := booksOf(key) + statSuffix
	err := c.once(context.WithoutCancel(ctx), key, func(s *peer) error {
		item, err := s.mc.Get(stat)
		if err != nil && !errors.Is(err, memcache.ErrCacheMiss) {
			return err
		}
		h := parseHolds(item).with(took)
		c.memories.of(key, func(m *memory) { m.known, m.noted = h.count, time.Now() })
		return s.mc.Set(&memcache.Item{Key: stat, Value: []byte(h.String()), Expiration: statExpiration})
	})
	if err != nil {
		c.log.Debug("hold time not noted", "key", key, "error", err)
	}
}

// local asks again when the lock is probably free, by stats.Solo.
type local struct {
	counted bool      // in KEY:wait
	owner   string    // who held it when we looked last
	since   time.Time // the earliest that its hold can have begun, zero if unknown
	seen    time.Time // when we first saw it
	looked  time.Time // when we looked last
}

// longestLocal is the longest pause.
const longestLocal = time.Minute

func (l *local) again(ctx context.Context, cl *claim) error {
	if !l.counted {
		l.counted = true
		l.count(cl)
	}
	pause, err := l.pause(cl)
	if err != nil {
		return err
	}
	if !cl.pause(ctx, pause) {
		return interrupted(ctx)
	}
	if cl.open == 0 {
		cl.name() // so that the value tells when the hold began
	}
	return cl.add()
}

// pause looks at the lock and at the books, and reckons. Without an answer it goes by
// what it knew.
func (l *local) pause(cl *claim) (time.Duration, error) {
	c, key := cl.client, cl.hold.key
	stat, wait := booksOf(key)+statSuffix, booksOf(key)+waitSuffix
	var items map[string]*memcache.Item
	err := c.once(cl.patience, key, func(s *peer) (err error) {
		items, err = s.mc.GetMulti([]string{key, stat, wait})
		return err
	})
	switch {
	case errors.Is(err, errInterrupted):
		return 0, err
	case err == nil && items[key] == nil:
		return 0, nil // it is free
	}
	waiters := 1
	if item := items[wait]; item != nil {
		_, _ = fmt.Sscan(string(item.Value), &waiters) // or else we are alone
	}
	age := l.age(items[key], time.Now())
	mean, stddev := parseHolds(items[stat]).expected(age)
	return min(stats.Solo(mean, stddev, age, waiters, 0, rand.Float64()), longestLocal), nil
}

// age is how long the present hold lasts. The value tells, by its maker's clock; our
// own looks at the lock bound it, so that clocks that differ do not matter.
func (l *local) age(lock *memcache.Item, now time.Time) time.Duration {
	if lock == nil {
		return 0
	}
	if owner := string(lock.Value); owner != l.owner {
		l.owner, l.since, l.seen = owner, l.looked, now
	}
	l.looked = now
	least, most := now.Sub(l.seen), time.Duration(math.MaxInt64)
	if !l.since.IsZero() {
		most = now.Sub(l.since)
	}
	age := least
	if at, ok := claimedAt(l.owner); ok {
		age = now.Sub(at)
	}
	return min(max(age, least), most)
}

// count counts us among those who wait. It is not repeated, for an incr whose answer
// was lost may have been carried out.
func (l *local) count(cl *claim) {
	key := booksOf(cl.hold.key) + waitSuffix
	_ = cl.client.once(cl.patience, cl.hold.key, func(s *peer) error { // uncounted we only ask a little too often
		_, err := s.mc.Increment(key, 1)
		if errors.Is(err, memcache.ErrCacheMiss) {
			err = s.mc.Add(&memcache.Item{Key: key, Value: []byte("1"), Expiration: waitExpiration})
		}
		return err
	})
}

func (l *local) done(ctx context.Context, cl *claim) {
	if !l.counted {
		return
	}
	_ = cl.client.once(context.WithoutCancel(ctx), cl.hold.key, func(s *peer) error { // the count begins anew soon
		_, err := s.mc.Decrement(booksOf(cl.hold.key)+waitSuffix, 1)
		return err
	})
}
