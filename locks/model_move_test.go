package locks

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
)

// TestModelMoves is TestModel with locks that move from one node of a cluster to another
// every now and then. Holds go on there as they were, waiters keep their places, and tokens
// rise.
func TestModelMoves(t *testing.T) {
	seed := *modelSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d -steps %d", seed, *modelSteps)
	synctest.Test(t, func(t *testing.T) {
		a, b := cluster(t, Config{MaxWaiters: modelLine}, 0)
		w := newWorld(t, a.Manager, seed)
		w.nodes = []*node{a, b}
		w.play(*modelSteps)
	})
}

// move has another node serve all locks: this one hands them over, or is replaced while it
// is at work. Whoever waited claims again.
func (w *world) move(l *modelLock, c *modelClient) {
	from, to := w.nodes[0], w.nodes[1]
	if w.random.IntN(2) == 0 {
		w.note("the locks are handed over")
		from.handOver(w.t, to, every)
	} else {
		w.note("a node is replaced")
		must(w.t, w.m.Commit())
		from.journal.lose(true)
		if len(l.line) == 0 {
			w.atWork(l, c)
		}
		to.replace(from)
	}
	w.nodes[0], w.nodes[1], w.m = to, from, to.Manager
	for _, c := range w.clients {
		c.client = newClient(w.m, c.name)
	}
	for _, l := range w.locks {
		w.moved(l)
	}
	w.checkAll()
}

// moved forgets what does not move, and lets those that waited for a lock claim it again.
func (w *world) moved(l *modelLock) {
	line := l.line
	l.line, l.kept, l.refused = nil, nil, make(map[*modelClient]*refusal)
	if l.isItem {
		l.owner, l.isItem, l.token = "", false, 0
	}
	w.random.Shuffle(len(line), func(i, j int) { line[i], line[j] = line[j], line[i] })
	for _, s := range line {
		w.over(s, "moved")
		w.claimAgain(l, s)
	}
}

func (w *world) claimAgain(l *modelLock, s *spot) {
	w.note("%s claims %s again", s.client.name, l.key)
	p := &place{m: w.m}
	p.gone.Store(s.gone.Load())
	done, err := w.m.PutOrWait(s.client.claim(l.key, s.lease), &Wait{
		For:     s.deadline - w.now(),
		Waiter:  p,
		Waiting: &p.Waiting,
		Waited:  w.now() - s.since,
	})
	if l.owner == "" {
		want(w.t, "claim of a lock that is free by now", err, nil)
		l.hold(s.client.name, w.now()+s.lease)
		w.rises(done.CAS)
		return
	}
	want(w.t, "claim in line again", err, ErrQueued)
	l.arrived++
	s.client.at = &spot{place: p, client: s.client, lease: s.lease, deadline: s.deadline, since: s.since, number: l.arrived}
	l.enter(s.client.at)
}
