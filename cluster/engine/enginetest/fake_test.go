package enginetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
)

// story is a Fake with two nodes, and what it carried out.
type story struct {
	*Fake
	t       *testing.T
	a, b    *Node
	carried []string
}

func play(t *testing.T, script func(t *testing.T, s *story)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &story{Fake: New(), t: t}
		s.a, s.b = s.Node("a"), s.Node("b")
		s.Carried(func(node string, x engine.Txn, o engine.Outcome) {
			s.carried = append(s.carried, fmt.Sprintf("%s:%s", node, x.Then[0].Value))
		})
		script(t, s)
		_, _ = s.a.Close(), s.b.Close()
	})
}

// put stores a value under "k", and waits a second for the answer.
func (s *story) put(n *Node, value string) (engine.Outcome, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
	defer cancel()
	return n.Txn(ctx, putValue(value))
}

func putValue(value string) engine.Txn {
	return engine.Txn{Then: []engine.Op{engine.Put("k", []byte(value))}}
}

// unknown fails the test unless the outcome is unknown, because of something.
func (s *story) unknown(err, because error) {
	s.t.Helper()
	if !errors.Is(err, engine.ErrUnknown) || errors.Is(err, engine.ErrRefused) || because != nil && !errors.Is(err, because) {
		s.t.Fatalf("%v, want ErrUnknown because of %v", err, because)
	}
}

func (s *story) known(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// has fails the test unless these were carried out.
func (s *story) has(want ...string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.carried, want) {
		s.t.Fatalf("carried out: %q, want %q", s.carried, want)
	}
}

// next is a Fault for the next Txn of a node.
func next(n *Node, f Fault) {
	n.SetFault(func(engine.Txn) Fault {
		defer func() { f = Fault{} }()
		return f
	})
}

func TestLost(t *testing.T) {
	play(t, func(t *testing.T, s *story) {
		next(s.a, Fault{LoseRequest: true})
		_, err := s.put(s.a, "1")
		s.unknown(err, context.DeadlineExceeded)
		s.has()
		next(s.a, Fault{LoseAnswer: true})
		_, err = s.put(s.a, "2")
		s.unknown(err, context.DeadlineExceeded)
		s.has("a:2")
		start := time.Now()
		next(s.a, Fault{LoseAnswer: true, Fail: true})
		_, err = s.put(s.a, "3")
		s.unknown(err, errLost)
		if took := time.Since(start); took != 2*time.Millisecond {
			t.Errorf("a lost connection was noticed after %v", took)
		}
		next(s.a, Fault{Refuse: engine.ErrNoSpace})
		if _, err = s.put(s.a, "4"); !errors.Is(err, engine.ErrRefused) || !errors.Is(err, engine.ErrNoSpace) {
			t.Error(err)
		}
		s.has("a:2", "a:3")
	})
}

