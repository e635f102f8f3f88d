package enginetest

import (
	"strings"
	"sync"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
)

// A Fake is the cluster of a test. Make it with New, within the bubble. All methods may be
// called from any goroutine.
type Fake struct {
	mu      sync.Mutex // guards what follows, and what is in nodes
	store   *store
	nodes   []*Node
	delay   func() time.Duration
	carried func(node string, t engine.Txn, o engine.Outcome)
	term    int           // rises when a leader is lost
	elected chan struct{} // closed while there is a leader
	moved   chan struct{} // closed when there is something new for those who watch
}

// New makes a Fake in which a request takes a millisecond to arrive, and its answer another.
func New() *Fake {
	f := &Fake{
		store:   newStore(),
		delay:   func() time.Duration { return time.Millisecond },
		carried: func(string, engine.Txn, engine.Outcome) {},
		elected: make(chan struct{}),
		moved:   make(chan struct{}),
	}
	close(f.elected)
	return f
}

// Node adds a machine. Its name appears in errors and in what Carried is told.
func (f *Fake) Node(name string) *Node {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := newNode(f, name)
	f.nodes = append(f.nodes, n)
	return n
}

// SetDelay sets what says how long the next request or answer takes. Delays that differ
// change the order in which requests arrive. It is called with the Fake locked.
func (f *Fake) SetDelay(delay func() time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delay = delay
}

// Carried sets what is told of every Txn when it is carried out, answered or not: here a
// test sees what really happened, in order. It is called with the Fake locked.
func (f *Fake) Carried(tell func(node string, t engine.Txn, o engine.Outcome)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.carried = tell
}

// Pairs returns the pairs whose keys begin with the prefix, as they are at this moment, in
// the order of keys. "" is the prefix of all.
func (f *Fake) Pairs(prefix string) []engine.Pair {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.store.sorted(func(key string) bool { return strings.HasPrefix(key, prefix) })
}

// Do carries out a transaction at this moment, as from a machine to which nothing happens.
// It panics if the transaction is refused.
func (f *Fake) Do(t engine.Txn) engine.Outcome {
	if err := t.Check(); err != nil {
		panic(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	o, full := f.carryOut("", t)
	if full {
		panic(engine.ErrNoSpace)
	}
	return o
}

// SetFull makes the store refuse all that puts something, or end that.
func (f *Fake) SetFull(full bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.store.full = full
}

// Compact forgets the history up to the present revision: watches that are behind end.
func (f *Fake) Compact() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.store.compact(f.store.revision)
	f.stir()
}

// LoseLeader takes the leader away, until Elect. What is on its way to it is lost, and so
// are answers; what is sent from now on waits.
func (f *Fake) LoseLeader() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hasLeader() {
		f.term++
		f.elected = make(chan struct{})
	}
}

// Elect makes a leader after LoseLeader: LeaderChanged says so, and what waits for one is
// sent.
func (f *Fake) Elect() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.hasLeader() {
		close(f.elected)
		f.notice()
	}
}

func (f *Fake) hasLeader() bool {
	select {
	case <-f.elected:
		return true
	default:
		return false
	}
}

// notice lets nodes notice what has changed for them.
func (f *Fake) notice() {
	for _, n := range f.nodes {
		n.notice()
	}
	f.stir()
}

// carryOut carries out a transaction.
func (f *Fake) carryOut(node string, t engine.Txn) (o engine.Outcome, full bool) {
	before := f.store.revision
	if o, full = f.store.txn(t); full {
		return o, true
	}
	f.carried(node, t, o)
	if f.store.revision != before {
		f.stir()
	}
	return o, false
}

// stir wakes those who watch.
func (f *Fake) stir() {
	close(f.moved)
	f.moved = make(chan struct{})
}
