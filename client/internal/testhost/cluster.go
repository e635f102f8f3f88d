package testhost

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
	"github.com/lockcached/lockcached/stats"
)

// ClusterPatience is the patience of a Cluster.
const ClusterPatience = 2 * time.Second

// A Cluster is some nodes in the memory of a test, which share their locks, so that each is as
// good as the owner of any key. Connections are pipes: it works in the bubbles of
// testing/synctest. Its methods may be called from any goroutine.
type Cluster struct {
	ID    string
	Locks *locks.Manager
	Nodes []*Node

	mu     sync.Mutex // guards what follows
	owners map[string]*Node
	busy   sync.WaitGroup
}

// A Node is one of a Cluster. Its address is its name with a port.
type Node struct {
	Name    string
	cluster *Cluster
	server  *server.Server

	mu    sync.Mutex // guards what follows
	state nodeState
	conns map[*pipe]bool
	asked map[string]int // requests by their first word, but for the question of a new connection
	dials int            // connections, and tries to connect
}

type nodeState uint8

const (
	running nodeState = iota
	killed
	stopped
	cutOff // from the other nodes
	gone   // killed, and no member any more
)

// NewCluster starts nodes a, b, c and so on, which end with the test.
func NewCluster(t *testing.T, id string, n int) *Cluster {
	c := &Cluster{ID: id, Locks: locks.NewManager(locks.Config{}), owners: make(map[string]*Node)}
	ctx, stop := context.WithCancel(context.Background())
	c.busy.Go(func() { c.Locks.Run(ctx) })
	for i := range n {
		node := &Node{
			Name: string(rune('a' + i)), cluster: c, conns: make(map[*pipe]bool), asked: make(map[string]int),
		}
		node.server = server.New(server.Config{Locks: c.Locks, Cluster: node})
		c.Nodes = append(c.Nodes, node)
	}
	t.Cleanup(func() {
		for _, node := range c.Nodes {
			node.Kill()
			_ = node.server.Shutdown(context.Background())
		}
		stop()
		c.busy.Wait()
	})
	return c
}

// Addrs are the addresses of all nodes.
func (c *Cluster) Addrs() (addrs []string) {
	for _, n := range c.Nodes {
		addrs = append(addrs, n.Addr())
	}
	return addrs
}

// Dial connects to a node. It is for client.Config.
func (c *Cluster) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	for _, n := range c.Nodes {
		if n.Addr() == addr {
			return n.dial(network)
		}
	}
	return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.EHOSTUNREACH}
}

// Own makes a node the owner of a key. The first one owns all others.
func (c *Cluster) Own(key string, n *Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owners[key] = n
}

// Addr is the address for clients.
func (n *Node) Addr() string { return n.Name + ":11211" }

func (n *Node) dial(network string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dials++
	if n.state == killed || n.state == gone {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	near, far := net.Pipe()
	p := &pipe{Conn: near, node: n}
	n.conns[p] = true
	n.cluster.busy.Go(func() { n.server.ServeConn(far) })
	if n.state == stopped {
		p.hush()
	}
	return p, nil
}

// Kill ends the node: nobody listens there.
func (n *Node) Kill() { n.set(killed) }

// Leave kills the node, which is then no member any more.
func (n *Node) Leave() { n.set(gone) }

// CutOff cuts the node off from the others. It answers SERVER_ERROR.
func (n *Node) CutOff() { n.set(cutOff) }

// Stop stops the node: it takes connections, and says nothing. The others replace it: what its
// clients wait for there is over.
func (n *Node) Stop() { n.set(stopped) }

// Start undoes the others. A node that was stopped closes the connections that it had.
func (n *Node) Start() { n.set(running) }

func (n *Node) set(state nodeState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.state
	n.state = state
	switch {
	case state == stopped:
		for p := range n.conns {
			p.hush()
		}
	case state == killed || state == gone || before == stopped:
		for p := range n.conns {
			p.end()
		}
		clear(n.conns)
	}
}

// Count is how many requests with that first word the node got, and how often somebody
// connected, or tried to.
func (n *Node) Count(word string) (requests, dials int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked[word], n.dials
}

// A pipe is the client's end of a connection to a node.
type pipe struct {
	node *Node

	mu       sync.Mutex // guards what follows
	net.Conn            // to the node, or into silence
	hushed   bool
	deadline time.Time
}

// hush lets the node see the end of the connection, but not the client.
func (p *pipe) hush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	near, far := net.Pipe()
	_ = p.Conn.Close()
	_ = near.SetDeadline(p.deadline)
	p.Conn, p.hushed = near, true
	p.node.cluster.busy.Go(func() { _, _ = io.Copy(io.Discard, far) })
}

