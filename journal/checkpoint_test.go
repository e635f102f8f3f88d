package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// shards are locks that change under their mutexes, like those of package locks.
type shards struct {
	j      *Journal
	all    [4]shard
	tokens atomic.Uint64
}

type shard struct {
	mu   sync.Mutex
	held map[string]*Entry
}

func newShards(j *Journal) *shards {
	s := &shards{j: j}
	for i := range s.all {
		s.all[i].held = make(map[string]*Entry)
	}
	return s
}

// change grants or ends some lock.
func (s *shards) change(random *rand.Rand) {
	sh, key := &s.all[random.IntN(len(s.all))], fmt.Sprint(random.IntN(100))
	sh.mu.Lock()
	defer sh.mu.Unlock()
	key = fmt.Sprintf("%p:%s", sh, key)
	if e := sh.held[key]; e != nil && random.IntN(2) == 0 {
		delete(sh.held, key)
		s.j.Append(end(key, e.Token))
		return
	}
	sh.held[key] = put(key, "me", s.tokens.Add(1))
	s.j.Append(sh.held[key])
}

// walk emits all locks in pieces.
func (s *shards) walk(emit func(*Entry)) error {
	for i := range s.all {
		s.all[i].emit(emit)
	}
	return nil
}

func (sh *shard) emit(emit func(*Entry)) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, e := range sh.held {
		emit(e)
	}
}

func (s *shards) state() state {
	all := make(state)
	for i := range s.all {
		s.all[i].emit(all.apply)
	}
	return all
}

