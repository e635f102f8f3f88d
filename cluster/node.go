package cluster

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/cluster/journal"
	"github.com/lockcached/lockcached/cluster/link"
	"github.com/lockcached/lockcached/cluster/slots"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// Config says what a node is. Engine, Prefix, Name, Link, Nodes and Clock are required.
type Config struct {
	Engine  engine.Engine
	Prefix  string   // of all keys of the cluster in the engine
	Name    string   // of this node
	Link    string   // HOST:PORT at which other nodes reach it
	Clients string   // HOST:PORT at which clients do
	Version string   // of lockcached
	Nodes   []string // names of the nodes that the cluster begins with
	// Status tells how the engine is; nil: nobody can tell.
	Status func(context.Context) (engine.Status, error)
	// Embedded says that the engine's members are nodes, by the same names.
	Embedded bool
	// TLS is for the links: with the certificate that this node shows to both ends, and the
	// authorities by which it judges others. nil: links are not encrypted.
	TLS *tls.Config
	// Patience is how long a request waits for the quorum or for an owner. 0 means
	// DefaultPatience.
	Patience time.Duration
	// Suspect is the silence after which a node is taken for dead. 0 means DefaultSuspect.
	Suspect time.Duration
	Clock   func() time.Duration // CLOCK_BOOTTIME
	Logger  zerolog.Logger
}

// What the zero values of a Config stand for.
const (
	DefaultPatience = 2 * time.Second
	DefaultSuspect  = 1500 * time.Millisecond
)

// beatsPerSuspect is how many signs of life a link carries in the time of Config.Suspect.
const beatsPerSuspect = 5

// acceptPause is the pause after a link that could not be accepted.
const acceptPause = 100 * time.Millisecond

// Node is a node of a cluster. Create the locks with its Journal and Owned, the server with the
// Node as its Cluster, and then call Run. Its methods may be called from any goroutine.
type Node struct {
	config  Config
	process string // names this process on links
	journal *journal.Journal
	slots   *slots.Node
	locks   *locks.Manager
	server  *server.Server
	id      atomic.Value // of the cluster, a string

	observer observer
	leaving  atomic.Bool // Drain was called

	mu        sync.Mutex // guards what follows
	peers     map[string]*peer
	forwarded map[string]*atomic.Uint64 // calls passed on, by the name of the node
	passed    map[*server.Call]*passage
	sessions  map[uint64]*server.Remote // of clients of this node, for keys that came back to it
	running   context.Context           // while Run runs
}

// peer is the link to another incarnation.
type peer struct {
	*link.Peer
	config    link.Config
	stop      context.CancelFunc
	forwarded *atomic.Uint64 // calls passed on to the node, in any of its incarnations
}

// New returns a Node.
func New(c Config) *Node {
	if c.Patience == 0 {
		c.Patience = DefaultPatience
	}
	if c.Suspect == 0 {
		c.Suspect = DefaultSuspect
	}
	n := &Node{
		config:    c,
		process:   c.Name + "/" + rand.Text(),
		peers:     make(map[string]*peer),
		forwarded: make(map[string]*atomic.Uint64),
		passed:    make(map[*server.Call]*passage),
		sessions:  make(map[uint64]*server.Remote),
	}
	n.observer.node, n.observer.log = n, c.Logger
	n.journal = journal.New(journal.Config{
		Engine: c.Engine, Prefix: c.Prefix, Clock: c.Clock, Patience: c.Patience, Logger: c.Logger,
	})
	n.slots = slots.New(slots.Config{
		Engine:  c.Engine,
		Prefix:  c.Prefix,
		Self:    slots.Member{Name: c.Name, Link: c.Link, Clients: c.Clients, Version: c.Version},
		Nodes:   c.Nodes,
		Journal: n.journal,
		Locks:   (*held)(n),
		Pulse:   (*pulse)(n),
		Suspect: c.Suspect,
		Origin:  n.origin(),
		Logger:  c.Logger,
	})
	return n
}

// restoredAhead is how far tokens are put ahead after the engine was restored. They begin at the
// clock in nanoseconds, so that this is by how much the clocks of machines may differ.
const restoredAhead = 24 * time.Hour

