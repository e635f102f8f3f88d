package client

import (
	"context"
	"errors"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// A hold is a lock that is ours, as the server sees it: an item with our value.
type hold struct {
	key, owner string
	cas        uint64 // of the item; 0 if it is not known
	// ending is the CAS id with which a release was sent that had no answer, or
	// SERVER_ERROR, or 0: as long as the item has that id, the release may be carried out yet.
	ending uint64
}

// look reads the lock: memcache.ErrCacheMiss says that it is free, ErrLost that it is
// somebody else's.
func (s *peer) look(h *hold) error {
	item, err := s.mc.Get(h.key)
	switch {
	case err != nil:
		return err
	case string(item.Value) != h.owner:
		return ErrLost
	}
	h.cas = item.CasID
	if h.cas != h.ending {
		h.ending = 0 // it did not end this hold, and cannot any more
	}
	return nil
}

// A lease is the exptime of a swap, which is asked for at every try: a date is counted
// from the moment in which it is sent.
type lease func(sent time.Time) (exptime int32, err error)

// released is the lease that ends a hold.
func released(time.Time) (int32, error) { return -1, nil }

// swap gives our own hold another lease, and never somebody else's: a touch might
// prolong, and a delete might end, the hold of a successor. Sent is when the swap that
// was carried out was sent.
func (c *Client) swap(ctx context.Context, h *hold, lease lease) (sent time.Time, err error) {
	return c.replace(ctx, h, h.owner, lease)
}

// replace is swap with another value, after which the hold is not ours to swap.
func (c *Client) replace(ctx context.Context, h *hold, value string, lease lease) (sent time.Time, err error) {
	err = c.doAtOwner(ctx, h.key, func(s *peer) error {
		for {
			if h.cas == 0 {
				err := s.look(h)
				if errors.Is(err, memcache.ErrCacheMiss) {
					return ErrLost
				}
				if err != nil {
					return err
				}
			}
			sent = time.Now()
			err := s.tryReplace(h, value, lease, sent)
			if !errors.Is(err, memcache.ErrCASConflict) {
				return err
			}
			// a touch, or a swap of ours that was thought to be lost: look
		}
	})
	return sent, err
}

// tryReplace sends a cas once, for an item whose CAS id is known. Then it is not any
// more, for gomemcache does not tell it.
func (s *peer) tryReplace(h *hold, value string, lease lease, now time.Time) error {
	n, err := lease(now)
	if err != nil {
		return err
	}
	err = s.mc.CompareAndSwap(&memcache.Item{Key: h.key, Value: []byte(value), Expiration: n, CasID: h.cas})
	switch {
	case errors.Is(err, memcache.ErrCacheMiss) || errors.Is(err, memcache.ErrNotStored):
		err = ErrLost
	case err == nil:
		h.ending = 0
	case n < 0 && isFault(err) && !isUnsent(err):
		h.ending = h.cas
	}
	h.cas = 0
	return err
}

// release ends our own hold. What is not ours any more after a release that had no
// answer was ended by that release, unless the lease was over before it was sent.
func (c *Client) release(ctx context.Context, h *hold, expires time.Time) error {
	inTime := time.Now().Before(expires)
	_, err := c.swap(ctx, h, released)
	if errors.Is(err, ErrLost) && h.ending != 0 && inTime {
		return nil
	}
	return err
}
