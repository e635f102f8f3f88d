package client

import (
	"net"
	"strings"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/protocol"
)

// NewSelector returns a selector that sends what is asked about a lock where the
// lock lives: it leaves the choice to inner, by the key without lockcached:wait=D:,
// lockcached:lock:, lockcached:retry: or lockcached:version:. A Client that is made from
// Servers has one. A *memcache.Client that is brought along needs it if it has several
// servers.
func NewSelector(inner memcache.ServerSelector) memcache.ServerSelector { return selector{inner} }

// What stands in front of the key of a lock to ask about it, and of a number of locks.
var (
	lockPrefix    = protocol.LockKey("")
	retryPrefix   = protocol.RetryKey("")
	versionPrefix = protocol.VersionKey("")
	heldPrefix    = protocol.HeldKey("")
	ownVersion    = protocol.ReservedPrefix + "version" // of the server that answers
)

type selector struct{ inner memcache.ServerSelector }

// PickServer tells where a key lives.
func (s selector) PickServer(key string) (net.Addr, error) { return s.inner.PickServer(lockOf(key)) }

// Each calls f for each server until it fails; Ping and FlushAll go by it.
func (s selector) Each(f func(net.Addr) error) error { return s.inner.Each(f) }

// lockOf is the key of the lock that a key is about, which may be itself.
func lockOf(key string) string {
	if !isReserved(key) {
		return key
	}
	asked, _ := protocol.ParseKey([]byte(key))
	switch asked.Topic {
	case protocol.WaitTopic, protocol.LockTopic, protocol.RetryTopic, protocol.VersionTopic:
		if len(asked.Name) > 0 {
			return string(asked.Name)
		}
	}
	return key
}

func isReserved(key string) bool { return strings.HasPrefix(key, protocol.ReservedPrefix) }

// single is the selector of a client with one server.
type single struct{ net.Addr }

func (s single) PickServer(string) (net.Addr, error) { return s.Addr, nil }
func (s single) Each(f func(net.Addr) error) error   { return f(s.Addr) }