func (p *pipe) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.Conn.Close()
}

func (p *pipe) Close() error {
	p.node.mu.Lock()
	delete(p.node.conns, p)
	p.node.mu.Unlock()
	p.end()
	return nil
}

func (p *pipe) now() (c net.Conn, hushed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Conn, p.hushed
}

func (p *pipe) Read(b []byte) (int, error) {
	c, hushed := p.now()
	n, err := c.Read(b)
	if err != nil && !hushed {
		if c, hushed = p.now(); hushed {
			return c.Read(b)
		}
	}
	return n, err
}

func (p *pipe) Write(b []byte) (int, error) {
	if text := string(b); text != "get lockcached:cluster\r\n" {
		word, _, _ := strings.Cut(text, " ")
		p.node.mu.Lock()
		p.node.asked[word]++
		p.node.mu.Unlock()
	}
	c, _ := p.now()
	n, err := c.Write(b)
	if _, hushed := p.now(); hushed {
		return len(b), nil // it went into a socket that nobody reads
	}
	return n, err
}

func (p *pipe) SetDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = t
	return p.Conn.SetDeadline(t)
}

func (n *Node) is(state nodeState) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state == state
}

// Local implements server.Cluster, as the other methods do.
func (n *Node) Local([]byte) bool { return !n.is(cutOff) }

// Call answers that there is no quorum.
func (n *Node) Call(c *server.Call) {
	n.cluster.busy.Go(func() {
		time.Sleep(ClusterPatience)
		c.Done(server.Reply{Err: errors.New("no quorum")})
	})
}

// Hurry is not needed.
func (n *Node) Hurry(*server.Call) {}

// Cancel is not needed.
func (n *Node) Cancel(*server.Call) {}

// Withdraw takes a grant back.
func (n *Node) Withdraw(key []byte, token uint64) { _ = n.cluster.Locks.Withdraw(key, token) }

// CloseSession is not needed.
func (n *Node) CloseSession(uint64) {}

// FlushAll frees all locks.
func (n *Node) FlushAll(delay time.Duration) error {
	n.cluster.Locks.FlushAfter(delay)
	return nil
}

// Owner is what Own has said. A node that is cut off believes to own all itself.
func (n *Node) Owner(key []byte) string {
	owner := n
	if !n.is(cutOff) {
		n.cluster.mu.Lock()
		owner = n.cluster.owners[string(key)]
		n.cluster.mu.Unlock()
	}
	if owner == nil {
		owner = n.cluster.Nodes[0]
	}
	return owner.Name + " clients=" + owner.Addr()
}

// Fields lists the nodes.
func (n *Node) Fields() []stats.Field {
	fields := []stats.Field{
		{Name: "cluster", Text: n.cluster.ID}, {Name: "node", Text: n.Name},
		{Name: "patience_ms", Text: "2000"}, {Name: "suspect_ms", Text: "1500"},
	}
	for _, m := range n.cluster.Nodes {
		if !m.is(gone) {
			fields = append(fields, stats.Field{Name: "node_" + m.Name, Text: "state=member,slots=1,clients=" + m.Addr()})
		}
	}
	return fields
}
