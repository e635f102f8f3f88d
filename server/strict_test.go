package server

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/locks"
)

const noQuorum = "SERVER_ERROR no quorum"

// quorum is a fake of a cluster's journal. It confirms at once, unless it is held up.
type quorum struct {
	mu     sync.Mutex // guards what follows
	change *sync.Cond
	latest uint64 // number or mark that was given
	kept   uint64
	heldUp bool
	lost   error
	failed uint64 // was not confirmed, although later ones were
}

func newQuorum() *quorum {
	q := new(quorum)
	q.change = sync.NewCond(&q.mu)
	return q
}

func (q *quorum) next() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.latest++
	return q.latest
}

// set changes the state of the quorum.
func (q *quorum) set(change func()) {
	q.mu.Lock()
	change()
	q.mu.Unlock()
	q.change.Broadcast()
}

func (q *quorum) Append(*journal.Entry) uint64 { return q.next() }
func (q *quorum) Mark() uint64                 { return q.next() }

func (q *quorum) Kept(number uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return number <= q.kept && number != q.failed
}

func (q *quorum) Confirm(number uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.kept < number && q.lost == nil {
		if !q.heldUp {
			q.kept = q.latest
			break
		}
		q.change.Wait()
	}
	switch {
	case number == q.failed:
		return errors.New("no quorum")
	case q.kept >= number:
		return nil
	}
	return q.lost
}

func (q *quorum) Err() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lost
}

func (q *quorum) Commit() error                                              { return q.Confirm(q.Mark()) }
func (q *quorum) Pending() bool                                              { return true }
func (q *quorum) Waits() bool                                                { return true }
func (q *quorum) Limit() int                                                 { return 0 }
func (q *quorum) Strict() bool                                               { return true }
func (q *quorum) Doubtful([]byte) bool                                       { return false }
func (q *quorum) Now() time.Duration                                         { return 0 }
func (q *quorum) Replay(func(*journal.Entry)) (r journal.Recovered, _ error) { return r, nil }
func (q *quorum) Checkpoint(func(func(*journal.Entry)) error) error          { return nil }
func (q *quorum) WantsCheckpoint() <-chan struct{}                           { return nil }
func (q *quorum) SaveClasses([]byte) error                                   { return nil }
func (q *quorum) Close() error                                               { return nil }

// strictly runs a test against a server whose replies have to be confirmed.
func strictly(t *testing.T, l locks.Config, test func(t *testing.T, s *Server, q *quorum)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(time.Minute) })
		q := newQuorum()
		l.Journal = q
		m := locks.NewManager(l)
		go m.Run(t.Context())
		test(t, New(Config{Locks: m}), q)
	})
}

// aboutKeys are requests of all kinds about keys, each with one reply if it fails.
var aboutKeys = []string{
	"get item", "get none", "gets item none", "gat 60 item", "gats 60 none", "set item 0 0 1\r\n1", "add item 0 0 1\r\n1",
	"add other 0 0 1\r\n1", "replace item 0 0 1\r\n1", "replace none 0 0 1\r\n1", "append item 0 0 1\r\n1", "append none 0 0 1\r\n1",
	"prepend item 0 0 1\r\n1", "cas item 0 0 1 1\r\n1", "cas none 0 0 1 1\r\n1", "incr item 1", "incr none 1", "decr item 1", "touch item 60",
	"touch none 60", "delete none", "delete other", "mg item v", "mg item q", "mg none v", "mg none q", "mg none N30 q", "ms item 1\r\n1", "ms item 1 q\r\n1",
	"ms item 1 ME\r\n1", "ms item 1 ME q\r\n1", "ms none2 1 MR\r\n1", "ms item 1 C1\r\n1", "md none2", "md none2 q", "md item C1", "md item I", "ma item", "ma item q",
	"ma none2", "ma n N0 q", "me item", "me none2", "get lockcached:lock:item", "get lockcached:lock:lock", "get lockcached:retry:lock",
	"mg lockcached:lock:none2 v", "stats lock lock", "stats lock none2", "add lockcached:wait=1s:new 0 0 1\r\n1", "ms newer 1 ME W1000\r\n1",
	"set large 0 0 1048570\r\n" + strings.Repeat("x", 1048570), "get none none none",
}

