package slots

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cluster/engine/enginetest"
	nodejournal "github.com/lockcached/lockcached/cluster/journal"
	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/journal"
)

const suspicion = 1500 * time.Millisecond

// world is a cluster in virtual time, with an engine in memory and small tables of locks.
type world struct {
	t     *testing.T
	fake  *enginetest.Fake
	began time.Time
	names []string

	mu    sync.Mutex // guards what follows
	nodes map[string]*node
	held  map[string]uint64 // holds that were confirmed and not released since, by their tokens
	last  map[string]uint64 // the latest token of each key
	deaf  string            // a node that does not hear node a
}

// node is a process of the cluster.
type node struct {
	*Node
	world   *world
	name    string
	engine  *enginetest.Node
	journal *nodejournal.Journal
	locks   *table
	kill    func() // returns when nothing of it runs any more

	// The world's mutex guards what follows.
	dead   bool // there is no process
	silent bool // it is not heard
}

func bubble(t *testing.T, names []string, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, fake: enginetest.New(), began: time.Now(), names: names, nodes: make(map[string]*node), held: make(map[string]uint64), last: make(map[string]uint64)}
		for _, name := range names {
			w.start(name)
		}
		test(t, w)
		for _, n := range w.nodes {
			n.kill()
		}
	})
}

// start starts a process of the node with a name.
func (w *world) start(name string) *node {
	n := &node{world: w, name: name, engine: w.fake.Node(name), locks: &table{holds: make(map[string]hold)}}
	n.journal = nodejournal.New(nodejournal.Config{
		Engine: n.engine, Prefix: "/test/", Patience: 2 * time.Second, Logger: zerolog.Nop(),
		Clock: func() time.Duration { return time.Hour + time.Since(w.began) },
	})
	n.locks.node = n
	n.Node = New(Config{
		Engine: n.engine, Prefix: "/test/", Self: Member{Name: name, Link: "link-" + name}, Nodes: w.names,
		Journal: n.journal, Locks: n.locks, Pulse: &pulse{w, name}, Suspect: suspicion, Logger: zerolog.Nop(),
	})
	ctx, stop := context.WithCancel(w.t.Context())
	ended := make(chan struct{})
	go func() {
		var all sync.WaitGroup
		all.Go(func() { n.Run(ctx) })
		all.Go(func() { n.checkpoints(ctx) })
		all.Wait()
		close(ended)
	}()
	n.kill = func() {
		w.mu.Lock()
		n.dead = true
		w.mu.Unlock()
		n.engine.Cut()
		stop()
		<-ended
	}
	w.mu.Lock()
	w.nodes[name] = n
	w.mu.Unlock()
	return n
}

