package locks

import (
	"bytes"
	"errors"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/journal"
)

// errNoQuorum is what a node's journal says while it cannot reach the majority.
var errNoQuorum = errors.New("no quorum")

// history is what a majority has confirmed, of the journals of all nodes.
type history struct {
	mu      sync.Mutex
	entries []confirmed
}

type confirmed struct {
	journal.Entry
	by *nodeJournal
}

// nodeJournal is the journal of one node. It confirms in rounds, one at a time: a round has
// what was appended before it began.
type nodeJournal struct {
	*history
	born  time.Time
	round chan struct{} // full while a round is under way
	limit int           // bytes of a lock

	mu      sync.Mutex // taken before that of history
	next    uint64     // number of the next round
	kept    uint64     // the latest round that succeeded
	pending []confirmed
	slow    time.Duration // how long a round takes
	lost    bool          // the quorum
	known   bool          // a round has found that out
}

func (j *nodeJournal) Now() time.Duration { return time.Since(j.born) }

func (j *nodeJournal) Replay(func(*journal.Entry)) (journal.Recovered, error) {
	return journal.Recovered{}, nil
}

func (j *nodeJournal) Append(e *journal.Entry) uint64 {
	c := *e
	c.Key, c.Value = bytes.Clone(e.Key), bytes.Clone(e.Value)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pending = append(j.pending, confirmed{c, j})
	return j.next
}

func (j *nodeJournal) Mark() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next
}

func (j *nodeJournal) Kept(number uint64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return number <= j.kept
}

func (j *nodeJournal) Confirm(number uint64) error {
	j.round <- struct{}{}
	defer func() { <-j.round }()
	if j.Kept(number) {
		return nil
	}
	j.mu.Lock()
	n, batch := j.next, j.pending
	j.next, j.pending = n+1, nil
	pause := j.slow
	j.mu.Unlock()
	if pause > 0 {
		time.Sleep(pause)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.known = j.lost; j.lost {
		j.pending = append(batch, j.pending...) // for a later round
		return errNoQuorum
	}
	j.kept = n
	j.history.mu.Lock()
	j.entries = append(j.entries, batch...)
	j.history.mu.Unlock()
	return nil
}

// lose takes the quorum from the node, or gives it back.
func (j *nodeJournal) lose(lost bool) {
	j.mu.Lock()
	j.lost = lost
	j.mu.Unlock()
}

func (j *nodeJournal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.known {
		return errNoQuorum
	}
	return nil
}

func (j *nodeJournal) Commit() error            { return j.Confirm(j.Mark()) }
func (j *nodeJournal) Pending() bool            { return true }
func (j *nodeJournal) Waits() bool              { return j.slow > 0 }
func (j *nodeJournal) Limit() int               { return j.limit }
func (j *nodeJournal) Strict() bool             { return true }
func (j *nodeJournal) Doubtful([]byte) bool     { return j.Err() != nil }
func (j *nodeJournal) SaveClasses([]byte) error { return nil }
func (j *nodeJournal) Close() error             { return nil }

func (j *nodeJournal) Checkpoint(func(func(*journal.Entry)) error) error { return nil }
func (j *nodeJournal) WantsCheckpoint() <-chan struct{}                  { return nil }

// of returns the entries about some keys, and the holds that they add up to.
func (h *history) of(which func(key []byte) bool) (n int, holds map[string]confirmed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	holds = make(map[string]confirmed)
	for _, e := range h.entries {
		switch {
		case !which(e.Key):
			continue
		case e.Kind == journal.End:
			delete(holds, string(e.Key))
		default:
			holds[string(e.Key)] = e
		}
		n++
	}
	return n, holds
}

// slots is how many parts the keys of the cluster have.
const slots = 4

func slotOf(key []byte) uint32 {
	h := fnv.New32a()
	_, _ = h.Write(key)
	return h.Sum32() % slots
}

func every([]byte) bool { return true }

func inSlot(slot uint32) func(key []byte) bool {
	return func(key []byte) bool { return slotOf(key) == slot }
}

// node is a Manager that serves some slots of a cluster.
type node struct {
	*Manager
	journal   *nodeJournal
	serves    [slots]atomic.Bool
	withdrawn chan string // grants that are to be taken back elsewhere
}

// cluster starts two nodes, whose rounds are so slow; the first one serves everything.
func cluster(t *testing.T, c Config, slow time.Duration) (a, b *node) {
	t.Helper()
	h := new(history)
	a, b = h.start(t, c, slow, time.Hour), h.start(t, c, slow, time.Minute)
	a.serve(every, true)
	return a, b
}

// start starts a node on a machine that is so old: the clocks of machines have nothing in
// common.
func (h *history) start(t *testing.T, c Config, slow, age time.Duration) *node {
	n := &node{
		journal:   &nodeJournal{history: h, born: time.Now().Add(-age), round: make(chan struct{}, 1), next: 1, slow: slow},
		withdrawn: make(chan string, 100),
	}
	c.Journal = n.journal
	c.Owned = func(key []byte) bool { return n.serves[slotOf(key)].Load() }
	c.Withdraw = func(key []byte, _ uint64) { n.withdrawn <- string(key) }
	n.Manager = running(t, c)
	t.Cleanup(func() { time.Sleep(time.Minute) }) // rounds may be under way at the end
	return n
}

// serve begins or ends to serve the slots of some keys, a whole number of slots.
func (n *node) serve(which func(key []byte) bool, serves bool) {
	for i := range 100 { // enough to find a key of every slot
		if key := []byte{byte(i)}; which(key) {
			n.serves[slotOf(key)].Store(serves)
		}
	}
}

// handOver moves some slots to another node: all that has happened in them is confirmed
// before that reads it, and nothing may be added any more. It returns how many holds moved.
func (n *node) handOver(t *testing.T, to *node, which func(key []byte) bool) (holds int) {
	t.Helper()
	n.serve(which, false)
	n.Barrier()
	must(t, n.Confirm(n.Mark()))
	frozen, _ := n.journal.of(which)
	holds = to.takeOver(n, which)
	n.Disown(which)
	must(t, n.Confirm(n.Mark()))
	if now, _ := n.journal.of(which); now != frozen {
		t.Errorf("%d entries were added when the journal was read", now-frozen)
	}
	to.serve(which, true)
	return holds
}

// takeOver adopts what is known of some slots that were served by another node.
func (n *node) takeOver(from *node, which func(key []byte) bool) (holds int) {
	n.RaiseToken(from.token.Load())
	_, found := n.journal.of(which)
	for _, e := range found {
		left, now := e.Expires, e.by.Now()
		if left != ttl.Forever {
			left -= now
		}
		e.Since += n.journal.Now() - now
		n.Adopt(&e.Entry, left)
	}
	return len(found)
}

// replace takes everything from a node that has lost the quorum, as if it had been paused:
// what it has not confirmed is lost, and it finds out later.
func (n *node) replace(old *node) {
	old.serve(every, false)
	n.takeOver(old, every)
	n.serve(every, true)
	old.Disown(every)
	old.journal.mu.Lock()
	old.journal.pending, old.journal.lost, old.journal.known = nil, false, false
	old.journal.mu.Unlock()
}
