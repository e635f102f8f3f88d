package client

import (
	"net"
	"strings"

	"github.com/bradfitz/gomemcache/memcache"
)

// Keys below this prefix ask about a lock, or claim it; see protocol.md.
const (
	reserved    = "lockcached:"
	waitPrefix  = reserved + "wait=" // DURATION:KEY
	lockPrefix  = reserved + "lock:"
	retryPrefix = reserved + "retry:"
	// What the version is of the server that the key after it lives on. A memcached
	// knows no such key.
	versionPrefix = reserved + "version:"
	// What the version is of the server that answers.
	ownVersion = reserved + "version"
	// So many of the locks that are held or waited for.
	heldPrefix = reserved + "held:"
)

// NewSelector returns a selector that sends what is asked about a lock where the
// lock lives: it leaves the choice to inner, by the key without lockcached:wait=D:,
// lockcached:lock:, lockcached:retry: or lockcached:version:. A Client that is made from Servers has one.
// A *memcache.Client that is brought along needs it if it has several servers.
func NewSelector(inner memcache.ServerSelector) memcache.ServerSelector { return selector{inner} }

type selector struct{ inner memcache.ServerSelector }

// PickServer tells where a key lives.
func (s selector) PickServer(key string) (net.Addr, error) { return s.inner.PickServer(lockOf(key)) }

// Each calls f for each server until it fails; Ping and FlushAll go by it.
func (s selector) Each(f func(net.Addr) error) error { return s.inner.Each(f) }

// lockOf is the key of the lock that a key is about, which may be itself.
func lockOf(key string) string {
	if !strings.HasPrefix(key, reserved) {
		return key
	}
	if option, found := strings.CutPrefix(key, waitPrefix); found {
		if _, lock, found := strings.Cut(option, ":"); found {
			return lock
		}
		return key
	}
	for _, prefix := range []string{lockPrefix, retryPrefix, versionPrefix} {
		if lock, found := strings.CutPrefix(key, prefix); found {
			return lock
		}
	}
	return key
}

// single is the selector of a client with one server.
type single struct{ net.Addr }

func (s single) PickServer(string) (net.Addr, error) { return s.Addr, nil }
func (s single) Each(f func(net.Addr) error) error   { return f(s.Addr) }
