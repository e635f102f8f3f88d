package client

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/locks"
)

// newThief leads to a server, and deletes a lock in the moment in which its holder first
// looks at it.
func newThief(t *testing.T, target, key string) (addr string) {
	t.Helper()
	thief := memcache.New(target)
	thief.Timeout = patience
	t.Cleanup(func() { _ = thief.Close() })
	return newProxy(t, target, func(near, far net.Conn) {
		defer near.Close()
		defer far.Close()
		go func() { _, _ = io.Copy(near, far) }()
		for in := bufio.NewReader(near); ; {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if strings.HasPrefix(line, "gets "+key) {
				_ = thief.Delete(key)
			}
			if _, err := io.WriteString(far, line); err != nil {
				return
			}
		}
	})
}

// A lock that was merely lost is not misrouted.
func TestLostIsNotMisrouted(t *testing.T) {
	t.Parallel()
	addr := newThief(t, newHost(t, locks.Config{}).addr, "k")
	list, err := NewServerList(addr)
	is(t, "address", err, nil)
	for _, config := range []Config{
		{Servers: []string{addr}},
		{Memcache: memcache.New(addr)},
		{Memcache: memcache.NewFromSelector(list), Selector: list},
		{Memcache: memcache.NewFromSelector(list), Selector: list.(selector).inner},
	} {
		if config.Memcache != nil {
			config.Memcache.Timeout = patience
			t.Cleanup(func() { _ = config.Memcache.Close() })
		}
		_, err := newClient(t, config).Lock(t.Context(), "k")
		is(t, "lock", err, ErrLost)
		if errors.Is(err, ErrMisrouted) {
			t.Error(err)
		}
	}
}

// With several servers and a selector that spreads the reserved keys, that is found out.
func TestMisroutedBySeveral(t *testing.T) {
	t.Parallel()
	first, second := newHost(t, locks.Config{}), newHost(t, locks.Config{})
	list, err := NewServerList(first.addr, second.addr)
	is(t, "addresses", err, nil)
	wrong := list.(selector).inner
	for _, selector := range []memcache.ServerSelector{nil, wrong, list} {
		mc := memcache.NewFromSelector(wrong)
		if selector == list {
			mc = memcache.NewFromSelector(list)
		}
		mc.Timeout = patience
		t.Cleanup(func() { _ = mc.Close() })
		c := newClient(t, Config{Memcache: mc, Selector: selector})
		misrouted := 0
		for i := range 30 {
			l, err := c.TryLock(t.Context(), fmt.Sprintf("%p:%d", mc, i))
			switch {
			case err == nil:
				is(t, "unlock", l.Unlock(), nil)
			case errors.Is(err, ErrMisrouted):
				misrouted++
			case !errors.Is(err, ErrLost):
				t.Error(err)
			}
		}
		if (misrouted == 0) != (selector == list) {
			t.Errorf("with %T %d keys are misrouted", selector, misrouted)
		}
	}
}
