package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// A stray is what is left of a claim that was given up: tries that the server may have
// granted, or may grant yet. That our connection is closed does not mean that a try on
// it will not arrive: a network, or a proxy, may hold it back for seconds. Nobody would
// hold that lock until its TTL is over, so the key is looked at until the last of them
// is found and released, or cannot come any more.
//
// The value of a claim is like no other's. So what is released, with the CAS id that
// was read together with the value, is neither somebody else's lock nor a newer one of
// our own.
type stray struct {
	key, owner string
	tries      int       // that may be granted, or are
	since      time.Time // it was given up
	next       time.Time // look
	until      time.Time // then no try arrives any more
	ends       time.Time // what has been granted so far; a server that is away may come back with it
}

const (
	// strayFor is how long a try may be under way: as long as it may wait in line, after
	// a proxy has taken it there, and as long as a connection takes to give up.
	strayFor = 2 * longestWait

	// Looks are made at pauses that grow with the time since the claim was given up, so
	// that nobody holds the lock for a fourth of the time that the try took to arrive:
	// fifty looks in all.
	strayPart      = 4
	shortestGlance = 25 * time.Millisecond
	longestGlance  = 5 * time.Second

	// mostStrays is how many are kept for a server, and glanceKeys how many keys are
	// looked at in one request.
	mostStrays = 1000
	glanceKeys = 100
)

func newStray(key, owner string, tries int, ttl time.Duration) *stray {
	now := time.Now()
	return &stray{
		key: key, owner: owner, tries: tries,
		since: now, next: now, until: now.Add(strayFor), ends: now.Add(whole(ttl)),
	}
}

// after delays the first look, and all that follows from it.
func (s *stray) after(d time.Duration) *stray {
	s.since, s.next, s.until, s.ends = s.since.Add(d), s.next.Add(d), s.until.Add(d), s.ends.Add(d)
	return s
}

// rest puts off the next look.
func (s *stray) rest(now time.Time) {
	pause := min(max(now.Sub(s.since)/strayPart, shortestGlance), longestGlance)
	s.next = now.Add(pause*3/4 + rand.N(pause/2))
}

// watch sees to a stray in the background, until it is settled or the Client is closed.
// It is for those who have begun.
func (c *Client) watch(p *peer, s *stray) {
	c.log.Debug("looking for a claim that was given up", "key", s.key, "owner", s.owner, "tries", s.tries)
	dropped, alone := p.addStray(s)
	if dropped != nil {
		c.forsake(dropped, errManyStrays)
	}
	if alone {
		c.background(func(ctx context.Context) { c.watchStrays(ctx, p) })
	}
}

var errManyStrays = errors.New("client: too many claims that had no answer")

// addStray reports whether nobody watches yet, and which stray had to make room.
func (p *peer) addStray(s *stray) (dropped *stray, alone bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.strays) >= mostStrays {
		dropped, p.strays = p.strays[0], p.strays[1:]
	}
	p.strays = append(p.strays, s)
	alone = !p.watched
	p.watched = true
	select {
	case p.strayed <- struct{}{}:
	default: // whoever watches is awake already
	}
	return dropped, alone
}

// watchStrays looks for the strays of a server until there are none left.
func (c *Client) watchStrays(ctx context.Context, p *peer) {
	for {
		due, pause := p.dueStrays(time.Now())
		switch {
		case len(due) > 0:
			p.settled(c.glance(ctx, due))
			continue
		case pause == 0:
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-p.strayed:
		case <-c.closing.Done():
			timer.Stop()
			c.lastGlance(ctx, p)
			return
		}
		timer.Stop()
	}
}

// dueStrays returns those that are to be looked for now, or the pause until then. With
// neither there is nothing to watch, and nobody watches.
func (p *peer) dueStrays(now time.Time) (due []*stray, pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.strays {
		left := s.next.Sub(now)
		switch {
		case left <= shortestGlance/2: // those that are nearly due come along
			due = append(due, s)
		case pause == 0 || left < pause:
			pause = left
		}
	}
	p.watched = len(p.strays) > 0
	return due, pause
}

// settled forgets strays.
func (p *peer) settled(gone map[*stray]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := make([]*stray, 0, len(p.strays))
	for _, s := range p.strays {
		if !gone[s] {
			kept = append(kept, s)
		}
	}
	p.strays = kept
}

// glance looks at the keys of strays once, and releases what it finds. It returns those
// that are over.
func (c *Client) glance(ctx context.Context, due []*stray) (gone map[*stray]bool) {
	gone = make(map[*stray]bool)
	for some := range slices.Chunk(due, glanceKeys) {
		err := c.glanceAt(ctx, some, gone)
		now := time.Now()
		for _, s := range some {
			switch {
			case err == nil:
				s.rest(now)
			case now.After(s.until) && now.After(s.ends):
				gone[s] = true
				c.forsake(s, err)
			default:
				s.next = now.Add(untilNextGlance)
			}
		}
	}
	return gone
}

// untilNextGlance is how long a server that is away is left alone.
const untilNextGlance = time.Second

// glanceAt notes in gone those that are over. It makes its requests once: those who wait
// for theirs must not find the server given up for this.
func (c *Client) glanceAt(ctx context.Context, strays []*stray, gone map[*stray]bool) error {
	var keys []string
	seen := make(map[string]bool)
	for _, s := range strays {
		if !seen[s.key] {
			seen[s.key] = true
			keys = append(keys, s.key)
		}
	}
	now := time.Now()
	var items map[string]*memcache.Item
	err := c.once(ctx, keys[0], func(s *peer) (err error) {
		items, err = s.mc.GetMulti(keys)
		return err
	})
	if err != nil {
		return err
	}
	for _, s := range strays {
		if item := items[s.key]; item != nil && string(item.Value) == s.owner {
			if err := c.sendAway(ctx, s, item.CasID); err != nil {
				return err
			}
		}
		if s.tries <= 0 || !now.Before(s.until) {
			gone[s] = true
		}
	}
	return nil
}

// sendAway releases a lock that was granted to a stray, if it is still as it was seen.
func (c *Client) sendAway(ctx context.Context, s *stray, cas uint64) error {
	h := &hold{key: s.key, owner: s.owner, cas: cas}
	err := c.once(ctx, s.key, func(s *peer) error { return s.tryReplace(h, h.owner, released, time.Now()) })
	switch {
	case errors.Is(err, memcache.ErrCASConflict):
		return nil // the next look tells
	case err != nil && !errors.Is(err, ErrLost):
		return err
	}
	s.tries--
	c.log.Info("a claim that was given up was granted, and is released", "key", s.key, "owner", s.owner, "token", cas,
		"late_ms", time.Since(s.since).Milliseconds())
	return nil
}

// lastGlance is for when the Client is closed.
func (c *Client) lastGlance(ctx context.Context, p *peer) {
	for {
		p.mu.Lock()
		left := p.strays
		p.strays, p.watched = nil, len(left) > 0
		p.mu.Unlock()
		if len(left) == 0 {
			return
		}
		gone := c.glance(ctx, left)
		for _, s := range left {
			if !gone[s] {
				c.forsake(s, ErrClosed)
			}
		}
	}
}

// forsake tells that nobody looks for a stray any more that may be granted yet.
func (c *Client) forsake(s *stray, why error) {
	c.log.Warn("a claim that was given up may hold its lock until its TTL is over", "key", s.key, "owner", s.owner, "error", why)
}
