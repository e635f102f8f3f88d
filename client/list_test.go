package client

import (
	"fmt"
	"testing"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/locks"
)

// All servers are asked for their locks, and those that answer are listed.
func TestListOfSeveral(t *testing.T) {
	t.Parallel()
	first, second := newHost(t, locks.Config{}), newHost(t, locks.Config{})
	list, err := NewServerList(first.addr, second.addr)
	is(t, "addresses", err, nil)
	mc := memcache.NewFromSelector(list)
	mc.Timeout = patience
	t.Cleanup(func() { _ = mc.Close() })
	c := newClient(t, Config{}, first.addr, second.addr)
	for i := range 20 {
		l := take(t, c, fmt.Sprint("lock:", i))
		defer func() { is(t, "unlock", l.Unlock(), nil) }()
	}
	for _, c := range []*Client{c, newClient(t, Config{Memcache: mc, Selector: list})} {
		all, err := c.List(t.Context(), 100)
		is(t, "list", err, nil)
		at := make(map[string]int)
		for _, info := range all {
			at[info.Server]++
		}
		if len(all) != 20 || at[first.addr] == 0 || at[second.addr] == 0 {
			t.Errorf("%d locks, %v", len(all), at)
		}
	}
	some, err := newClient(t, Config{Tries: 1}, first.addr, "127.0.0.1:1", memcached(t)).List(t.Context(), 100)
	is(t, "with a server that is away", err, ErrUnavailable)
	is(t, "with a memcached", err, ErrPlain)
	if len(some) == 0 {
		t.Error("nothing of the server that has answered")
	}
}

// A token is all that is needed on memcached, too.
func TestReleaseOnBoth(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		c := newClient(t, Config{}, addr)
		l := take(t, c, "k")
		is(t, "another token", c.Release(t.Context(), "k", l.Token()+1), ErrLost)
		is(t, "release", c.Release(t.Context(), "k", l.Token()), nil)
		is(t, "unlock", l.Unlock(), ErrLost)
	})
}

// A release whose answer is lost has succeeded, and does no harm when it is made again.
func TestReleaseOfLostAnswer(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		direct := newClient(t, Config{}, addr)
		network := "tcp"
		if addr[0] == '/' {
			network = "unix"
		}
		for range 5 {
			r := newRelay(t, network, addr, 2) // the second answer
			l := take(t, direct, "k")
			is(t, "release", newClient(t, Config{}, r.Addr()).Release(t.Context(), "k", l.Token()), nil)
			is(t, "unlock", l.Unlock(), ErrLost)
		}
	})
}