// Nothing is said about a key before the quorum has confirmed it, and if it does not, an error
// takes the place of every reply.
func TestStrict(t *testing.T) {
	for _, together := range []bool{false, true} {
		strictly(t, locks.Config{}, func(t *testing.T, s *Server, q *quorum) {
			c, reader := connect(t, s), connect(t, s)
			c.send("set item 0 0 1", "5", "add lock 0 0 1", "x")
			c.gets("STORED", "STORED")
			requests := aboutKeys
			if together {
				requests = []string{strings.Join(aboutKeys, "\r\n")}
			}
			for _, request := range requests {
				q.set(func() { q.heldUp = true })
				c.send(request)
				c.gets()
				q.set(func() { q.lost = errors.New("no quorum") })
				want := []string{noQuorum}
				if together {
					for range aboutKeys[1:] {
						want = append(want, noQuorum)
					}
				}
				c.gets(want...)
				q.set(func() { q.heldUp, q.lost = false, nil })
			}
			reader.send("get absent", "version", "add grant 0 0 1", "x", "mg absent v")
			reader.gets("END", "VERSION "+Version, "STORED", "EN")
		})
	}
}

// What is not about a key waits for nobody, and what asks for no reply gets no error.
func TestStrictOnlyAboutKeys(t *testing.T) {
	strictly(t, locks.Config{}, func(t *testing.T, s *Server, q *quorum) {
		q.set(func() { q.heldUp = true })
		c := connect(t, s)
		c.send("version", "mn", "set item 0 0 1 noreply", "1", "delete item noreply", "verbosity 1", "set lockcached:x 0 0 1", "1", "foo", "stats cluster")
		c.gets("VERSION "+Version, "MN", "OK", "CLIENT_ERROR keys below lockcached: cannot be stored", "ERROR", "ERROR")
		c.write(packet("\x0b", 1, 0, "", "", "") + packet(opNoop, 2, 0, "", "", ""))
		c.take()
	})
}

// A reply does not wait for what others ask later.
func TestStrictInOrder(t *testing.T) {
	strictly(t, locks.Config{}, func(t *testing.T, s *Server, q *quorum) {
		q.set(func() { q.heldUp = true })
		a, b := connect(t, s), connect(t, s)
		a.send("get a")
		mark := q.latest
		b.send("get b")
		q.set(func() { q.kept = mark })
		a.gets("END")
		b.gets()
		q.set(func() { q.lost = errors.New("no quorum") })
		b.gets(noQuorum)
		a.send("get a")
		a.gets(noQuorum)
	})
}

// What a node has said before it was replaced is not confirmed by what it says when it is back.
func TestStrictReplacedInBetween(t *testing.T) {
	strictly(t, locks.Config{}, func(t *testing.T, s *Server, q *quorum) {
		c := connect(t, s)
		q.set(func() { q.heldUp = true })
		c.send("get a", "get b", "version")
		q.set(func() { q.failed, q.kept = q.latest-1, q.latest })
		c.gets(noQuorum, "END", "VERSION "+Version)
		c.send("get a b")
		q.set(func() { q.failed, q.kept = q.latest-1, q.latest })
		c.gets(noQuorum)
	})
}

// A grant that is not confirmed is taken back; one that was confirmed before stands, and so do
// the replies before it.
func TestStrictGrants(t *testing.T) {
	strictly(t, locks.Config{}, func(t *testing.T, s *Server, q *quorum) {
		c := connect(t, s)
		q.set(func() { q.heldUp = true })
		c.send("add first 0 0 1\r\nx")
		mark := q.latest
		c.send("add second 0 0 1\r\nx", "ms third 1 ME q\r\nx", "add fourth 0 0 1 noreply\r\nx")
		q.set(func() { q.kept = mark })
		c.gets("STORED")
		q.set(func() { q.lost = errors.New("no quorum") })
		c.gets(noQuorum, noQuorum)
		q.set(func() { q.heldUp, q.lost = false, nil })
		c.send("get first second third fourth")
		c.gets("VALUE first 0 1", "x", "VALUE fourth 0 1", "x", "END") // nobody was told of the fourth
	})
}