// TestLate: a transaction overtakes one that was sent before, whose sender gave up and may
// use its memory for something else.
func TestLate(t *testing.T) {
	play(t, func(t *testing.T, s *story) {
		value := []byte("1")
		next(s.a, Fault{Late: 3 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.a.Txn(ctx, engine.Txn{Then: []engine.Op{engine.Put("k", value)}})
		s.unknown(err, context.DeadlineExceeded)
		value[0] = 'x'
		_, err = s.put(s.b, "2")
		s.known(err)
		time.Sleep(3 * time.Second)
		s.has("b:2", "a:1")
	})
}

func TestAgain(t *testing.T) {
	play(t, func(t *testing.T, s *story) {
		next(s.a, Fault{Again: time.Second})
		_, err := s.put(s.a, "1")
		s.known(err)
		_, err = s.put(s.b, "2")
		s.known(err)
		time.Sleep(2 * time.Second)
		s.has("a:1", "b:2", "a:1")
		if p := s.Pairs("")[0]; string(p.Value) != "1" || p.Modified != p.Created+2 {
			t.Errorf("the pair is %v", p)
		}
	})
}

func TestCut(t *testing.T) {
	play(t, func(t *testing.T, s *story) {
		s.Do(putValue("0"))
		watch := s.a.Watch(t.Context(), "k", 0)
		if c := <-watch; c.Revision != 2 {
			t.Fatalf("change %v", c)
		}
		s.a.Cut()
		if s.a.HasLeader() || !s.b.HasLeader() {
			t.Error("who is cut off has a leader, or the other one has none")
		}
		_, err := s.put(s.a, "1")
		s.unknown(err, context.DeadlineExceeded)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err = s.a.Get(ctx, "k")
		s.unknown(err, context.DeadlineExceeded)
		_, err = s.put(s.b, "2")
		s.known(err)
		time.AfterFunc(500*time.Millisecond, s.a.Mend)
		_, err = s.put(s.a, "3") // waits
		s.known(err)
		s.has(":0", "b:2", "a:3")
		for want := int64(3); want <= 4; want++ {
			if c := <-watch; c.Revision != want {
				t.Errorf("after the cut came %v, want revision %d", c, want)
			}
		}
	})
}

// TestCutInFlight: what is on its way when a node is cut off is lost, either before or
// after it was carried out.
func TestCutInFlight(t *testing.T) {
	play(t, func(t *testing.T, s *story) {
		for i, after := range []time.Duration{500 * time.Microsecond, 1500 * time.Microsecond} {
			time.AfterFunc(after, s.a.Cut)
			_, err := s.put(s.a, fmt.Sprint(i))
			s.unknown(err, context.DeadlineExceeded)
			s.a.Mend()
		}
		time.AfterFunc(1500*time.Microsecond, s.a.Cut)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := s.a.Get(ctx, "k")
		s.unknown(err, context.DeadlineExceeded)
		s.has("a:1")
	})
}

// TestStall: a paused node's transaction is carried out when it wakes, after others that
// were sent later.
func TestStall(t *testing.T) {
	play(t, func(t *testing.T, s *story) {
		guard := s.Do(engine.Txn{Then: []engine.Op{engine.Put("guard", nil)}})
		s.a.Stall()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.a.Txn(ctx, engine.Txn{
			If:   []engine.Cond{engine.CreatedAt("guard", guard.Revision)},
			Then: []engine.Op{engine.Put("k", []byte("1"))},
		})
		s.unknown(err, context.DeadlineExceeded)
		s.Do(engine.Txn{Then: []engine.Op{engine.Delete("guard")}})
		s.a.Resume()
		s.has(":", ":", "a:1")
		if pairs := s.Pairs("k"); len(pairs) != 0 {
			t.Errorf("a late transaction got past its guard: %v", pairs)
		}
	})
}

func TestLeader(t *testing.T) {
	play(t, func(t *testing.T, s *story) {
		changed := s.a.LeaderChanged()
		time.AfterFunc(500*time.Microsecond, s.LoseLeader)
		_, err := s.put(s.a, "1")
		s.unknown(err, context.DeadlineExceeded)
		if s.a.HasLeader() {
			t.Error("there is a leader")
		}
		select {
		case <-changed:
			t.Error("a new leader was noticed before there was one")
		default:
		}
		time.AfterFunc(500*time.Millisecond, s.Elect)
		_, err = s.put(s.a, "2") // waits
		s.known(err)
		<-changed
		s.has("a:2")

		// One that is in the log of the next leader is carried out, and not answered.
		next(s.a, Fault{Late: 20 * time.Millisecond})
		time.AfterFunc(10*time.Millisecond, s.LoseLeader)
		time.AfterFunc(15*time.Millisecond, s.Elect)
		_, err = s.put(s.a, "3")
		s.unknown(err, context.DeadlineExceeded)
		s.has("a:2", "a:3")
		s.b.Cut()
		changed = s.b.LeaderChanged()
		s.LoseLeader()
		s.Elect()
		select {
		case <-changed:
			t.Error("who is cut off has noticed a new leader")
		default:
		}
		s.b.Mend()
		<-changed

		// A read does not know whether the old leader's answer is the latest.
		time.AfterFunc(500*time.Microsecond, func() { s.LoseLeader(); s.Elect() })
		_, _, err = s.a.Get(t.Context(), "k")
		s.unknown(err, errLeader)
	})
}

func TestFull(t *testing.T) {
	play(t, func(t *testing.T, s *story) {
		s.Do(putValue("0"))
		s.SetFull(true)
		_, err := s.put(s.a, "1")
		s.unknown(err, engine.ErrNoSpace)
		ctx := t.Context()
		if _, err := s.a.Txn(ctx, engine.Txn{Then: []engine.Op{engine.Delete("k")}}); err != nil {
			t.Error(err)
		}
		s.SetFull(false)
		_, err = s.put(s.a, "2")
		s.known(err)
		s.has(":0", "a:", "a:2")
	})
}

func TestWatchesEnd(t *testing.T) {
	play(t, func(t *testing.T, s *story) {
		ends := func(what string, after int64, end func()) {
			t.Helper()
			watch := s.a.Watch(t.Context(), "k", after)
			synctest.Wait()
			end()
			if c, ok := <-watch; ok {
				t.Errorf("%s: %v", what, c)
			}
		}
		ends("broken", 1, s.a.BreakWatches)
		s.a.Cut()
		ends("compacted while it was cut off", 1, func() {
			s.Do(putValue("1"))
			s.Do(putValue("2"))
			s.Compact()
			s.a.Mend()
		})
		ends("closed", 9, func() { _ = s.a.Close() })
		_, err := s.put(s.a, "3")
		if !errors.Is(err, engine.ErrRefused) || !errors.Is(err, engine.ErrClosed) || !strings.Contains(err.Error(), "node a") {
			t.Error(err)
		}
	})
}

func TestFailList(t *testing.T) {
	play(t, func(t *testing.T, s *story) {
		s.Do(engine.Txn{Then: []engine.Op{engine.Put("k/1", nil), engine.Put("k/2", nil), engine.Put("k/3", nil)}})
		s.a.FailList(2, engine.ErrCompacted)
		visits := 0
		_, err := s.a.List(t.Context(), "k/", func(engine.Pair) { visits++ })
		s.unknown(err, engine.ErrCompacted)
		_, err = s.a.List(t.Context(), "k/", func(engine.Pair) { visits++ })
		s.known(err)
		if visits != 2+3 {
			t.Errorf("%d visits", visits)
		}
	})
}

// TestRates: whatever the faults, a guarded transaction that is repeated until it is known
// takes effect once, because its key is its own.
func TestRates(t *testing.T) {
	play(t, func(t *testing.T, s *story) {
		rates := Rates{LoseRequest: 0.2, LoseAnswer: 0.2, Late: 0.2, Again: 0.2, Most: 3 * time.Second}
		s.a.SetFault(rates.Faults(1))
		tries := 0
		for i := range 50 {
			key := fmt.Sprintf("batch/%02d", i)
			for err := engine.ErrUnknown; err != nil; tries++ {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				_, err = s.a.Txn(ctx, engine.Txn{If: []engine.Cond{engine.Absent("fence")}, Then: []engine.Op{engine.Put(key, []byte(key))}})
				cancel()
			}
		}
		s.Do(engine.Txn{Then: []engine.Op{engine.Put("fence", nil)}})
		before := s.Pairs("batch/")
		time.Sleep(time.Minute)
		if after := s.Pairs("batch/"); len(after) != 50 || !slices.EqualFunc(before, after, func(p, q engine.Pair) bool { return p.Modified == q.Modified }) {
			t.Errorf("%d batches; behind the fence something has changed", len(after))
		}
		if tries < 60 {
			t.Errorf("only %d tries: there were hardly any faults", tries)
		}
	})
}