// origin returns how to learn the id of the engine, nil if there is no way.
func (n *Node) origin() func(ctx context.Context) (id string, tokens uint64, err error) {
	if n.config.Status == nil {
		return nil
	}
	return func(ctx context.Context) (string, uint64, error) {
		s, err := n.config.Status(ctx)
		return strconv.FormatUint(s.Cluster, 16), n.locks.LatestToken() + uint64(restoredAhead), err
	}
}

// Journal is where the locks of the node are kept.
func (n *Node) Journal() locks.Journal { return n.journal }

// Owned reports whether the node serves a key now.
func (n *Node) Owned(key []byte) bool { return n.slots.Owned(key) }

// Run joins the cluster and serves the links from other nodes, until the context is done. It
// closes the listener.
func (n *Node) Run(ctx context.Context, m *locks.Manager, s *server.Server, links net.Listener) {
	n.locks, n.server = m, s
	if n.config.TLS != nil {
		links = tls.NewListener(links, n.config.TLS)
	}
	n.mu.Lock()
	n.running = ctx
	n.mu.Unlock()
	var all sync.WaitGroup
	all.Go(func() { _ = n.Identify(ctx) })
	all.Go(func() { n.slots.Run(ctx) })
	all.Go(func() { n.accept(ctx, links) })
	all.Go(func() { n.keepPeers(ctx) })
	all.Go(func() { n.observer.run(ctx) })
	<-ctx.Done()
	_ = links.Close()
	all.Wait()
}

// Drain hands all slots over to other nodes. It returns when that is done or the context is.
func (n *Node) Drain(ctx context.Context) error {
	n.leaving.Store(true)
	return n.slots.Drain(ctx)
}

// accept serves the links that other nodes make.
func (n *Node) accept(ctx context.Context, links net.Listener) {
	far := &link.Far{Self: n.slots.Incarnation, Host: (*host)(n), Silence: n.config.Suspect}
	var all sync.WaitGroup
	defer all.Wait()
	for {
		nc, err := links.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			n.config.Logger.Warn().Err(err).Msg("cannot accept links")
			time.Sleep(acceptPause)
			continue
		}
		all.Go(func() { _ = far.Serve(ctx, nc) })
	}
}

// keepPeers gives up the links to incarnations that are not members any more.
func (n *Node) keepPeers(ctx context.Context) {
	for {
		changed := n.slots.Changed()
		members, present := make(map[string]bool), n.slots.Members()
		if n.slots.Incarnation() != "" && ctx.Err() == nil { // otherwise nothing is known of the others
			n.observer.logMembers(present)
		}
		for _, m := range present {
			members[m.Incarnation] = true
			if m.Name != n.config.Name {
				n.peer(m)
			}
		}
		n.mu.Lock()
		for incarnation, p := range n.peers {
			if !members[incarnation] {
				p.stop()
				delete(n.peers, incarnation)
			}
		}
		n.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// peer returns the link to a member, which it makes if there is none.
func (n *Node) peer(m slots.Member) *peer {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.peers[m.Incarnation]; p != nil {
		return p
	}
	if n.forwarded[m.Name] == nil {
		n.forwarded[m.Name] = new(atomic.Uint64)
	}
	p := &peer{forwarded: n.forwarded[m.Name], config: link.Config{
		Self: n.process, Node: m.Incarnation,
		Dial:         func(ctx context.Context) (net.Conn, error) { return n.dial(ctx, m.Link) },
		BeatInterval: n.config.Suspect / beatsPerSuspect, Silence: n.config.Suspect, Logger: n.config.Logger,
	}}
	p.Peer = link.NewPeer(p.config)
	var ctx context.Context
	ctx, p.stop = context.WithCancel(n.running)
	n.peers[m.Incarnation] = p
	go p.Run(ctx)
	return p
}

func (n *Node) dial(ctx context.Context, address string) (net.Conn, error) {
	if n.config.TLS != nil {
		return (&tls.Dialer{Config: n.config.TLS}).DialContext(ctx, "tcp", address)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}
