package slots

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
	nodejournal "github.com/lockcached/lockcached/cluster/journal"
)

const (
	// tick is how often a node looks whether others are silent, and whether there is something
	// to hand over.
	tick = 250 * time.Millisecond
	// The first map of a cluster waits this long for all nodes that are to be.
	firstMapPatience = 5 * time.Second
	// Slots are handed over for balance when the members have been the same for this long.
	balanceAfter = 3 * time.Second
	// handedAtOnce is how many slots are handed over in one step: their clients wait for it.
	handedAtOnce = 16
	// The longest that one request to the engine may take.
	patience = 3 * time.Second
)

// incarnation is one life of a node. One goroutine runs it; Guard, Revision and Refresh are for
// the journal's.
type incarnation struct {
	node *Node
	self Member
	view *view

	tokens uint64       // all tokens are larger
	known  atomic.Int64 // revision of the latest map by which nothing that is served was lost
	joined time.Time

	stable  time.Time                // since when the members have been the same
	count   int                      // of members, then
	accused map[string]chan struct{} // members that are being looked into; closed when that is over
	wanted  chan struct{}            // asks for a checkpoint that shortens chains
}

func newIncarnationOf(n *Node) *incarnation {
	self := n.config.Self
	self.Incarnation = newIncarnation()
	return &incarnation{
		node:    n,
		self:    self,
		view:    newView(n.config.Engine, n.config.Prefix),
		accused: make(map[string]chan struct{}),
		wanted:  make(chan struct{}, 1),
	}
}

// Incarnation implements journal.Membership.
func (in *incarnation) Incarnation() string { return in.self.Incarnation }

// Revision implements journal.Membership.
func (in *incarnation) Revision() int64 { return in.known.Load() }

// Guard implements journal.Membership: this incarnation exists, and the map is the one it knows.
func (in *incarnation) Guard() []engine.Cond { return in.guardAt(in.known.Load()) }

func (in *incarnation) guardAt(revision int64) []engine.Cond {
	return []engine.Cond{
		engine.CreatedAt(in.view.memberKey(in.self.Incarnation), in.self.created),
		engine.ModifiedAt(in.view.mapKey(), revision),
	}
}

// txn carries out a transaction, or gives up after the patience or when the leader changes: then
// the next step begins anew, instead of waiting for an answer that may never come.
func (in *incarnation) txn(ctx context.Context, t engine.Txn) (engine.Outcome, error) {
	return engine.Try(ctx, in.node.config.Engine, t, patience)
}

// Refresh implements journal.Membership. It reads member and map in one step.
func (in *incarnation) Refresh(ctx context.Context) error {
	r, err := in.txn(ctx, engine.Txn{Then: []engine.Op{
		engine.Get(in.view.memberKey(in.self.Incarnation)),
		engine.Get(in.view.mapKey()),
	}})
	if err != nil {
		return err
	}
	if len(r.Got[0]) == 0 || r.Got[0][0].Created != in.self.created {
		return nodejournal.ErrFenced
	}
	if len(r.Got[1]) > 0 {
		if err := in.view.setMap(r.Got[1][0]); err != nil {
			return err
		}
	}
	return in.learn()
}

// learn takes over what is known of the map by now. If somebody else has been given a slot that
// this incarnation serves, it is over: what it has not committed yet must never be.
func (in *incarnation) learn() error {
	_, present := in.view.now()
	for slot := range Count {
		if in.node.serving[slot].Load() && present.owner(slot) != in.self.Incarnation {
			return nodejournal.ErrFenced
		}
	}
	in.node.config.Journal.Freeze(!in.alone(present))
	for {
		known := in.known.Load()
		if known >= present.revision || in.known.CompareAndSwap(known, present.revision) {
			return nil
		}
	}
}

// join fences whoever has this node's name, and makes this incarnation a member.
func (in *incarnation) join(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, 10*patience)
	defer stop()
	if err := in.prepare(ctx); err != nil {
		return err
	}
	if _, err := in.view.read(ctx); err != nil {
		return err
	}
	members, _ := in.view.now()
	key := in.view.memberKey(in.self.Incarnation)
	var then []engine.Op
	for _, m := range members {
		if m.Name == in.self.Name {
			then = append(then, engine.Delete(in.view.memberKey(m.Incarnation)))
		}
	}
	then = append(then, engine.Put(key, in.self.encode()), in.self.enroll(in.node.config.Prefix))
	// The name is new: if an attempt was carried out and its answer lost, it is found below.
	_, err := in.node.config.Engine.Txn(ctx, engine.Txn{If: []engine.Cond{engine.Absent(key)}, Then: then})
	if err != nil {
		in.node.config.Logger.Debug().Err(err).Msg("joining")
	}
	pair, _, err := in.node.config.Engine.Get(ctx, key)
	if err != nil {
		return err
	}
	if !pair.Exists() {
		return nodejournal.ErrNoQuorum
	}
	in.self.created = pair.Created
	in.joined, in.stable = time.Now(), time.Now()
	return in.learn()
}

