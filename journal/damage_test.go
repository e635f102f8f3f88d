package journal

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// history is a journal and the states that it went through.
type history struct {
	t      testing.TB
	dir    string
	j      *Journal
	held   map[string]*Entry
	states []state
	safe   int     // index of the state in the latest complete checkpoint
	ends   []int64 // of the batch that led to the state, in the present segment
}

func newHistory(t testing.TB, c Config) *history {
	c.Dir = t.TempDir()
	j, s, _ := open(t, c)
	return &history{t: t, dir: c.Dir, j: j, held: make(map[string]*Entry), states: []state{s}, ends: []int64{j.segment.size}}
}

// commit commits the entries as one batch.
func (h *history) commit(entries ...*Entry) {
	s := maps.Clone(h.last())
	for _, e := range entries {
		s.apply(e)
		h.held[string(e.Key)] = e
		if e.Kind == End {
			delete(h.held, string(e.Key))
		}
	}
	commit(h.t, h.j, entries...)
	h.states = append(h.states, s)
	h.ends = append(h.ends, h.j.segment.size)
}

func (h *history) last() state { return h.states[len(h.states)-1] }

// since reports whether the history went through a state at the given index or later.
func (h *history) since(first int, s state) bool {
	return slices.ContainsFunc(h.states[first:], func(was state) bool { return maps.Equal(was, s) })
}

// copyDir copies a directory's files, changed by edit, into a new one.
func copyDir(t testing.TB, dir string, edit func(name string, b []byte) []byte) string {
	t.Helper()
	to, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files(t, dir) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if b = edit(name, b); b == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(to, name), b, fileMode); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// checkCorrupt expects an error that names the file and says what to do.
func checkCorrupt(t testing.TB, err error, file string) {
	t.Helper()
	if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "restore") {
		t.Errorf("%v, want ErrCorrupt about %s", err, file)
	}
}

// smallHistory has batches of one to three entries in one segment.
func smallHistory(t testing.TB, c Config) *history {
	h := newHistory(t, c)
	h.commit(put("a", "alice", 1))
	h.commit(put("b", "bob", 2), end("a", 1))
	h.commit(put("a", "", 3), put("c", "cleo", 4), put("b", "bob", 5))
	h.commit(end("b", 5))
	h.commit(put("d", "dan", 6))
	crash(h.j)
	return h
}

// Cut at any byte, the journal ends with the last batch that is whole; and it
// goes on from there.
func TestCutAtEveryByte(t *testing.T) {
	h := smallHistory(t, Config{Fsync: Always})
	size := h.ends[len(h.ends)-1]
	const goOn = 17 // only after every so many cuts, because it takes long
	for cut := range size + 1 {
		dir := copyDir(t, h.dir, func(_ string, b []byte) []byte { return b[:cut] })
		got, r, err := look(dir)
		if err != nil {
			t.Fatalf("cut at %d of %d: %v", cut, size, err)
		}
		whole, end := 0, int64(0)
		for i := range h.ends {
			if h.ends[i] <= cut {
				whole, end = i, h.ends[i]
			}
		}
		want := maps.Clone(h.states[whole])
		if !maps.Equal(got, want) || r.Lost != cut-end {
			t.Errorf("cut at %d: lost %d bytes, want %d; %v, want %v", cut, r.Lost, cut-end, got, want)
		}
		if cut%goOn != 0 {
			continue
		}
		j, _, _ := open(t, Config{Dir: dir})
		commit(t, j, put("z", "zoe", 9))
		want.apply(put("z", "zoe", 9))
		crash(j)
		got, r, err = look(dir)
		if err != nil || !maps.Equal(got, want) || r.Lost != 0 {
			t.Errorf("cut at %d, and gone on: %v; lost %d bytes; %v, want %v", cut, err, r.Lost, got, want)
		}
	}
}

// A flipped bit before the last point that is known to have been safe is not
// taken for a torn tail.
func TestFlipAnyByte(t *testing.T) {
	h := smallHistory(t, Config{Fsync: Always})
	last := h.ends[len(h.ends)-2] // where the last batch begins
	for at := range h.ends[len(h.ends)-1] {
		dir := copyDir(t, h.dir, func(_ string, b []byte) []byte { b[at] ^= 1 << (at % 8); return b })
		got, _, err := look(dir)
		if at < last {
			checkCorrupt(t, err, "journal-00000001")
			continue
		}
		if err != nil {
			t.Fatalf("flipped at %d: %v", at, err)
		}
		checkState(t, got, h.states[len(h.states)-2])
	}
}

// What Close has made safe is refused if it is damaged, up to the last batch, which says
// that it is safe.
func TestFlipAfterClose(t *testing.T) {
	h := newHistory(t, Config{Fsync: Never})
	h.commit(put("a", "alice", 1))
	size := h.ends[1]
	if err := h.j.Close(); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{0, chunkHead, size - 1} {
		dir := copyDir(t, h.dir, func(_ string, b []byte) []byte { b[at] ^= 1; return b })
		_, _, err := look(dir)
		checkCorrupt(t, err, "journal-00000001")
	}
}

