package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
	"github.com/lockcached/lockcached/server"
)

// findServer returns the address of the server to use, and a function that stops it.
// It starts a server if none was named; a server that was named is not stopped.
func (c *Config) findServer(ctx context.Context) (addr string, stop func(), err error) {
	if c.Server != "" {
		// A Client's error about an unknown name would not contain the name.
		return c.Server, func() {}, new(memcache.ServerList).SetServers(c.Server)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	return l.Addr().String(), startServer(context.WithoutCancel(ctx), l), nil
}

// startServer starts a server in this process. It returns a function that stops it.
func startServer(ctx context.Context, l net.Listener) (stop func()) {
	manager := locks.NewManager(locks.Config{MaxWait: longWait, MaxWaiters: maxClients})
	return serve(ctx, manager, server.Config{MaxConns: maxClients, Settings: server.Settings{Threads: 1}}, l)
}

// serve has a server of that configuration serve what the manager has. It returns a function
// that stops it.
func serve(ctx context.Context, manager *locks.Manager, c server.Config, l net.Listener) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	go manager.Run(ctx)
	c.Locks = manager
	srv := server.New(c)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(l) // it returns because we stop it; a client notices any other failure
	}()
	return func() {
		ending, done := context.WithTimeout(ctx, time.Second)
		defer done()
		_ = srv.Shutdown(ending) // a timeout is harmless: no client is left
		<-served
		cancel()
	}
}

// probe finds out what a server offers besides add and delete.
func (c *Config) probe(ctx context.Context, addr string) (needs, error) {
	mc := newClient(addr, c.dial)
	defer mc.Close()
	key := fmt.Sprintf("experiment:probe:%x", time.Now().UnixNano())
	var offer needs
	for _, ask := range []struct {
		key  string
		need needs
	}{{protocol.LockKey(key), tells}, {protocol.RetryKey(key), advises}} {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		_, err := mc.Get(ask.key)
		switch {
		case err == nil:
			offer |= ask.need
		case !errors.Is(err, memcache.ErrCacheMiss) && !answered(err):
			return 0, fmt.Errorf("%s: %w", addr, err)
		}
	}
	can, err := probeWait(mc, key)
	if can {
		offer |= queues
	}
	return offer, err
}

// probeWait reports whether a claim that may wait becomes a lock with its real name.
// A server without waiting stores it under the whole key.
func probeWait(mc *memcache.Client, key string) (bool, error) {
	long := protocol.WaitKey(time.Millisecond, key)
	if err := mc.Add(&memcache.Item{Key: long, Value: []byte("probe"), Expiration: 1}); err != nil {
		if answered(err) {
			return false, nil
		}
		return false, err
	}
	_, err := mc.Get(key)
	name := key
	if errors.Is(err, memcache.ErrCacheMiss) {
		name = long
	}
	return name == key, errors.Join(ignoreMiss(err), ignoreMiss(mc.Delete(name)))
}

func ignoreMiss(err error) error {
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil
	}
	return err
}

// answered reports whether an error is the answer of a server, and not the lack of one.
func answered(err error) bool {
	return errors.Is(err, memcache.ErrServerError) || strings.Contains(err.Error(), "unexpected response line") ||
		strings.Contains(err.Error(), "client error")
}
