package enginetest

import (
	"context"

	"github.com/lockcached/lockcached/cluster/engine"
)

// Get implements engine.Engine.
func (n *Node) Get(ctx context.Context, key string) (p engine.Pair, revision int64, err error) {
	found, revision, err := n.read(ctx, engine.Get(key))
	if err != nil || len(found) == 0 {
		return engine.Pair{}, revision, err
	}
	return found[0], revision, nil
}

// List implements engine.Engine.
func (n *Node) List(ctx context.Context, prefix string, visit func(engine.Pair)) (revision int64, err error) {
	found, revision, err := n.read(ctx, engine.GetPrefix(prefix))
	if err != nil {
		return 0, err
	}
	n.fake.mu.Lock()
	failing := n.failing
	n.failing = nil
	n.fake.mu.Unlock()
	for i, p := range found {
		if failing != nil && i == failing.visits {
			break
		}
		visit(p)
	}
	if failing != nil {
		return 0, n.unknown(failing.err)
	}
	return revision, nil
}

// read is a linearizable read: it sees the state at a moment between its beginning and its
// end, and fails if the node cannot know that it is the latest.
func (n *Node) read(ctx context.Context, op engine.Op) (found []engine.Pair, revision int64, err error) {
	term, err := n.ready(ctx)
	if err != nil {
		return nil, 0, err
	}
	if err := n.pause(ctx); err != nil {
		return nil, 0, err
	}
	n.fake.mu.Lock()
	revision = n.fake.store.revision
	found = n.fake.store.find(op)
	n.fake.mu.Unlock()
	if err := n.pause(ctx); err != nil {
		return nil, 0, err
	}
	n.fake.mu.Lock()
	cut, changed := n.cut, term != n.fake.term
	n.fake.mu.Unlock()
	switch {
	case cut:
		return nil, 0, n.await(ctx, nil)
	case changed:
		return nil, 0, n.unknown(errLeader)
	}
	return found, revision, nil
}

// Watch implements engine.Engine.
func (n *Node) Watch(ctx context.Context, prefix string, after int64) <-chan engine.Change {
	changes := make(chan engine.Change)
	n.fake.mu.Lock()
	broken := n.broken
	n.fake.mu.Unlock()
	w := &watch{node: n, prefix: prefix, after: after, broken: broken, changes: changes}
	go w.run(ctx)
	return changes
}

type watch struct {
	node    *Node
	prefix  string
	after   int64 // the revision that is known
	broken  <-chan struct{}
	changes chan<- engine.Change
}

func (w *watch) run(ctx context.Context) {
	defer close(w.changes)
	for {
		changes, moved, lost := w.news()
		if lost {
			return
		}
		for _, c := range changes {
			if w.node.pause(ctx) != nil || !w.send(ctx, c) {
				return
			}
		}
		select {
		case <-moved:
		case <-w.broken:
			return
		case <-w.node.closed:
			return
		case <-ctx.Done():
			return
		}
	}
}

// news returns what is new since it was called last, and a channel that is closed when there may be
// more.
func (w *watch) news() (changes []engine.Change, moved <-chan struct{}, lost bool) {
	f := w.node.fake
	f.mu.Lock()
	defer f.mu.Unlock()
	if w.node.cut {
		return nil, f.moved, false
	}
	changes, lost = f.store.since(w.after, w.prefix)
	w.after = max(w.after, f.store.revision)
	return changes, f.moved, lost
}

func (w *watch) send(ctx context.Context, c engine.Change) bool {
	select {
	case w.changes <- c:
		return true
	case <-w.broken:
	case <-w.node.closed:
	case <-ctx.Done():
	}
	return false
}
