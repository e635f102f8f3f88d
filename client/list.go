package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// longestList is the longest list that a server gives.
const longestList = 10_000

// List tells which locks are held or waited for, on all servers together: those with the
// most waiters first, then the oldest holds, limit of them, which is 1 to 10,000. Of an
// Info it has Server and what is known of the hold and the line, but neither Rank nor
// statistics. Plain memcached knows nothing of locks: that is ErrPlain, and so is a
// lockcached that was started with -X. With an error come the locks of the servers that
// have answered; of a cluster all nodes are asked that there are, and the error names those that
// cannot be. With a Memcache whose Selector is not given, one server is asked.
func (c *Client) List(ctx context.Context, limit int) ([]Info, error) {
	if limit < 1 || limit > longestList {
		return nil, fmt.Errorf("client: List of %d, want 1 to %d", limit, longestList)
	}
	if err := c.begin(); err != nil {
		return nil, err
	}
	defer c.pending.Done()
	all, failed := c.lists(ctx, limit)
	slices.SortStableFunc(all, func(a, b Info) int {
		return cmp.Or(cmp.Compare(b.Waiters, a.Waiters), cmp.Compare(b.Age, a.Age))
	})
	return all[:min(len(all), limit)], failed
}

// lists are the lists of all servers.
func (c *Client) lists(ctx context.Context, limit int) (all []Info, failed error) {
	if c.fleet != nil {
		return c.fleet.lists(ctx, limit)
	}
	keys, err := c.listKeys(limit)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		some, err := c.listAt(ctx, key)
		all, failed = append(all, some...), errors.Join(failed, err)
	}
	return all, failed
}

// listKeys are keys that ask for a list of that length, or longer, one for each server:
// only the key says to a selector which one is meant.
func (c *Client) listKeys(limit int) (keys []string, err error) {
	if c.selector == nil {
		return []string{heldPrefix + strconv.Itoa(limit)}, nil
	}
	missing := make(map[string]bool)
	err = c.selector.Each(func(addr net.Addr) error {
		missing[addr.String()] = true
		return nil
	})
	const enough = 10_000 // but for a selector that gives a server nothing
	for n := limit; err == nil && len(missing) > 0 && n < limit+enough; n++ {
		var addr net.Addr
		key := heldPrefix + strconv.Itoa(n)
		if addr, err = c.selector.PickServer(key); err == nil && missing[addr.String()] {
			delete(missing, addr.String())
			keys = append(keys, key)
		}
	}
	return keys, err
}

// listAt is the list of one server.
func (c *Client) listAt(ctx context.Context, key string) ([]Info, error) {
	s, err := c.serverOf(key)
	if err != nil {
		return nil, err
	}
	var item *memcache.Item
	err = c.do(ctx, key, func(s *peer) (err error) {
		item, err = s.mc.Get(key)
		return err
	})
	return s.listed(item, err)
}

// lists are the lists of all nodes.
func (f *fleet) lists(ctx context.Context, limit int) (all []Info, failed error) {
	nodes, err := f.now(ctx)
	if err != nil {
		return nil, err
	}
	key := heldPrefix + strconv.Itoa(limit)
	for _, p := range nodes {
		var item *memcache.Item
		began := time.Now()
		err := p.attempt(ctx, func() (err error) {
			item, err = p.mc.Get(key)
			return err
		})
		if isFault(err) {
			err = &FaultError{Server: p.name, Tries: 1, Spent: time.Since(began), Gone: p.hasAnswered(), Err: err}
		}
		some, err := p.listed(item, err)
		all, failed = append(all, some...), errors.Join(failed, err)
	}
	return all, failed
}

// listed reads the list of one server.
func (s *peer) listed(item *memcache.Item, err error) ([]Info, error) {
	switch {
	case errors.Is(err, memcache.ErrCacheMiss):
		return nil, fmt.Errorf("%w, or it lists no locks: %s", ErrPlain, s.name)
	case err != nil:
		return nil, err
	}
	var list []Info
	for line := range strings.Lines(string(item.Value)) {
		if key, fields, found := strings.Cut(strings.TrimSuffix(line, "\n"), " "); found {
			i := parseListed(key, fields, s.name)
			i.Node = s.nodeName()
			list = append(list, i)
		}
	}
	return list, nil
}

// parseListed reads what a list tells of a lock.
func parseListed(key, fields, server string) Info {
	i := Info{Key: key, Server: server, Fields: make(map[string]string)}
	for pair := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(pair, "=")
		i.Fields[name] = value
	}
	i.read()
	return i
}
