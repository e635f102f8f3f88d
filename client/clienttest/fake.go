// Package clienttest lets programs that take locks by package client be tested without a
// server. A Fake is a lockcached in the memory of the test: a Client of it is an ordinary
// Client, whose connections are pipes. So it behaves as in production, in everything: it
// waits in line, renews, loses locks, and finds its server away.
//
//	fake := clienttest.New()
//	defer fake.Close()
//	err := work(ctx, fake.Client())
//
// A test says what others do: Hold is somebody who has the lock, End takes it away, SetAway
// is the server that cannot be reached. A Fake needs no network, and works in the bubbles
// of testing/synctest, where a lease of an hour is over at once; it has to be made, and
// closed, within the bubble.
package clienttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// Name is what the server is called in errors.
const Name = "fake:11211"

// Others is whose name is in a lock that Hold has taken.
const Others = "somebody-else"

// A Fake is a lockcached without a network. Its methods may be called from any goroutine.
type Fake struct {
	locks  *locks.Manager
	server *server.Server
	others *client.Client
	mc     *memcache.Client
	stop   context.CancelFunc
	busy   sync.WaitGroup

	mu      sync.Mutex // guards what follows
	away    bool
	conns   map[*tracked]bool // of Clients
	clients []*client.Client
}

// New starts a Fake. Close ends it.
func New() *Fake {
	f := &Fake{locks: locks.NewManager(locks.Config{}), conns: make(map[*tracked]bool)}
	f.server = server.New(server.Config{Locks: f.locks})
	ctx, cancel := context.WithCancel(context.Background())
	f.stop = cancel
	f.busy.Go(func() { f.locks.Run(ctx) })
	f.others = mustNew(client.Config{Servers: []string{Name}, Dial: f.pipe, Owner: Others, Timeout: patience})
	list, err := client.NewServerList(Name)
	if err != nil {
		panic(err)
	}
	f.mc = memcache.NewFromSelector(list)
	f.mc.DialContext, f.mc.Timeout = f.pipe, patience
	return f
}

// patience is for how long the answer of a server may take that is in the same process.
const patience = time.Minute

func mustNew(c client.Config) *client.Client {
	made, err := client.New(c)
	if err != nil {
		panic(err) // it is a constant
	}
	return made
}

// Close closes the Clients that Client has made, and ends the Fake.
func (f *Fake) Close() {
	f.mu.Lock()
	clients := f.clients
	f.clients = nil
	f.mu.Unlock()
	for _, c := range append(clients, f.others) {
		_ = c.Close()
	}
	_ = f.mc.Close()
	f.SetAway(true)
	ending, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = f.server.Shutdown(ending)
	f.stop()
	f.busy.Wait()
}

// Config is a configuration that has the Fake for its server, and is else the default. A
// test may change the rest, and closes what it makes of it.
func (f *Fake) Config() client.Config {
	return client.Config{Servers: []string{Name}, Dial: f.dial}
}

// Client is a Client with that configuration, which Close closes. Each call makes another:
// they stand for different processes.
func (f *Fake) Client() *client.Client {
	c := mustNew(f.Config())
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clients = append(f.clients, c)
	return c
}

// Hold lets somebody else take the lock, who has it until release is called, or End. If
// somebody has it already that is client.ErrHeld.
func (f *Fake) Hold(key string) (release func(), err error) {
	l, err := f.others.TryLock(context.Background(), key, client.KeepAlive())
	if err != nil {
		return nil, err
	}
	return func() { _ = l.Unlock() }, nil // lost, if End came first
}

// End takes the lock away from whoever has it, as a delete by an operator does, and
// reports whether anybody had it. Whoever is next in line gets it. The one who had it
// learns of that with the next renewal, or at Unlock.
func (f *Fake) End(key string) bool {
	err := f.mc.Delete(key)
	if err != nil && !errors.Is(err, memcache.ErrCacheMiss) {
		panic(fmt.Sprintf("clienttest: End(%q): %v", key, err)) // no key of a lock
	}
	return err == nil
}

// Held reports whether anybody has the lock.
func (f *Fake) Held(key string) bool { return f.lookup(key).Held }

// Queued is how many wait in line for the lock.
func (f *Fake) Queued(key string) int { return f.lookup(key).Queued }

func (f *Fake) lookup(key string) locks.Lock {
	l, _ := f.locks.Lookup([]byte(key), nil) // the error is that of a cluster
	return l
}

// SetAway cuts the connections of all Clients and lets none connect, or lets them again.
// Locks stay held, and leases run on.
func (f *Fake) SetAway(away bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = away
	if !away {
		return
	}
	for conn := range f.conns {
		_ = conn.Conn.Close()
	}
	clear(f.conns)
}

// dial is how Clients connect.
func (f *Fake) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	pipe, err := f.pipe(ctx, network, addr)
	conn := &tracked{pipe, f}
	f.conns[conn] = true
	return conn, err
}

// pipe connects whether the server is away or not.
func (f *Fake) pipe(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	f.busy.Go(func() { f.server.ServeConn(far) })
	return near, nil
}

// A tracked connection is forgotten when it is closed.
type tracked struct {
	net.Conn
	fake *Fake
}

func (t *tracked) Close() error {
	t.fake.mu.Lock()
	delete(t.fake.conns, t)
	t.fake.mu.Unlock()
	return t.Conn.Close()
}
