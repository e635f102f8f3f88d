package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/cluster/engine/enginetest"
	"github.com/lockcached/lockcached/journal"
)

const (
	prefix   = "/test/"
	patience = 2 * time.Second
)

// membership is an incarnation whose key and map are in a Fake.
type membership struct {
	fake        *enginetest.Fake
	incarnation string
	created     int64
	revision    atomic.Int64
	refreshed   atomic.Int32
}

func (m *membership) Incarnation() string { return m.incarnation }
func (m *membership) Revision() int64     { return m.revision.Load() }

func (m *membership) Guard() []engine.Cond {
	return []engine.Cond{
		engine.CreatedAt(prefix+"member/"+m.incarnation, m.created),
		engine.ModifiedAt(prefix+"map", m.revision.Load()),
	}
}

func (m *membership) Refresh(context.Context) error {
	m.refreshed.Add(1)
	if len(m.fake.Pairs(prefix+"member/"+m.incarnation)) == 0 {
		return ErrFenced
	}
	m.revision.Store(m.fake.Pairs(prefix + "map")[0].Modified)
	return nil
}

// changeMap changes the map, and fence ends an incarnation, without anybody's being told.

func changeMap(f *enginetest.Fake) int64 {
	return f.Do(engine.Txn{Then: []engine.Op{engine.Put(prefix+"map", []byte("map"))}}).Revision
}

func (m *membership) fence() {
	m.fake.Do(engine.Txn{Then: []engine.Op{engine.Delete(prefix + "member/" + m.incarnation)}})
}

// world is an engine with one node, and a journal of that.
type world struct {
	*Journal
	t    *testing.T
	fake *enginetest.Fake
	node *enginetest.Node
	stop func()
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, fake: enginetest.New()}
		w.node = w.fake.Node("a")
		changeMap(w.fake)
		began := time.Now()
		w.Journal = New(Config{
			Engine: w.node, Prefix: prefix, Patience: patience, Logger: zerolog.Nop(),
			Clock: func() time.Duration { return time.Hour + time.Since(began) },
		})
		test(t, w)
		if w.stop != nil {
			w.stop()
		}
	})
}

// live begins an incarnation, and ends the one before.
func (w *world) live(incarnation string) *membership {
	if w.stop != nil {
		w.stop()
	}
	m := &membership{fake: w.fake, incarnation: incarnation}
	m.created = w.fake.Do(engine.Txn{Then: []engine.Op{engine.Put(prefix+"member/"+incarnation, nil)}}).Revision
	m.revision.Store(w.fake.Pairs(prefix + "map")[0].Modified)
	ctx, stop := context.WithCancel(w.t.Context())
	ended := make(chan struct{})
	go func() { _ = w.Serve(ctx, m); close(ended) }()
	w.stop = func() { stop(); <-ended }
	synctest.Wait()
	return m
}

func put(key string, token uint64) *journal.Entry {
	return &journal.Entry{Kind: journal.Put, Key: []byte(key), Value: []byte("owner"), Token: token, Expires: 2 * time.Hour}
}

func end(key string, token uint64) *journal.Entry {
	return &journal.Entry{Kind: journal.End, Key: []byte(key), Token: token}
}

// read returns the entries of an incarnation, as text, and the rest.
func (w *world) read(incarnation string) (entries string, left Left) {
	w.t.Helper()
	var all []string
	left, err := Read(w.t.Context(), w.node, prefix, incarnation, func(e *journal.Entry, _ int64) {
		sign := "+"
		if e.Kind == journal.End {
			sign = "-"
		}
		all = append(all, fmt.Sprint(sign, string(e.Key), e.Token))
	})
	if err != nil {
		w.t.Error(err)
	}
	return strings.Join(all, " "), left
}

func (w *world) wants(incarnation, want string) {
	w.t.Helper()
	if got, _ := w.read(incarnation); got != want {
		w.t.Errorf("the journal has %q, want %q", got, want)
	}
}

func TestWhatIsCommittedIsRead(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.live("a1")
		w.Append(put("k", 5))
		n := w.Append(end("k", 5))
		if w.Kept(n) || !w.Pending() {
			t.Error("kept before it is committed")
		}
		if err := w.Commit(); err != nil || !w.Kept(n) || w.Pending() {
			t.Errorf("%v, kept %v", err, w.Kept(n))
		}
		entries, left := w.read("a1")
		if entries != "+k5 -k5" || left.Token != 5 || left.At != time.Hour {
			t.Errorf("%s, %+v", entries, left)
		}
		time.Sleep(10 * time.Second)
		if _, left := w.read("a1"); left.At < time.Hour+9*time.Second {
			t.Errorf("the last sign of life is of %v", left.At)
		}
	})
}

