package client

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/bradfitz/gomemcache/memcache"
)

// A Client takes locks. It may be used by any number of goroutines.
type Client struct {
	config   Config
	log      *slog.Logger
	observed observers
	mc       *memcache.Client
	dialer   Dialer
	selector memcache.ServerSelector // nil if it is not known
	fleet    *fleet                  // the nodes of a cluster; nil for single servers
	turns    turns
	memories *memories
	attached sync.Map // see Attached

	closing context.Context // ends with Close
	close   context.CancelCauseFunc
	pending sync.WaitGroup // claims, and what goes on in the background

	mu     sync.Mutex // guards what follows
	closed bool
	peers  map[string]*peer // by address
}

// New returns a Client. It connects to nothing yet, and looks no name up.
func New(c Config) (*Client, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	client := &Client{
		config: c, log: c.Logger, mc: c.Memcache, selector: c.Selector,
		dialer:   Dialer{Timeout: c.Timeout, TLS: c.TLS, Dial: c.Dial, User: c.User, Password: c.Password},
		memories: newMemories(),
		observed: c.Observers,
		peers:    make(map[string]*peer),
	}
	client.closing, client.close = context.WithCancelCause(context.Background())
	switch {
	case len(c.Cluster) > 0:
		var err error
		if client.fleet, err = newFleet(client, c.Cluster); err != nil {
			return nil, fmt.Errorf("client: Config.Cluster: %w", err)
		}
	case client.mc == nil:
		list, err := NewServerList(c.Servers...)
		if err != nil {
			return nil, fmt.Errorf("client: Config.Servers: %w", err)
		}
		client.selector = list
		client.mc = memcache.NewFromSelector(client.selector)
		client.mc.Timeout, client.mc.MaxIdleConns = c.Timeout, c.MaxIdleConns
		client.mc.DialContext = client.dialer.DialContext
	}
	return client, nil
}

// Close ends all waits with ErrClosed and closes the connections. Locks that are held
// run out by themselves, and nothing keeps them alive any more: unlock them first.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.close(ErrClosed)
	c.pending.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.peers {
		s.dropLines()
		if c.fleet != nil {
			_ = s.mc.Close()
		}
	}
	if c.config.Memcache != nil || c.fleet != nil {
		return nil
	}
	return c.mc.Close()
}

// begin keeps Close from ending before done is called.
func (c *Client) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	c.pending.Add(1)
	return nil
}

// background does something that nobody waits for but Close. It is for those who
// have begun.
func (c *Client) background(do func(context.Context)) {
	c.pending.Go(func() { do(context.Background()) })
}

// unknownServers stands for all servers of a Memcache whose selector is not known.
const unknownServers = "of Config.Memcache"

// serverOf is the server where a key lives. In a cluster it is the node to ask about it.
func (c *Client) serverOf(key string) (*peer, error) {
	if c.fleet != nil {
		return c.fleet.pick(key), nil
	}
	name := unknownServers
	var addr net.Addr
	if c.selector != nil {
		var err error
		if addr, err = c.selector.PickServer(key); err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
		name = addr.String()
	}
	return c.peerOf(name, func() *peer {
		return &peer{name: name, addr: addr, mc: c.mc, onAway: c.lost, strayed: make(chan struct{}, 1)}
	}), nil
}

// peerOf returns the server of that name, which build makes the first time.
func (c *Client) peerOf(name string, build func() *peer) *peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peers[name] == nil {
		c.peers[name] = build()
	}
	return c.peers[name]
}

// route is serverOf for what is worth asking which node of a cluster serves the key.
func (c *Client) route(ctx context.Context, key string) (*peer, error) {
	if c.fleet != nil {
		c.fleet.locate(ctx, key)
	}
	return c.serverOf(key)
}

// home is the server that a claim belongs to, whichever node of a cluster it is sent to.
func (c *Client) home(key string) (*peer, error) {
	if c.fleet != nil {
		return c.fleet.whole, nil
	}
	return c.serverOf(key)
}

// hopeless reports whether all that could be tried instead of a server fails at once, too.
func (c *Client) hopeless(s *peer) bool {
	if c.fleet != nil {
		return c.fleet.hopeless()
	}
	return s.hopeless()
}

// lost follows the loss of a server: the idle connections to it are dead, too, and
// would use up a try each. gomemcache can only close all that it has, which costs the
// other servers a new connection.
func (c *Client) lost(s *peer) {
	_ = c.mc.Close()
	s.dropLines()
}