// Locks come and go while checkpoints are made of them.
func TestCheckpointsWhileLocksChange(t *testing.T) {
	const workers, changes, atLeast = 4, 2000, 5
	for _, mode := range []Mode{Interval, Always} {
		c := Config{Dir: t.TempDir(), Fsync: mode, Create: new(disk).Create}
		j, _, _ := open(t, c)
		s := newShards(j)
		var working sync.WaitGroup
		var done atomic.Bool
		checkpoints := 0
		for i := range workers {
			working.Go(func() {
				random := rand.New(rand.NewPCG(uint64(i), 0))
				for n := 0; n < changes || !done.Load(); n++ {
					s.change(random)
					if err := j.Commit(); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for ; checkpoints < atLeast && !t.Failed(); checkpoints++ {
			if err := j.Checkpoint(s.walk); err != nil {
				t.Error(err)
			}
		}
		done.Store(true)
		working.Wait()
		crash(j)
		got, r, err := look(c.Dir)
		if err != nil {
			t.Fatal(err)
		}
		checkState(t, got, s.state())
		if r.MaxToken != s.tokens.Load() {
			t.Errorf("the largest token is %d, want %d", r.MaxToken, s.tokens.Load())
		}
		if names := files(t, c.Dir); len(names) != 1 {
			t.Errorf("there are %q, want one segment", names)
		}
	}
}

// The largest token outlives its lock.
func TestTokensOutliveLocks(t *testing.T) {
	c := Config{Dir: t.TempDir()}
	nothing := func(func(*Entry)) error { return nil }
	j, _, _ := open(t, c)
	commit(t, j, put("a", "alice", 17), end("a", 17))
	for range 3 {
		if err := j.Checkpoint(nothing); err != nil {
			t.Fatal(err)
		}
		crash(j)
		var r Recovered
		if j, _, r = open(t, c); r.MaxToken != 17 || r.Records > 2 {
			t.Errorf("%+v", r)
		}
	}
}

// An id that a client chose is not a token, neither in an entry nor in what a checkpoint
// passes on. A segment of the format that did not tell them apart is judged by size.
func TestChosenIDs(t *testing.T) {
	const chosen = 1<<63 - 1
	older := func(dir string) string {
		return copyDir(t, dir, func(_ string, b []byte) []byte {
			b[chunkHead+len(magic)] = unmarked
			return mend(b)
		})
	}
	for _, tt := range []struct {
		name        string
		mark, older bool
		id, want    uint64
	}{
		{name: "marked", mark: true, id: chosen, want: 17},
		{name: "not-marked", id: chosen, want: chosen},
		{name: "older", older: true, id: chosen, want: 17},
		{name: "older-64-bits", older: true, id: 1<<64 - 1, want: 17},
		{name: "older-token", older: true, id: unlikely - 1, want: unlikely - 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Config{Dir: t.TempDir()}
			j, _, _ := open(t, c)
			e := put("b", "bob", tt.id)
			e.Chosen = tt.mark
			commit(t, j, put("a", "alice", 17), e)
			crash(j)
			if tt.older {
				c.Dir = older(c.Dir)
			}
			e.Chosen = tt.id != tt.want // as a reader can tell
			for range 3 {
				j, got, r := open(t, c)
				if r.MaxToken != tt.want || got["b"] != describe(e) {
					t.Errorf("%+v, %v", r, got)
				}
				if err := j.Checkpoint(func(emit func(*Entry)) error { emit(e); return nil }); err != nil {
					t.Fatal(err)
				}
				crash(j)
			}
		})
	}
}

// A crash at any time during a checkpoint loses nothing: the old segment and the new one
// are there, or the new one alone.
func TestCrashDuringCheckpoint(t *testing.T) {
	c := Config{Dir: t.TempDir(), Fsync: Always}
	j, _, _ := open(t, c)
	h := &history{t: t, dir: c.Dir, j: j, held: make(map[string]*Entry), states: []state{{}}, ends: []int64{0}}
	h.commit(put("a", "alice", 1), put("b", "bob", 2), put("c", "cleo", 3))
	check := func(when string) {
		t.Helper()
		got, _, err := look(copyDir(t, c.Dir, func(_ string, b []byte) []byte { return b }))
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		checkState(t, got, h.last())
	}
	err := j.Checkpoint(func(emit func(*Entry)) error {
		check("begun")
		h.commit(end("a", 1))
		check("one ended")
		emit(h.held["b"])
		h.commit(put("d", "dan", 4))
		check("one emitted")
		h.commit(end("b", 2))
		check("that one ended")
		emit(h.held["c"])
		h.commit()
		emit(h.held["d"])
		check("all emitted")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	check("complete")
	if names := files(t, c.Dir); !slices.Equal(names, []string{"journal-00000002"}) {
		t.Errorf("there are %q", names)
	}
}

// Damage to a checkpoint is not a torn tail, even if nothing follows: what it was
// made from is gone.
func TestDamagedCheckpoint(t *testing.T) {
	m := newModel(t, Never, new(disk))
	if err := m.change(put("a", "alice", 1)); err != nil {
		t.Fatal(err)
	}
	if err := m.Checkpoint(m.walk); err != nil {
		t.Fatal(err)
	}
	size := int(m.segment.size)
	crash(m.Journal)
	for at := range size {
		dir := copyDir(t, m.config.Dir, func(_ string, b []byte) []byte { b[at] ^= 1; return b })
		_, _, err := look(dir)
		checkCorrupt(t, err, "journal-00000002")
	}
}

// A journal without one of its segments is refused.
func TestMissingSegment(t *testing.T) {
	c := Config{Dir: t.TempDir()}
	for i := range 3 {
		j, _, _ := open(t, c)
		commit(t, j, put(fmt.Sprint(i), "me", uint64(i)))
		crash(j)
	}
	for _, missing := range []string{"journal-00000001", "journal-00000002"} {
		dir := copyDir(t, c.Dir, func(name string, b []byte) []byte {
			if name == missing {
				return nil
			}
			return b
		})
		_, _, err := look(dir)
		checkCorrupt(t, err, "missing")
	}
	dir := copyDir(t, c.Dir, func(_ string, b []byte) []byte { return b })
	j := &Journal{config: Config{Dir: dir}}
	if err := os.Rename(j.path(3), j.path(4)); err != nil {
		t.Fatal(err)
	}
	_, _, err := look(dir)
	checkCorrupt(t, err, "journal-00000004")
}

// A segment that one start skipped but could not delete is deleted by the next.
func TestSegmentPassedOver(t *testing.T) {
	c := Config{Dir: t.TempDir()}
	j, _, _ := open(t, c)
	commit(t, j, put("a", "alice", 1))
	crash(j)
	if err := os.WriteFile(j.path(2), nil, fileMode); err != nil {
		t.Fatal(err)
	}
	j, got, _ := open(t, c)
	checkKeys(t, got, "a")
	crash(j)
	if err := os.WriteFile(j.path(2), []byte("junk"), fileMode); err != nil {
		t.Fatal(err)
	}
	_, got, _ = open(t, c)
	checkKeys(t, got, "a")
	if names := files(t, c.Dir); !slices.Equal(names, []string{"journal-00000001", "journal-00000003", "journal-00000004"}) {
		t.Errorf("there are %q", names)
	}
}

// A journal asks for a checkpoint when it has grown, and not again once that is made.
func TestWantsCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Config{Dir: t.TempDir(), Fsync: Never, CheckpointBytes: 1000}
		j, _, _ := open(t, c)
		wants := func() bool {
			time.Sleep(2 * time.Second)
			synctest.Wait()
			return len(j.WantsCheckpoint()) > 0
		}
		if wants() {
			t.Error("it wants a checkpoint of nothing")
		}
		m := &model{j, make(map[string]*Entry)}
		big := put("big", string(make([]byte, 2000)), 1)
		if err := m.change(big); err != nil {
			t.Fatal(err)
		}
		if !wants() {
			t.Error("it does not want a checkpoint")
		}
		if err := j.Checkpoint(m.walk); err != nil {
			t.Fatal(err)
		}
		if wants() {
			t.Error("it wants another checkpoint")
		}
		// What the checkpoint took is a little more than the lock.
		for i, want := range []bool{false, false, false, false, true} {
			if err := m.change(big); err != nil {
				t.Fatal(err)
			}
			if wants() != want {
				t.Errorf("after %d more: it wants one: %v", i+1, !want)
			}
		}
		crash(j)
		j, _, _ = open(t, c)
		if len(j.WantsCheckpoint()) == 0 {
			t.Error("it does not want a checkpoint after a restart")
		}
		crash(j)
	})
}

// walk may give up.
func TestWalkFails(t *testing.T) {
	j, _, _ := open(t, Config{Dir: t.TempDir()})
	why := errors.New("why not")
	m := &model{j, make(map[string]*Entry)}
	if err := m.change(put("a", "alice", 1)); err != nil {
		t.Fatal(err)
	}
	if err := j.Checkpoint(func(func(*Entry)) error { return why }); err != why {
		t.Errorf("checkpoint: %v, want %v", err, why)
	}
	if err := m.change(put("b", "bob", 2)); err != nil {
		t.Error(err)
	}
	m.checkRecovered(t, m.state())
}
