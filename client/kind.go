package client

import (
	"context"
	"errors"

	"github.com/bradfitz/gomemcache/memcache"
)

// request is how a request is made: do or once.
type request func(ctx context.Context, key string, request func() error) error

// kindOf tells what the server of a key is. It is asked once, and again after it was
// away: somebody may have put another one in its place.
func (c *Client) kindOf(ctx context.Context, s *peer, key string, make request) (kind, error) {
	if k := s.is(); k != unknown {
		return k, nil
	}
	k := lockcached
	err := make(ctx, key, func() error {
		_, err := c.mc.Get(retryPrefix + key)
		if errors.Is(err, memcache.ErrCacheMiss) {
			k, err = plain, nil
		}
		return err
	})
	if err != nil {
		return unknown, err
	}
	s.isA(k)
	return k, nil
}