// All that comes while a transaction is in flight goes into the next one.
func TestOneTransactionInFlight(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.live("a1")
		w.fake.SetDelay(func() time.Duration { return 10 * time.Millisecond })
		began := time.Now()
		var all sync.WaitGroup
		for i := range 1000 {
			all.Go(func() {
				time.Sleep(time.Duration(i%7) * time.Millisecond)
				if err := w.Confirm(w.Append(put(fmt.Sprint("k", i), uint64(i)))); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// A read waits for a transaction that began after it, and that writes nothing.
func TestReadsAreConfirmed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m := w.live("a1")
		before := len(w.fake.Pairs(prefix))
		if err := w.Confirm(w.Mark()); err != nil {
			t.Error(err)
		}
		if after := len(w.fake.Pairs(prefix)); after != before {
			t.Errorf("%d keys, %d before", after, before)
		}
		m.fence()
		if err := w.Confirm(w.Mark()); !errors.Is(err, ErrFenced) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// A read is not confirmed by a transaction that was under way: it may have been carried out before.
func TestReadsAreConfirmedByLaterTransactions(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m := w.live("a1")
		carried := make(chan struct{}, 10)
		w.fake.Carried(func(string, engine.Txn, engine.Outcome) { carried <- struct{}{} })
		w.Append(put("k", 1))
		<-carried // and its answer is on its way
		m.fence()
		if err := w.Confirm(w.Mark()); !errors.Is(err, ErrFenced) {
			t.Errorf("got %v", err)
		}
	})
}

// An answer that is lost, or a transaction that is carried out twice or late, does no harm.
func TestFaultsOnTheWay(t *testing.T) {
	for name, fault := range map[string]enginetest.Fault{
		"request lost":      {LoseRequest: true},
		"answer lost":       {LoseAnswer: true},
		"answer lost early": {LoseAnswer: true, Fail: true},
		"late":              {Late: 3 * time.Second},
		"twice":             {Again: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.live("a1")
				faults := 1
				w.node.SetFault(func(engine.Txn) enginetest.Fault {
					if faults--; faults >= 0 {
						return fault
					}
					return enginetest.Fault{}
				})
				w.Append(put("k", 1))
				if err := w.Commit(); err != nil {
					t.Error(err)
				}
				w.Append(end("k", 1))
				if err := w.Commit(); err != nil {
					t.Error(err)
				}
				time.Sleep(5 * time.Second)
				w.wants("a1", "+k1 -k1")
			})
		})
	}
}

// Without a quorum an answer waits for the patience, and later ones not at all. What was
// appended is committed when the quorum is back.
func TestNoQuorum(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.live("a1")
		w.node.Cut()
		began := time.Now()
		n := w.Append(put("k", 1))
		if err := w.Confirm(n); err != ErrNoQuorum || time.Since(began) != patience {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		time.Sleep(time.Nanosecond)
		if err := w.Confirm(w.Mark()); err != ErrNoQuorum || time.Since(began) > patience+time.Second || w.Err() != ErrNoQuorum || !w.Doubtful(nil) {
			t.Errorf("then %v after %v; %v", err, time.Since(began), w.Err())
		}
		w.node.Mend()
		time.Sleep(engine.LastTry + time.Second)
		if !w.Kept(n) || w.Err() != nil {
			t.Errorf("kept %v, %v", w.Kept(n), w.Err())
		}
		w.wants("a1", "+k1")
	})
}

// What an incarnation could not commit stays lost when the next one commits something.
func TestNextIncarnation(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		if err := w.Err(); err != ErrNoQuorum {
			t.Errorf("before the first: %v", err)
		}
		m := w.live("a1")
		kept := w.Append(put("kept", 1))
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		m.fence()
		lost := w.Append(put("lost", 2))
		if err := w.Commit(); err != ErrFenced || w.Err() != ErrFenced {
			t.Errorf("%v, %v", err, w.Err())
		}
		between := w.Append(put("between", 3))
		w.live("a2")
		for range 5 {
			w.Append(put("later", 4))
			if err := w.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		if !w.Kept(kept) || w.Kept(lost) || w.Kept(between) {
			t.Errorf("kept %v, %v, %v", w.Kept(kept), w.Kept(lost), w.Kept(between))
		}
		if err := w.Confirm(lost); err == nil {
			t.Error("what was lost is confirmed")
		}
		w.wants("a1", "+kept1")
		w.wants("a2", strings.TrimSpace(strings.Repeat("+later4 ", 5)))
	})
}

