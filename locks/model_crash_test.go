package locks

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// TestModelCrashes is TestModel with a process that dies every now and then. What was
// committed is there after that, and nothing else: no grant is forgotten or given
// twice, and tokens rise.
func TestModelCrashes(t *testing.T) {
	seed := *modelSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d -steps %d", seed, *modelSteps)
	synctest.Test(t, func(t *testing.T) {
		m, p := newDisk().boot(t, Config{MaxWaiters: modelLine})
		w := newWorld(t, m, seed)
		w.process = p
		w.play(*modelSteps)
	})
}

// crash kills the process in the middle of its work, and starts another one.
func (w *world) crash(l *modelLock, c *modelClient) {
	w.pass(tick) // what happened so far is committed
	if err := w.m.Commit(); err != nil {
		w.t.Error(err)
	}
	if len(l.line) == 0 {
		w.atWork(l, c)
	}
	down := w.some(10) - tick
	w.note("crash, %v without a server", down)
	w.process.kill()
	time.Sleep(down)
	w.m, w.process = w.process.boot(w.t, Config{MaxWaiters: modelLine})
	for _, l := range w.locks {
		l.line, l.kept, l.refused = nil, nil, make(map[*modelClient]*refusal)
		if l.isItem || l.expires <= w.now() {
			l.owner, l.isItem, l.token = "", false, 0
		}
	}
	for _, c := range w.clients {
		c.client, c.at = newClient(w.m, c.name), nil
	}
	synctest.Wait()
	w.checkAll()
}

// atWork does something that is never committed, nor answered.
func (w *world) atWork(l *modelLock, c *modelClient) {
	w.note("%s is about to be claimed, touched or released", l.key)
	switch w.random.IntN(3) {
	case 0:
		_ = c.client.add(l.key, w.some(10))
	case 1:
		_ = w.m.Touch([]byte(l.key), w.some(10))
	case 2:
		_ = remove(w.m, l.key)
	}
}
