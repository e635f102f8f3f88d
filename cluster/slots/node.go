package slots

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cluster/engine"
	nodejournal "github.com/lockcached/lockcached/cluster/journal"
	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/stats"
)

// Locks are the locks that a node serves. *locks.Manager is one, and says what each method
// promises.
type Locks interface {
	Adopt(e *journal.Entry, lease time.Duration)
	RaiseToken(n uint64)
	Barrier()
	Disown(match func(key []byte) bool)
	EachHold(emit func(*journal.Entry))
}

// Pulse knows which nodes are heard.
type Pulse interface {
	// Heard returns when a member was heard last; the first time that it is asked about one,
	// now. refused says that nobody is there who could be heard.
	Heard(m Member) (last time.Time, refused bool)
	// Vouches asks a third member whether it hears an incarnation.
	Vouches(ctx context.Context, third Member, incarnation string) bool
	// Probe asks a member for a sign of life.
	Probe(ctx context.Context, m Member) bool
}

// Config says what a node is. All fields are required.
type Config struct {
	Engine  engine.Engine
	Prefix  string   // of all keys of the cluster in the engine
	Self    Member   // Name, addresses and version of this node
	Nodes   []string // names of all nodes that are known when it starts: the first map waits for them
	Journal *nodejournal.Journal
	Locks   Locks
	Pulse   Pulse
	// Suspect is the silence after which a member is taken for dead.
	Suspect time.Duration
	// Origin returns what Prepare needs. nil: nobody looks whether the engine was restored.
	Origin func(ctx context.Context) (id string, tokens uint64, err error)
	Logger zerolog.Logger
}

// Counts is what has happened to a node since it was started.
type Counts struct {
	Fenced    uint64      // incarnations that others have fenced
	TakeOvers stats.Tally // how long it took to read the locks of slots, up to serving them
}

// Node is a node of a cluster, one incarnation after the other. Its methods may be called from
// any goroutine.
type Node struct {
	config  Config
	serving [Count]atomic.Bool
	leaving atomic.Bool
	current atomic.Pointer[incarnation] // nil between two

	mu      sync.Mutex    // guards what follows
	changed chan struct{} // closed when Where may have another answer
	counts  Counts
}

// New returns a Node that serves nothing before Run is called.
func New(c Config) *Node { return &Node{config: c, changed: make(chan struct{})} }

// Owned reports whether the node serves a key now. It is for package locks, which calls it with
// the key's shard locked.
func (n *Node) Owned(key []byte) bool { return n.serving[Of(key)].Load() }

// Where returns who serves a key: this node, or a member; known is false while nobody does, or
// the owner is not ready.
func (n *Node) Where(key []byte) (m Member, local, known bool) {
	slot := Of(key)
	if n.serving[slot].Load() {
		return n.config.Self, true, true
	}
	in := n.current.Load()
	if in == nil {
		return m, false, false
	}
	_, present := in.view.now()
	owner := present.owner(slot)
	if owner == in.self.Incarnation {
		return m, false, false
	}
	m, known = in.view.member(owner)
	return m, false, known
}

// Changed returns a channel that is closed when Where may have another answer.
func (n *Node) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changed
}

func (n *Node) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.changed)
	n.changed = make(chan struct{})
}

func (n *Node) note(change func(*Counts)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(&n.counts)
}

// Counts returns what has happened so far.
func (n *Node) Counts() Counts {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.counts
}

// Members returns the members that the node knows of, itself included, by name.
func (n *Node) Members() []Member {
	in := n.current.Load()
	if in == nil {
		return nil
	}
	members, _ := in.view.now()
	return members
}

// Slots returns how many slots each incarnation owns, "" for those without an owner.
func (n *Node) Slots() map[string]int {
	count := make(map[string]int)
	in := n.current.Load()
	if in == nil {
		return count
	}
	_, present := in.view.now()
	for slot := range Count {
		count[present.owner(slot)]++
	}
	return count
}

// Incarnation returns the name of the present incarnation, "" between two.
func (n *Node) Incarnation() string {
	if in := n.current.Load(); in != nil {
		return in.self.Incarnation
	}
	return ""
}

// The pause before a new incarnation doubles from minPause to maxPause, and falls back after an
// incarnation that has lived for healthy.
const (
	minPause = time.Second
	maxPause = 10 * time.Second
	healthy  = time.Minute
)

// Run lives until the context is done: a node that others have fenced begins again as a new
// incarnation.
func (n *Node) Run(ctx context.Context) {
	for pause := minPause; ctx.Err() == nil; pause = min(2*pause, maxPause) {
		began := time.Now()
		err := n.live(ctx)
		if ctx.Err() != nil || n.leaving.Load() {
			return
		}
		if time.Since(began) > healthy {
			pause = minPause
		}
		log := n.config.Logger.Warn().Dur("again_in_ms", pause)
		if errors.Is(err, nodejournal.ErrFenced) {
			n.note(func(c *Counts) { c.Fenced++ })
			log.Msg("fenced: others have taken this node for dead and serve its slots; it joins again")
		} else {
			log.Err(err).Msg("this node is out of the cluster, and joins again")
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// live lives one incarnation.
func (n *Node) live(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	in := newIncarnationOf(n)
	defer n.forgetAll()
	var workers sync.WaitGroup
	defer workers.Wait()
	defer stop()
	if err := in.join(ctx); err != nil {
		return err
	}
	n.current.Store(in)
	defer n.current.Store(nil)
	n.config.Logger.Info().Str("incarnation", in.self.Incarnation).Msg("joined the cluster")
	over := make(chan error, 1)
	workers.Go(func() { over <- n.config.Journal.Serve(ctx, in) })
	workers.Go(func() { in.shorten(ctx) })
	return in.serve(ctx, over)
}

// forgetAll stops serving, and forgets all locks: other nodes may have them now.
func (n *Node) forgetAll() {
	for slot := range Count {
		n.serving[slot].Store(false)
	}
	n.config.Locks.Disown(func([]byte) bool { return true })
	n.tell()
}

// Drain hands all slots over to other nodes and leaves the cluster. It returns when that is
// done or the context is.
func (n *Node) Drain(ctx context.Context) error {
	n.leaving.Store(true)
	for {
		changed := n.Changed()
		in := n.current.Load()
		if in == nil || in.isFree() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-time.After(tick):
		}
	}
}
