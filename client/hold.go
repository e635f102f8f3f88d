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
	unsure     bool   // the answer to a swap was lost
}

// look reads the lock: memcache.ErrCacheMiss says that it is free, ErrLost that it is
// somebody else's.
func (c *Client) look(h *hold) error {
	item, err := c.mc.Get(h.key)
	switch {
	case err != nil:
		return err
	case string(item.Value) != h.owner:
		return ErrLost
	}
	h.cas = item.CasID
	return nil
}

// swap gives our own hold another lease, and never somebody else's: a touch might
// prolong, and a delete might end, the hold of a successor. A negative exptime ends
// it. Sent is when the swap that was carried out was sent.
func (c *Client) swap(ctx context.Context, h *hold, exptime int32) (sent time.Time, err error) {
	err = c.do(ctx, h.key, func() error {
		for {
			if h.cas == 0 {
				err := c.look(h)
				if errors.Is(err, memcache.ErrCacheMiss) {
					return ErrLost
				}
				if err != nil {
					return err
				}
			}
			sent = time.Now()
			err := c.mc.CompareAndSwap(&memcache.Item{
				Key: h.key, Value: []byte(h.owner), Expiration: exptime, CasID: h.cas,
			})
			h.cas = 0 // gomemcache does not tell what it is now
			switch {
			case errors.Is(err, memcache.ErrCASConflict):
				continue // a touch, or a swap of ours that was thought to be lost: look
			case errors.Is(err, memcache.ErrCacheMiss) || errors.Is(err, memcache.ErrNotStored):
				return ErrLost
			case isFault(err):
				h.unsure = true
			}
			return err
		}
	})
	return sent, err
}

// release ends our own hold. After a lost answer it looks: what is not ours any more
// has been released, if the lease, which lasts until then, was not over.
func (c *Client) release(ctx context.Context, h *hold, expires time.Time) error {
	inTime := time.Now().Before(expires)
	_, err := c.swap(ctx, h, -1)
	if errors.Is(err, ErrLost) && h.unsure && inTime {
		return nil
	}
	return err
}
