package cluster

import (
	"errors"
	"sync"
	"time"

	"github.com/lockcached/lockcached/cluster/link"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// Why a request was not carried out, or nobody knows whether it was; in words for clients.
var (
	errNoQuorum = errors.New("no quorum")
	errLost     = errors.New("owner lost, outcome unknown")
	errGone     = errors.New("the client has gone")
	errRefused  = errors.New("the owner does not know this request")
)

// The pause before a node is asked again that has answered, but does not serve the key (yet): its
// view and this one's differ for a moment. Each pause is twice as long as the one before, since
// after the loss of a node all its clients wait for those that take over, and these have work to do.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = 40 * time.Millisecond
)

// passage is a Call on its way to the owner of its key, wherever that is by then.
type passage struct {
	node *Node
	call *server.Call

	mu       sync.Mutex // guards what follows
	hurry    func()     // of the present try; nil between two
	cancel   func()
	hurried  bool          // the client has sent more
	canceled bool          // the client has gone
	trouble  time.Time     // since when no owner has been found; zero if one has the call
	pause    time.Duration // the next one before a try
	wake     chan struct{}
}

// Call implements server.Cluster.
func (n *Node) Call(c *server.Call) {
	p := &passage{node: n, call: c, wake: make(chan struct{}, 1)}
	n.mu.Lock()
	n.passed[c] = p
	n.mu.Unlock()
	p.try()
}

// try asks whoever serves the key now.
func (p *passage) try() {
	m, local, known := p.node.slots.Where(p.call.Key)
	switch {
	case local:
		p.here()
	case known:
		p.there(p.node.peer(m))
	default:
		p.again(0, errNoQuorum)
	}
}

// waited is for how long the client has waited by now.
func (p *passage) waited() time.Duration {
	if p.call.Kind != server.Claim {
		return 0
	}
	return time.Since(p.call.Since)
}

// here carries the call out at this node, to which the key has come back.
func (p *passage) here() {
	session := p.node.session(p.call)
	p.asked(session.Hurry, session.Cancel)
	began := time.Now()
	session.Do(p.call.Text, p.call.Claim, p.waited(), func(r server.Reply) { p.answered(began, r) })
}

// there passes the call on.
func (p *passage) there(to *peer) {
	began := time.Now()
	to.forwarded.Add(1)
	c := &link.Call{Session: p.call.Session, Client: p.call.Client, Request: p.call.Text, Claim: p.call.Claim, Waited: p.waited()}
	id := to.Call(c, func(r link.Reply) {
		p.answered(began, server.Reply{Text: r.Text, Granted: r.Granted, Token: r.Token, Err: r.Err})
	})
	p.asked(func() { to.Hurry(id) }, func() { to.Cancel(id) })
}

// asked notes how to reach whoever has the call, and tells what the client has done meanwhile.
func (p *passage) asked(hurry, cancel func()) {
	p.mu.Lock()
	p.hurry, p.cancel = hurry, cancel
	hurried, canceled := p.hurried, p.canceled
	p.mu.Unlock()
	if hurried {
		hurry()
	}
	if canceled {
		cancel()
	}
}

// answered is told what became of a try.
func (p *passage) answered(began time.Time, r server.Reply) {
	switch {
	case r.Err == nil:
		p.done(r)
	case errors.Is(r.Err, link.ErrUnsent), errors.Is(r.Err, link.ErrMoved), errors.Is(r.Err, locks.ErrMoved):
		p.again(time.Since(began), errNoQuorum)
	case errors.Is(r.Err, link.ErrLost) && p.call.Kind == server.Change:
		p.done(server.Reply{Err: errLost})
	case errors.Is(r.Err, link.ErrLost):
		p.again(time.Since(began), errNoQuorum)
	case errors.Is(r.Err, link.ErrRefused), errors.Is(r.Err, server.ErrNotPassed):
		p.done(server.Reply{Err: errRefused}) // it may be of another version
	case errors.Is(r.Err, link.ErrUnconfirmed):
		p.done(server.Reply{Err: errNoQuorum})
	default:
		p.done(r)
	}
}

// again tries once more when something has changed, unless the patience is over. lasted is how
// long the latest try has lasted: an owner that has had the call for a while is no trouble.
func (p *passage) again(lasted time.Duration, why error) {
	n := p.node
	p.mu.Lock()
	p.hurry, p.cancel = nil, nil
	if p.trouble.IsZero() || lasted > n.config.Patience {
		p.trouble, p.pause = time.Now(), firstPause
	}
	left, pause, canceled := n.config.Patience-time.Since(p.trouble), p.pause, p.canceled
	p.pause = min(2*pause, lastPause)
	p.mu.Unlock()
	switch {
	case canceled:
		p.done(server.Reply{Err: errGone})
		return
	case left <= 0:
		p.done(server.Reply{Err: why})
		return
	}
	changed := n.slots.Changed()
	go func() {
		select {
		case <-changed:
		case <-p.wake:
		case <-time.After(min(left, pause)):
		}
		p.try()
	}()
}

func (p *passage) done(r server.Reply) {
	p.node.mu.Lock()
	delete(p.node.passed, p.call)
	p.node.mu.Unlock()
	p.call.Done(r)
}

// Hurry implements server.Cluster.
func (n *Node) Hurry(c *server.Call) {
	n.tell(c, func(p *passage) (tell func()) { p.hurried = true; return p.hurry })
}

// Cancel implements server.Cluster.
func (n *Node) Cancel(c *server.Call) {
	n.tell(c, func(p *passage) (tell func()) { p.canceled = true; return p.cancel })
}

// tell tells whoever has a call what its client has done.
func (n *Node) tell(c *server.Call, note func(p *passage) (tell func())) {
	n.mu.Lock()
	p := n.passed[c]
	n.mu.Unlock()
	if p == nil {
		return
	}
	p.mu.Lock()
	tell := note(p)
	p.mu.Unlock()
	if tell != nil {
		tell()
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// session returns the session at this node for a client of this node.
func (n *Node) session(c *server.Call) *server.Remote {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.sessions[c.Session]
	if r == nil {
		r = n.server.OpenRemote(c.Client)
		n.sessions[c.Session] = r
	}
	return r
}

// CloseSession implements server.Cluster.
func (n *Node) CloseSession(id uint64) {
	n.mu.Lock()
	r := n.sessions[id]
	delete(n.sessions, id)
	for _, p := range n.peers {
		p.EndSession(id)
	}
	n.mu.Unlock()
	if r != nil {
		r.Close()
	}
}