// A node that stops in the middle of a round tells its clients of the quorum, not of a context.
func TestStopsDuringARound(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.live("a1")
		w.node.Cut()
		n := w.Append(put("k", 1))
		synctest.Wait()
		done := make(chan error, 1)
		go func() { done <- w.Confirm(n) }()
		synctest.Wait()
		w.stop()
		if err := <-done; err != ErrNoQuorum || w.Err() != ErrNoQuorum {
			t.Errorf("%v, then %v", err, w.Err())
		}
	})
}

// A node whose engine ends tells its clients of the quorum, too.
func TestEngineEnds(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.live("a1")
		_ = w.node.Close()
		n := w.Append(put("k", 1))
		if err := w.Confirm(n); err != ErrNoQuorum || w.Err() != ErrNoQuorum {
			t.Errorf("%v, then %v", err, w.Err())
		}
	})
}

// A map that has changed is read, and the same batch is written by that.
func TestMapChanges(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m := w.live("a1")
		changeMap(w.fake)
		w.Append(put("k", 1))
		if err := w.Commit(); err != nil || m.refreshed.Load() == 0 {
			t.Errorf("%v, read %d times", err, m.refreshed.Load())
		}
		w.wants("a1", "+k1")
	})
}

// Entries of any number and size come back in their order.
func TestManyEntries(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.live("a1")
		var want []string
		for i := range 5000 {
			e := put(fmt.Sprint("k", i, "-"), uint64(i))
			e.Value = bytes.Repeat([]byte("v"), i%500)
			w.Append(e)
			want = append(want, fmt.Sprint("+k", i, "-", i))
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		w.wants("a1", strings.Join(want, " "))
	})
}

// Entries of the largest size that Limit allows are kept, whatever comes before them, and can be
// written into a checkpoint.
func TestLargestEntries(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.live("a1")
		var want []string
		var holds []*journal.Entry
		for i, size := range []int{10, maxBatch - 100, w.Limit() - 250, w.Limit() - 250, 10, 200} {
			e := put(strings.Repeat("k", 249)+fmt.Sprint(i), uint64(i))
			e.Value, e.Claim = bytes.Repeat([]byte("v"), size), [16]byte{1}
			w.Append(e)
			holds = append(holds, e)
			want = append(want, fmt.Sprint("+", string(e.Key), i))
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		w.wants("a1", strings.Join(want, " "))
		if err := w.Checkpoint(walk(func() {}, holds...)); err != nil {
			t.Fatal(err)
		}
		w.wants("a1", strings.Join(want, " "))
	})
}

// walk emits holds, and calls between after each.
func walk(between func(), holds ...*journal.Entry) func(emit func(*journal.Entry)) error {
	return func(emit func(*journal.Entry)) error {
		for _, e := range holds {
			emit(e)
			between()
		}
		return nil
	}
}

func TestCheckpoint(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.live("a1")
		for i := range uint64(3) {
			w.Append(put("old", i))
			if err := w.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		during := func() { w.Append(end("old", 2)) }
		if err := w.Checkpoint(walk(during, put("old", 2))); err != nil {
			t.Fatal(err)
		}
		w.wants("a1", "+old2 -old2")
		if entries, left := w.read("a1"); left.Token != 2 {
			t.Errorf("%s, %+v", entries, left)
		}
		large := put("large", 9)
		large.Value = bytes.Repeat([]byte("v"), maxBatch)
		if err := w.Checkpoint(walk(func() {}, large, put("small", 10))); err != nil {
			t.Fatal(err)
		}
		w.wants("a1", "+large9 +small10")
		w.Append(end("small", 10))
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		w.wants("a1", "+large9 +small10 -small10")

		w.Freeze(true)
		if err := w.Checkpoint(walk(func() {})); err != errFrozen {
			t.Errorf("frozen: %v", err)
		}
	})
}

