package enginetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
)

// A Node is the engine of one machine of a Fake.
type Node struct {
	fake   *Fake
	name   string
	closed chan struct{}

	// The Fake's mutex guards what follows.
	fault   func(engine.Txn) Fault
	cut     bool
	joined  chan struct{} // closed while the node is not cut off
	stalled bool
	held    []func()      // what arrived while it was stalled
	term    int           // of the leader that it knows
	noted   chan struct{} // closed when it notices another one
	broken  chan struct{} // closed when its watches end
	failing *failingList  // what happens to the next List; nil: nothing
}

// failingList is a List that fails when it has visited some pairs.
type failingList struct {
	visits int
	err    error
}

var _ engine.Engine = (*Node)(nil)

func newNode(f *Fake, name string) *Node {
	n := &Node{
		fake:   f,
		name:   name,
		closed: make(chan struct{}),
		fault:  func(engine.Txn) Fault { return Fault{} },
		joined: make(chan struct{}),
		term:   f.term,
		noted:  make(chan struct{}),
		broken: make(chan struct{}),
	}
	close(n.joined)
	return n
}

// SetFault sets what says what happens to the node's next Txn. It is called with the Fake
// locked.
func (n *Node) SetFault(fault func(engine.Txn) Fault) {
	n.fake.mu.Lock()
	defer n.fake.mu.Unlock()
	n.fault = fault
}

// Cut cuts the node off from all others until Mend, as a minority: what is on its way from
// it or to it is lost, and what is asked of it waits. Its watches are silent.
func (n *Node) Cut() {
	n.fake.mu.Lock()
	defer n.fake.mu.Unlock()
	if !n.cut {
		n.cut, n.joined = true, make(chan struct{})
	}
}

// Mend ends Cut.
func (n *Node) Mend() {
	n.fake.mu.Lock()
	defer n.fake.mu.Unlock()
	if n.cut {
		n.cut = false
		close(n.joined)
		n.notice()
		n.fake.stir()
	}
}

// Stall holds up the node's transactions until Resume, when they are carried out, even if
// nobody waits for them any more.
func (n *Node) Stall() {
	n.fake.mu.Lock()
	defer n.fake.mu.Unlock()
	n.stalled = true
}

// Resume ends Stall.
func (n *Node) Resume() {
	n.fake.mu.Lock()
	defer n.fake.mu.Unlock()
	n.stalled = false
	for _, carry := range n.held {
		carry()
	}
	n.held = nil
}

// BreakWatches ends the watches of the node: their readers have to read again.
func (n *Node) BreakWatches() {
	n.fake.mu.Lock()
	defer n.fake.mu.Unlock()
	close(n.broken)
	n.broken = make(chan struct{})
}

// FailList lets the node's next List fail with an ErrUnknown because of err, such as
// engine.ErrCompacted, after so many visits.
func (n *Node) FailList(visits int, err error) {
	n.fake.mu.Lock()
	defer n.fake.mu.Unlock()
	n.failing = &failingList{visits, err}
}

// notice tells whoever waits for another leader that there is one.
func (n *Node) notice() {
	if !n.cut && n.fake.hasLeader() && n.term != n.fake.term {
		n.term = n.fake.term
		close(n.noted)
		n.noted = make(chan struct{})
	}
}

// LeaderChanged implements engine.Engine.
func (n *Node) LeaderChanged() <-chan struct{} {
	n.fake.mu.Lock()
	defer n.fake.mu.Unlock()
	return n.noted
}

// HasLeader implements engine.Engine. The node knows at once.
func (n *Node) HasLeader() bool {
	n.fake.mu.Lock()
	defer n.fake.mu.Unlock()
	return !n.cut && n.fake.hasLeader()
}

// Compact forgets the history of the store up to the revision.
func (n *Node) Compact(_ context.Context, revision int64) error {
	n.fake.mu.Lock()
	defer n.fake.mu.Unlock()
	n.fake.store.compact(revision)
	n.fake.stir()
	return nil
}

// Close implements engine.Engine.
func (n *Node) Close() error {
	n.fake.mu.Lock()
	defer n.fake.mu.Unlock()
	if !n.isClosed() {
		close(n.closed)
	}
	return nil
}

func (n *Node) isClosed() bool {
	select {
	case <-n.closed:
		return true
	default:
		return false
	}
}

// Errors that say why an outcome is unknown.
var (
	errLost   = errors.New("connection lost")
	errLeader = errors.New("leader changed")
)

// unknown is the error of a call that ends without an answer.
func (n *Node) unknown(err error) error {
	return engine.Unknown(fmt.Errorf("node %s: %w", n.name, err))
}

// ready waits until a request can be sent, and returns the term of the leader to which it
// goes.
func (n *Node) ready(ctx context.Context) (term int, err error) {
	for {
		if n.isClosed() {
			return 0, engine.Refused("node %s: %w", n.name, engine.ErrClosed)
		}
		n.fake.mu.Lock()
		term, joined, elected := n.fake.term, n.joined, n.fake.elected
		ready := !n.cut && n.fake.hasLeader()
		n.fake.mu.Unlock()
		if ready {
			return term, nil
		}
		for _, c := range []chan struct{}{joined, elected} {
			if err := n.await(ctx, c); err != nil {
				return 0, err
			}
		}
	}
}

// await waits for a channel to be closed, unless the call ends before.
func (n *Node) await(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return n.unknown(ctx.Err())
	case <-n.closed:
		return n.unknown(engine.ErrClosed)
	}
}

// pause waits for as long as a request or an answer takes.
func (n *Node) pause(ctx context.Context) error {
	n.fake.mu.Lock()
	timer := time.NewTimer(n.fake.delay())
	n.fake.mu.Unlock()
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return n.unknown(ctx.Err())
	case <-n.closed:
		return n.unknown(engine.ErrClosed)
	}
}