// randomHistory has batches of all sizes, and checkpoints that are complete or not.
func randomHistory(t testing.TB, random *rand.Rand, c Config) *history {
	h := newHistory(t, c)
	for token := uint64(1); token < 200; {
		var entries []*Entry
		for range 1 + random.IntN(5) {
			key := fmt.Sprintf("key:%d", random.IntN(20))
			if random.IntN(3) == 0 {
				entries = append(entries, end(key, token))
			} else {
				value := bytes.Repeat([]byte{byte(token)}, random.IntN(1<<random.IntN(14)))
				entries = append(entries, put(key, string(value), token))
			}
			token++
		}
		h.commit(entries...)
		if random.IntN(30) == 0 {
			h.checkpoint(random.IntN(2) == 0)
		}
	}
	return h
}

// checkpoint makes a checkpoint, or gives up in the middle of it.
func (h *history) checkpoint(complete bool) {
	gaveUp, n := errors.New("gave up"), 0
	err := h.j.Checkpoint(func(emit func(*Entry)) error {
		for _, e := range h.held {
			if n++; !complete && n > len(h.held)/2 {
				return gaveUp
			}
			emit(e)
		}
		return nil
	})
	switch {
	case err == nil:
		h.safe = len(h.states) - 1
	case err != gaveUp:
		h.t.Fatal(err)
	}
}

// However one file is damaged, Replay returns a state that there was, or an error.
func TestRandomDamage(t *testing.T) {
	const histories, damages = 10, 30
	refused, whole := 0, 0
	for seed := range uint64(histories) {
		random := rand.New(rand.NewPCG(seed, 0))
		h := randomHistory(t, random, Config{Fsync: Mode(random.IntN(3)), Create: new(disk).Create})
		if random.IntN(2) == 0 {
			crash(h.j)
		} else if err := h.j.Close(); err != nil {
			t.Fatal(err)
		}
		names := files(t, h.dir)
		for range damages {
			victim := names[random.IntN(len(names))]
			var how string
			dir := copyDir(t, h.dir, func(name string, b []byte) []byte {
				if name == victim {
					b, how = damage(b, random)
				}
				return b
			})
			got, _, err := look(dir)
			switch {
			case errors.Is(err, ErrCorrupt):
				refused++
			case err != nil:
				t.Fatalf("seed %d: %s %s: %v", seed, victim, how, err)
			case !h.since(0, got):
				t.Fatalf("seed %d: %s %s: there never was %v", seed, victim, how, got)
			default:
				whole++
			}
		}
	}
	t.Logf("%d refused, %d recovered", refused, whole)
}

// damage changes a file as crashes, disks and people do.
func damage(b []byte, random *rand.Rand) (damaged []byte, how string) {
	at := random.IntN(len(b))
	switch random.IntN(5) {
	case 0:
		return b[:at], fmt.Sprint("cut at ", at)
	case 1:
		clear(b[at:])
		return b, fmt.Sprint("zeros from ", at)
	case 2:
		return slices.Delete(b, at, at+1), fmt.Sprint("without byte ", at)
	case 3:
		return nil, "deleted"
	}
	for range 1 + random.IntN(3) {
		at = random.IntN(len(b))
		b[at] ^= 1 << random.IntN(8)
	}
	return b, fmt.Sprint("with flipped bits, as at ", at)
}

// A power cut loses nothing in mode Always. In the others the end may be lost, but
// nothing that is in a complete checkpoint.
func TestPowerCut(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 1))
		d, mode := new(disk), Mode(random.IntN(3))
		h := randomHistory(t, random, Config{Fsync: mode, Create: d.Create})
		crash(h.j)
		d.powerCut(t)
		got, _, err := look(h.dir)
		switch {
		case err != nil:
			t.Fatalf("seed %d: %v", seed, err)
		case mode == Always:
			checkState(t, got, h.last())
		case !h.since(h.safe, got):
			t.Errorf("seed %d: there never was %v after the last checkpoint", seed, got)
		}
	}
}

// One batch is enough to tell damage before it from a torn tail.
func TestDamagedPreface(t *testing.T) {
	h := newHistory(t, Config{Fsync: Never})
	h.commit(put("a", "alice", 1))
	crash(h.j)
	dir := copyDir(t, h.dir, func(_ string, b []byte) []byte { b[20] ^= 1; return b })
	_, _, err := look(dir)
	checkCorrupt(t, err, "journal-00000001")
}

// Another format is not damage.
func TestOtherFormat(t *testing.T) {
	h := newHistory(t, Config{})
	h.commit(put("a", "alice", 1))
	crash(h.j)
	dir := copyDir(t, h.dir, func(_ string, b []byte) []byte {
		b[chunkHead+len(magic)]++
		return mend(b)
	})
	_, _, err := look(dir)
	if want := "format 3 is neither 1 nor 2"; !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}
