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
	if client.mc == nil {
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
	}
	if c.config.Memcache != nil {
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

// serverOf is the server where a key lives.
func (c *Client) serverOf(key string) (*peer, error) {
	name := unknownServers
	var addr net.Addr
	if c.selector != nil {
		var err error
		if addr, err = c.selector.PickServer(key); err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
		name = addr.String()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peers[name] == nil {
		c.peers[name] = &peer{name: name, addr: addr, onAway: c.lost, strayed: make(chan struct{}, 1)}
	}
	return c.peers[name], nil
}

// lost follows the loss of a server: the idle connections to it are dead, too, and
// would use up a try each. gomemcache can only close all that it has, which costs the
// other servers a new connection.
func (c *Client) lost(s *peer) {
	_ = c.mc.Close()
	s.dropLines()
}