// prepare makes sure that the engine is the one that it was, and learns above what tokens have to
// be.
func (in *incarnation) prepare(ctx context.Context) error {
	c := &in.node.config
	if c.Origin != nil {
		id, tokens, err := c.Origin(ctx)
		if err == nil {
			err = Prepare(ctx, c.Engine, c.Prefix, id, tokens, c.Logger)
		}
		if err != nil {
			return err
		}
	}
	found, err := readOrigin(ctx, c.Engine, c.Prefix)
	in.tokens = found.Tokens
	return err
}

// serve watches what happens to members and map, and does what follows from it.
func (in *incarnation) serve(ctx context.Context, over <-chan error) error {
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for {
		revision, err := in.view.read(ctx)
		if err != nil {
			return err
		}
		watching, stop := context.WithCancel(ctx)
		// Members and map are the keys that begin with an m.
		err = in.watch(watching, in.node.config.Engine.Watch(watching, in.node.config.Prefix+"m", revision), ticks.C, over)
		stop()
		if err != nil {
			return err
		}
	}
}

// watch returns nil if the engine cannot tell of changes without gaps any more.
func (in *incarnation) watch(ctx context.Context, news <-chan engine.Change, ticks <-chan time.Time, over <-chan error) error {
	for {
		if err := in.step(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-over:
			return err
		case <-ticks:
		case c, ok := <-news:
			if !ok {
				return nil
			}
			if err := in.view.apply(c); err != nil {
				return err
			}
			in.node.tell()
		}
	}
}

// step does what follows from the present view.
func (in *incarnation) step(ctx context.Context) error {
	members, present := in.view.now()
	if _, alive := in.view.member(in.self.Incarnation); !alive {
		return nodejournal.ErrFenced
	}
	if err := in.learn(); err != nil {
		return err
	}
	in.suspect(ctx, members)
	if in.node.leaving.Load() && !in.self.Leaving {
		in.announceLeaving(ctx)
	}
	if present.revision == 0 {
		in.firstMap(ctx, members)
		return nil
	}
	in.takeOver(ctx, members, present)
	in.adoptOwn(ctx)
	in.wantShorter()
	in.handOver(ctx, members)
	return nil
}

// firstMap divides the slots, once all nodes are there or some have waited long enough.
func (in *incarnation) firstMap(ctx context.Context, members []Member) {
	there := make(map[string]bool)
	for _, m := range members {
		there[m.Name] = true
	}
	for _, name := range in.node.config.Nodes {
		if !there[name] && time.Since(in.joined) < firstMapPatience {
			return
		}
	}
	first := new(assignment)
	for slot := range Count {
		first.Chains[slot] = []link{{chosen(slot, members).Incarnation, 0}}
	}
	in.swap(ctx, new(assignment), first)
}

// swap replaces a map by one that was made from it, unless it has changed since: what is known by
// now may be newer than what the next one was made from. Afterwards the map has been read anew: an
// owner believes what it has read, never what it thinks to have written. If the engine does not
// answer nothing is known, and the next step begins from what is read.
func (in *incarnation) swap(ctx context.Context, from, next *assignment, also ...engine.Cond) {
	_, err := in.txn(ctx, engine.Txn{
		If:   append(in.guardAt(from.revision), also...),
		Then: []engine.Op{engine.Put(in.view.mapKey(), next.encode())},
	})
	if err != nil {
		in.node.config.Logger.Debug().Err(err).Msg("the map may not have changed")
	}
	if err := in.Refresh(ctx); err != nil {
		in.node.config.Logger.Debug().Err(err).Msg("cannot read the map")
	}
	in.node.tell()
}

func (in *incarnation) announceLeaving(ctx context.Context) {
	in.self.Leaving = true
	_, err := in.txn(ctx, engine.Txn{
		If:   in.Guard()[:1],
		Then: []engine.Op{engine.Put(in.view.memberKey(in.self.Incarnation), in.self.encode())},
	})
	if err != nil {
		in.self.Leaving = false // again in the next step
	}
}

// alone reports whether this incarnation is the only one in every chain that names it.
func (in *incarnation) alone(present *assignment) bool {
	for _, chain := range present.Chains {
		for _, l := range chain {
			if l.Incarnation == in.self.Incarnation && len(chain) > 1 {
				return false
			}
		}
	}
	return true
}

// isFree reports whether no chain names the incarnation.
func (in *incarnation) isFree() bool {
	_, present := in.view.now()
	return !present.names()[in.self.Incarnation]
}
