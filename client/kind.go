package client

import (
	"context"
	"errors"

	"github.com/bradfitz/gomemcache/memcache"
)

// kind is what a server is.
type kind uint8

const (
	unknown kind = iota
	lockcached
	plain // memcached
)

// is tells what the server is, as far as that is known.
func (s *peer) is() kind {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kind
}

func (s *peer) isA(k kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kind = k
}

// A maker makes a request: Client.do or Client.once.
type maker func(ctx context.Context, key string, request request) error

// kindOf tells what the server of a key is. It is asked once, and again after it was
// away: somebody may have put another one in its place.
func (c *Client) kindOf(ctx context.Context, s *peer, key string, by maker) (kind, error) {
	if k := s.is(); k != unknown {
		return k, nil
	}
	var k kind
	err := by(ctx, key, func(s *peer) (err error) {
		k, err = c.askKind(s, key)
		return err
	})
	if err != nil {
		return unknown, err
	}
	s.isA(k)
	return k, nil
}

// askKind asks the server of a key what it is.
func (c *Client) askKind(s *peer, key string) (kind, error) {
	_, err := s.mc.Get(c.versionKey(key))
	switch {
	case err == nil:
		return lockcached, nil
	case errors.Is(err, memcache.ErrCacheMiss):
		return plain, nil
	}
	return unknown, err
}