// A wait that more input ends is refused only when that is confirmed.
func TestStrictWaits(t *testing.T) {
	strictly(t, waiting(policy("*", time.Minute)), func(t *testing.T, s *Server, q *quorum) {
		c := hold(t, s, "lock")
		c.send("add lock 0 60 1\r\nx")
		q.set(func() { q.heldUp = true })
		c.send("version")
		c.gets()
		q.set(func() { q.lost = errors.New("no quorum") })
		c.gets(noQuorum, "VERSION "+Version)
	})
}

// A hand-off that is not confirmed ends the wait with an error.
func TestStrictHandOff(t *testing.T) {
	strictly(t, locks.Config{}, func(t *testing.T, s *Server, q *quorum) {
		for _, claim := range []string{"add lockcached:wait=9s:lock 0 60 1", "ms lock 1 ME T60 W9000 k"} {
			holder, waiter := hold(t, s, "lock"), connect(t, s)
			waiter.send(claim, "x", "version")
			q.set(func() { q.heldUp = true })
			holder.send("delete lock")
			pass(time.Second)
			holder.gets()
			waiter.gets()
			q.set(func() { q.lost = errors.New("no quorum") })
			holder.gets(noQuorum)
			waiter.gets(noQuorum, "VERSION "+Version)
			q.set(func() { q.heldUp, q.lost = false, nil })
		}
	})
}

// A get of which a part was sent ends with an error; one that is not complete cannot be replaced.
func TestStrictHalfWay(t *testing.T) {
	strictly(t, locks.Config{}, func(t *testing.T, s *Server, q *quorum) {
		c := connect(t, s)
		const size = 50_000
		for _, key := range []string{"a", "b", "c"} {
			c.send(fmt.Sprintf("set %s 0 0 %d", key, size), strings.Repeat("x", size))
			c.gets("STORED")
		}
		q.set(func() { q.heldUp = true })
		c.send("get a b c")
		mark := q.latest
		c.gets()
		q.set(func() { q.kept = mark })
		c.gets("VALUE a 0 50000", strings.Repeat("x", size), "VALUE b 0 50000", strings.Repeat("x", size))
		q.set(func() { q.lost = errors.New("no quorum") })
		c.gets(noQuorum)
		q.set(func() { q.heldUp, q.lost = false, nil })
		c.send("get a")
		c.gets("VALUE a 0 50000", strings.Repeat("x", size), "END")
		q.set(func() { q.heldUp = true })
		c.send("get a b c")
		q.set(func() { q.lost = errors.New("no quorum") })
		c.gets()
		if !c.isClosed() {
			t.Error("still open")
		}
	})
}

// The loop confirms once for all clients that it has read from.
func TestStrictOnSockets(t *testing.T) {
	onSockets(t, func(t *testing.T, network string) {
		q := newQuorum()
		s, dial := listening(t, network, Config{Locks: locks.NewManager(locks.Config{Journal: q})})
		clients := make([]*socketClient, 20)
		for i := range clients {
			clients[i] = dial()
		}
		for round := range 30 {
			q.set(func() { q.heldUp = true })
			before := s.locks.Totals().CmdSet
			for i, c := range clients {
				c.send(fmt.Sprintf("get lock:%d", i), fmt.Sprintf("set item:%d 0 0 1", i), "x", "version")
			}
			eventually(t, "all are heard", func() bool { return s.locks.Totals().CmdSet == before+uint64(len(clients)) })
			if round%2 == 0 {
				q.set(func() { q.heldUp = false })
				for _, c := range clients {
					c.gets("END", "STORED", "VERSION "+Version)
				}
				continue
			}
			q.set(func() { q.lost = errors.New("no quorum") })
			for _, c := range clients {
				c.gets(noQuorum, noQuorum, "VERSION "+Version)
			}
			q.set(func() { q.heldUp, q.lost = false, nil })
		}
	})
}
