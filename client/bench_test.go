package client

import (
	"net"
	"testing"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// BenchmarkLock compares a lock that is free with the same requests made by hand: add,
// gets, and a cas that ends the hold.
func BenchmarkLock(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := server.New(server.Config{Locks: locks.NewManager(locks.Config{})})
	go func() { _ = s.Serve(l) }()
	defer func() { _ = s.Shutdown(b.Context()) }()
	c, err := New(Config{Servers: []string{l.Addr().String()}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()

	b.Run("client", func(b *testing.B) {
		for b.Loop() {
			l, err := c.Lock(b.Context(), "k")
			if err != nil {
				b.Fatal(err)
			}
			if err := l.Unlock(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("gomemcache", func(b *testing.B) {
		for b.Loop() {
			if err := c.mc.Add(&memcache.Item{Key: "k", Value: []byte("me"), Expiration: 30}); err != nil {
				b.Fatal(err)
			}
			lock, err := c.mc.Get("k")
			if err != nil {
				b.Fatal(err)
			}
			lock.Expiration = -1
			if err := c.mc.CompareAndSwap(lock); err != nil {
				b.Fatal(err)
			}
		}
	})
}
