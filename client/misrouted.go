package client

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

const (
	// routeTrials are made at most, and that many of them have to fail: where one server
	// answers, none does, but for one that restarts in that moment.
	routeTrials   = 8
	routeFailures = 2
	// A trial takes a lock that nobody else knows of.
	routePrefix = "lockcached-route:"
	routeLease  = 10 * time.Second
)

// spreads tries out whether a selector that is not known sends reserved keys to other
// servers than the keys in them. The keys are of various lengths, for the hash that
// gomemcache uses may do so with some lengths and not with others.
func (c *Client) spreads(ctx context.Context, length int) bool {
	failed := 0
	for i := range routeTrials {
		key := routePrefix + strings.ToLower(rand.Text())
		key += strings.Repeat("-", max(0, length-len(key))+i)
		found, err := c.finds(ctx, key)
		if err != nil || len(key) >= maxKey-len(longestWaitPrefix) {
			return false
		}
		if !found {
			failed++
		}
		if failed == routeFailures {
			return true
		}
	}
	return false
}

// finds reports whether a lock is where its key says that was claimed by a reserved key.
func (c *Client) finds(ctx context.Context, key string) (found bool, err error) {
	trial := memcache.Item{Key: key, Value: []byte(key), Expiration: int32(routeLease / time.Second)}
	sent := time.Now()
	err = c.once(ctx, key, func(s *peer) error {
		if err := s.mc.Add(waiting(&trial, slice{last: true})); err != nil {
			return err
		}
		err := s.mc.Delete(key)
		found = err == nil
		if errors.Is(err, memcache.ErrCacheMiss) && time.Since(sent) < routeLease/2 {
			return nil // or it may be over
		}
		return err
	})
	return found, err
}