// checkpoints makes more checkpoints than a real node, whatever else goes on.
func (n *node) checkpoints(ctx context.Context) {
	for ctx.Err() == nil {
		_ = n.journal.Checkpoint(func(emit func(*journal.Entry)) error {
			n.locks.EachHold(emit)
			return nil
		})
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// pulse is a node that hears all that are alive and not silent.
type pulse struct {
	*world
	name string
}

func (p *pulse) find(incarnation string) *node {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.nodes {
		if n.Incarnation() == incarnation && !n.dead && !n.silent && (p.name != p.deaf || n.name != "a") {
			return n
		}
	}
	return nil
}

func (p *pulse) Heard(m Member) (last time.Time, refused bool) {
	p.mu.Lock()
	n := p.nodes[m.Name]
	refused = n == nil || n.dead
	silent := n != nil && n.silent || p.name == p.deaf && m.Name == "a"
	p.mu.Unlock()
	if silent {
		return time.Time{}, refused
	}
	return time.Now(), refused
}

func (p *pulse) Vouches(_ context.Context, third Member, incarnation string) bool {
	n := p.find(third.Incarnation)
	return n != nil && (&pulse{p.world, n.name}).find(incarnation) != nil
}

func (p *pulse) Probe(_ context.Context, m Member) bool { return p.find(m.Incarnation) != nil }

// table is the locks of one node.
type table struct {
	node *node

	mu    sync.Mutex // guards what follows
	holds map[string]hold
	token uint64 // the latest
}

type hold struct {
	token   uint64
	expires time.Time // zero: never
}

func (l *table) Adopt(e *journal.Entry, lease time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := hold{token: e.Token}
	if lease != ttl.Forever {
		h.expires = time.Now().Add(lease)
	}
	l.holds[string(e.Key)] = h
}

func (l *table) RaiseToken(n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.token = max(l.token, n)
}

func (l *table) Barrier() {
	l.mu.Lock()
	defer l.mu.Unlock()
}

func (l *table) Disown(match func([]byte) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key := range l.holds {
		if match([]byte(key)) {
			delete(l.holds, key)
		}
	}
}

func (l *table) entry(key string, h hold) *journal.Entry {
	e := &journal.Entry{Kind: journal.Put, Key: []byte(key), Token: h.token, Expires: ttl.Forever}
	if !h.expires.IsZero() {
		e.Expires = l.node.journal.Now() + time.Until(h.expires)
	}
	return e
}

func (l *table) EachHold(emit func(*journal.Entry)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, h := range l.holds {
		emit(l.entry(key, h))
	}
}

var (
	errMoved = errors.New("moved")
	errTaken = errors.New("taken")

	errNoOwner = errors.New("nobody serves it")
)

// claim grants a lock, for ever or with a lease, and returns when that is confirmed.
func (l *table) claim(key string, lease time.Duration) (token uint64, err error) {
	l.mu.Lock()
	if !l.node.Owned([]byte(key)) {
		l.mu.Unlock()
		return 0, errMoved
	}
	var mark uint64
	if _, taken := l.holds[key]; taken {
		mark, err = l.node.journal.Mark(), errTaken
	} else {
		l.token++
		h := hold{token: l.token}
		if lease != 0 {
			h.expires = time.Now().Add(lease)
		}
		l.holds[key] = h
		mark, token = l.node.journal.Append(l.entry(key, h)), h.token
	}
	l.mu.Unlock()
	if lost := l.node.journal.Confirm(mark); lost != nil {
		return 0, lost
	}
	return token, err
}

// release ends a hold, and returns when that is confirmed.
func (l *table) release(key string, token uint64) error {
	l.mu.Lock()
	if !l.node.Owned([]byte(key)) {
		l.mu.Unlock()
		return errMoved
	}
	mark := l.node.journal.Mark()
	if l.holds[key].token == token {
		delete(l.holds, key)
		mark = l.node.journal.Append(&journal.Entry{Kind: journal.End, Key: []byte(key), Token: token})
	}
	l.mu.Unlock()
	return l.node.journal.Confirm(mark)
}

// owner returns the node that serves a key, nil if there is none.
func (w *world) owner(key string) *node {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.nodes {
		if !n.dead && n.Owned([]byte(key)) {
			return n
		}
	}
	return nil
}

// mostTries bounds how long a request looks for an owner that confirms it: some minutes.
const mostTries = 10_000

// claim claims a lock wherever it is served, and returns when it has been granted or refused.
func (w *world) claim(key string, lease time.Duration) error {
	for range mostTries {
		if n := w.owner(key); n != nil {
			token, err := n.locks.claim(key, lease)
			switch {
			case err == nil:
				w.granted(key, token)
				return nil
			case err == errTaken:
				return err
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errNoOwner
}

// granted checks that nobody else has the lock by now, and that its tokens rise.
func (w *world) granted(key string, token uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if other := w.held[key]; other != 0 {
		w.t.Errorf("%s is granted by token %d, and held by %d", key, token, other)
	}
	if token <= w.last[key] {
		w.t.Errorf("%s is granted by token %d, after %d", key, token, w.last[key])
	}
	w.held[key], w.last[key] = token, token
}

// release releases a lock that was granted.
func (w *world) release(key string) {
	w.mu.Lock()
	token := w.held[key]
	delete(w.held, key) // it may be over from now on
	w.mu.Unlock()
	for range mostTries {
		if n := w.owner(key); n != nil && n.locks.release(key, token) == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Errorf("%s cannot be released: %v", key, errNoOwner)
}

// settled waits until every slot is served by one node, and every chain is short.
func (w *world) settled() {
	w.t.Helper()
	for range 10_000 {
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if w.problem() == "" {
			return
		}
	}
	w.t.Fatal(w.problem())
}

func (w *world) problem() string {
	served := make(map[int]string)
	for _, n := range w.nodes {
		in := n.current.Load()
		if n.dead || in == nil {
			continue
		}
		_, present := in.view.now()
		for slot := range Count {
			if len(present.Chains[slot]) != 1 {
				return fmt.Sprintf("chain of slot %d by %s: %v", slot, n.name, present.Chains[slot])
			}
			if !n.serving[slot].Load() {
				continue
			}
			if other := served[slot]; other != "" {
				return fmt.Sprintf("slot %d is served by %s and %s", slot, other, n.name)
			}
			served[slot] = n.name
		}
	}
	if len(served) != Count {
		return fmt.Sprintf("%d slots are served", len(served))
	}
	return ""
}

// share returns how many slots each node serves.
func (w *world) share() map[string]int {
	share := make(map[string]int)
	for _, n := range w.nodes {
		for slot := range Count {
			if !n.dead && n.serving[slot].Load() {
				share[n.name]++
			}
		}
	}
	return share
}

// wantsHeld checks that exactly these holds are there.
func (w *world) wantsHeld() {
	w.t.Helper()
	w.mu.Lock()
	want := make(map[string]uint64)
	for key, token := range w.held {
		want[key] = token
	}
	w.mu.Unlock()
	for _, n := range w.nodes {
		if n.dead {
			continue
		}
		n.locks.mu.Lock()
		for key, h := range n.locks.holds {
			switch token := want[key]; {
			case !n.Owned([]byte(key)):
			case token != h.token:
				w.t.Errorf("%s has %s with token %d, want %d", n.name, key, h.token, token)
			}
			if n.Owned([]byte(key)) {
				delete(want, key)
			}
		}
		n.locks.mu.Unlock()
	}
	if len(want) > 0 {
		w.t.Errorf("lost: %v", want)
	}
}
