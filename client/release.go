package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// Release ends the hold with that token, and never another one's: ErrLost says that
// there is no such hold. It is for a lock that was taken elsewhere, of which only the
// token is known; a Lock is released by Unlock. The token is that of the grant as long
// as the lock was not renewed: a renewal changes the id that the server compares. Then
// it is what Info and List tell. On plain memcached that id is the lock's CAS id.
func (c *Client) Release(ctx context.Context, key string, token uint64) error {
	if err := c.begin(); err != nil {
		return err
	}
	defer c.pending.Done()
	if err := checkKey(key); err != nil {
		return err
	}
	var h hold
	err := c.do(ctx, key, func(s *peer) error {
		item, err := s.mc.Get(key)
		if err == nil {
			h = hold{key: key, owner: string(item.Value), cas: item.CasID}
		}
		return err
	})
	if errors.Is(err, memcache.ErrCacheMiss) || err == nil && h.cas != token {
		return fmt.Errorf("%w: nobody holds %s with token %d", ErrLost, key, token)
	}
	if err == nil {
		err = c.releaseByID(ctx, &h)
	}
	switch {
	case errors.Is(err, ErrLost):
		return fmt.Errorf("%w: %s was not held with token %d any more", ErrLost, key, token)
	case err != nil:
		return fmt.Errorf("client: release %s: %w", key, err)
	}
	return nil
}

// releaseByID ends a hold that has the id it had when it was looked at. A release that
// had no answer, and finds it gone, has succeeded.
func (c *Client) releaseByID(ctx context.Context, h *hold) error {
	id, inDoubt := h.cas, false
	return c.do(ctx, h.key, func(s *peer) error {
		h.cas = id
		err := s.tryReplace(h, h.owner, released, time.Now())
		switch {
		case inDoubt && (errors.Is(err, ErrLost) || errors.Is(err, memcache.ErrCASConflict)):
			return nil
		case errors.Is(err, memcache.ErrCASConflict):
			return ErrLost
		}
		inDoubt = inDoubt || isFault(err) && !isUnsent(err)
		return err
	})
}