// What was appended during the walk of a checkpoint is in the journal when the checkpoint counts:
// the walk may have seen its effects already.
func TestCheckpointCountsLast(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.live("a1")
		w.Append(put("old", 1))
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		k, batches, counted := keys{prefix, "a1"}, 0, false
		w.node.SetFault(func(x engine.Txn) enginetest.Fault {
			if strings.HasPrefix(x.Then[0].Key, k.batches()) {
				return enginetest.Fault{Late: 100 * time.Millisecond} // the head overtakes it if it can
			}
			return enginetest.Fault{}
		})
		w.fake.Carried(func(_ string, x engine.Txn, _ engine.Outcome) {
			for _, op := range x.Then {
				switch {
				case op.Kind == engine.OpPut && strings.HasPrefix(op.Key, k.batches()):
					batches++
				case op.Kind == engine.OpPut && op.Key == k.head():
					counted = true
					if batches == 0 {
						t.Error("the checkpoint counts before what was appended")
					}
				}
			}
		})
		if err := w.Checkpoint(walk(func() { w.Append(end("old", 1)) }, put("old", 1))); err != nil || !counted {
			t.Errorf("counted %v, %v", counted, err)
		}
	})
}

// A checkpoint counts only if the map stays as it was, and an earlier one never comes back.
func TestCheckpointOvertaken(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.live("a1")
		w.Append(put("k", 1))
		err := w.Checkpoint(walk(func() { changeMap(w.fake) }, put("k", 1)))
		if err != errOvertaken {
			t.Errorf("the map has changed: %v", err)
		}
		w.wants("a1", "+k1")

		w.node.SetFault(func(tx engine.Txn) enginetest.Fault {
			if len(tx.Else) > 0 { // the one that makes it count
				return enginetest.Fault{LoseAnswer: true, Again: time.Minute}
			}
			return enginetest.Fault{}
		})
		finished := make(chan error, 1)
		go func() { finished <- w.Checkpoint(walk(func() {}, put("k", 1))) }()
		time.Sleep(time.Second / 2)
		w.node.SetFault(func(engine.Txn) enginetest.Fault { return enginetest.Fault{} })
		if err := <-finished; err != nil {
			t.Errorf("its answer was lost: %v", err)
		}
		if err := w.Checkpoint(walk(func() {}, put("k", 2))); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Minute) // the first one is carried out once more
		w.wants("a1", "+k2")
	})
}

// It asks for a checkpoint when batches have grown large.
func TestWantsCheckpoint(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.live("a1")
		e := put("k", 1)
		e.Value = bytes.Repeat([]byte("v"), 100<<10)
		for n := 0; ; n++ {
			select {
			case <-w.WantsCheckpoint():
				if n < checkpointBytes/(110<<10) {
					t.Errorf("after %d batches", n)
				}
				return
			default:
			}
			w.Append(e)
			if err := w.Commit(); err != nil || n > 100 {
				t.Fatal(n, err)
			}
		}
	})
}

// An idle node's journal stays short, because batches count even if they are empty.
func TestIdleNodeWantsCheckpoints(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.live("a1")
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		select {
		case <-w.WantsCheckpoint():
		case <-ctx.Done():
			t.Fatalf("%d batches", len(w.fake.Pairs(prefix+"journal/")))
		}
		if err := w.Checkpoint(walk(func() {})); err != nil {
			t.Error(err)
		}
		if n := len(w.fake.Pairs(prefix + "journal/")); n > 10 {
			t.Errorf("%d batches are left", n)
		}
	})
}

// What is missing or damaged is reported, never skipped.
func TestDamage(t *testing.T) {
	k := keys{prefix, "a1"}
	for name, damage := range map[string]func(w *world){
		"gap":        func(w *world) { w.fake.Do(engine.Txn{Then: []engine.Op{engine.Delete(k.batch(2))}}) },
		"first gone": func(w *world) { w.fake.Do(engine.Txn{Then: []engine.Op{engine.Delete(k.batch(1))}}) },
		"bit": func(w *world) {
			p := bytes.Clone(w.fake.Pairs(k.batch(2))[0].Value)
			p[len(p)-1] ^= 1
			w.fake.Do(engine.Txn{Then: []engine.Op{engine.Put(k.batch(2), p)}})
		},
		"cut off": func(w *world) { w.fake.Do(engine.Txn{Then: []engine.Op{engine.Put(k.batch(2), []byte{format})}}) },
		"piece gone": func(w *world) {
			if err := w.Checkpoint(walk(func() {}, put("k", 1))); err != nil {
				w.t.Error(err)
			}
			w.fake.Do(engine.Txn{Then: []engine.Op{engine.DeletePrefix(k.checkpoints())}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.live("a1")
				for i := range uint64(3) {
					w.Append(put("k", i))
					if err := w.Commit(); err != nil {
						t.Fatal(err)
					}
				}
				damage(w)
				if _, err := Read(t.Context(), w.node, prefix, "a1", func(*journal.Entry, int64) {}); !errors.Is(err, errDamaged) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}
