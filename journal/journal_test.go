package journal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/internal/ttl"
)

// open opens a journal and replays it into a map; the test closes it if it is
// still open at its end.
func open(t testing.TB, c Config) (*Journal, state, Recovered) {
	t.Helper()
	j, s, r, err := tryOpen(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if j.segment != nil {
			_ = j.Close()
		}
	})
	return j, s, r
}

func tryOpen(c Config) (*Journal, state, Recovered, error) {
	j, err := Open(c)
	if err != nil {
		return nil, nil, Recovered{}, err
	}
	s := make(state)
	r, err := j.Replay(s.apply)
	if err != nil {
		return nil, nil, Recovered{}, errors.Join(err, j.Close())
	}
	return j, s, r, nil
}

// look reads a journal that nobody has open, and changes nothing.
func look(dir string) (state, Recovered, error) {
	s := make(state)
	r := replay{journal: &Journal{config: Config{Dir: dir}.withDefaults()}}
	err := r.read()
	r.visit(s.apply)
	return s, r.Recovered, err
}

// crash ends a journal as a crash of the process would.
func crash(j *Journal) {
	close(j.stop)
	j.ended.Wait()
	_ = j.segment.close()
	j.segment = nil
	_ = j.lock.Close()
}

// state is what a journal's entries add up to, by key.
type state map[string]string

func (s state) apply(e *Entry) {
	if e.Kind == End {
		delete(s, string(e.Key))
		return
	}
	s[string(e.Key)] = describe(e)
}

func describe(e *Entry) string {
	return fmt.Sprintf("%.20q (%d bytes, sum %x) flags %d token %d since %v expires %v binary %v claim %x", e.Value, len(e.Value), crc32.ChecksumIEEE(e.Value), e.Flags, e.Token, e.Since, e.Expires, e.Binary, e.Claim)
}

func put(key, value string, token uint64) *Entry {
	return &Entry{Kind: Put, Key: []byte(key), Value: []byte(value), Token: token, Since: time.Minute, Expires: ttl.Forever}
}

// claimed is a hold of a cluster.
func claimed(key, value string, token uint64) *Entry {
	e := put(key, value, token)
	e.Claim = [16]byte{15: byte(token)}
	return e
}

func end(key string, token uint64) *Entry { return &Entry{Kind: End, Key: []byte(key), Token: token} }

// commit appends the entries and commits them.
func commit(t testing.TB, j *Journal, entries ...*Entry) {
	t.Helper()
	for _, e := range entries {
		j.Append(e)
	}
	if err := j.Commit(); err != nil {
		t.Fatal(err)
	}
}

func checkState(t testing.TB, got, want state) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("got\n\t%v\nwant\n\t%v", got, want)
	}
}

// checkKeys compares the keys of the locks that are held.
func checkKeys(t testing.TB, got state, want ...string) {
	t.Helper()
	if keys := slices.Sorted(maps.Keys(got)); !slices.Equal(keys, want) {
		t.Errorf("held %q, want %q", keys, want)
	}
}

// files returns the names of the segments in a directory.
func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, segmentPrefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		names = append(names, filepath.Base(p))
	}
	return names
}

func TestEverythingComesBack(t *testing.T) {
	for _, mode := range []Mode{Interval, Always, Never} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			c := Config{Dir: filepath.Join(t.TempDir(), "new", "data"), Fsync: mode}
			j, got, r := open(t, c)
			if len(got) != 0 || r.Locks != 0 || r.Classes != nil {
				t.Fatalf("a new journal has %v, %+v", got, r)
			}
			want := make(state)
			for _, e := range []*Entry{
				put("a", "alice", 1),
				{Kind: Put, Key: []byte(strings.Repeat("k", MaxEntryKey)), Value: make([]byte, 100_000), Flags: 1<<32 - 1, Token: 1<<64 - 2, Since: -time.Second, Expires: time.Hour, Binary: true},
				put("b", "", 2),
				put("a", "alice again", 4),
				put("c", "cleo", 5),
				claimed("c", "cleo once more", 6),
				claimed("d", "", 7),
				end("b", 2),
			} {
				want.apply(e)
				commit(t, j, e)
			}
			crash(j)
			j, got, r = open(t, c)
			checkState(t, got, want)
			if r.Locks != 4 || r.Records != 8 || r.MaxToken != 1<<64-2 || r.Lost != 0 {
				t.Errorf("%+v", r)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			_, got, _ = open(t, c)
			checkState(t, got, want)
		})
	}
}

// Close commits what is pending, in every mode.
func TestClose(t *testing.T) {
	c := Config{Dir: t.TempDir(), Fsync: Never}
	j, _, _ := open(t, c)
	j.Append(put("a", "alice", 1))
	if !j.Pending() {
		t.Error("nothing is pending")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Commit(); err != nil {
		t.Errorf("nothing was appended: %v", err)
	}
	j.Append(put("b", "bob", 2))
	if err := j.Commit(); err != errClosed {
		t.Errorf("committed to a journal that is closed: %v", err)
	}
	_, got, _ := open(t, c)
	checkKeys(t, got, "a")
}

func TestInUse(t *testing.T) {
	c := Config{Dir: t.TempDir()}
	j, _, _ := open(t, c)
	_, err := Open(c)
	if want := fmt.Sprintf("process %d has %s", os.Getpid(), c.Dir); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), want) {
		t.Errorf("opened twice: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, c)
}

func TestOpenFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: file}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a file is not a directory: %v", err)
	}
}

func TestClasses(t *testing.T) {
	c := Config{Dir: t.TempDir(), Logger: zerolog.Nop()}
	j, _, _ := open(t, c)
	for _, blob := range []string{"first", strings.Repeat("second ", 20_000)} {
		if err := j.SaveClasses([]byte(blob)); err != nil {
			t.Fatal(err)
		}
		commit(t, j, put("a", "alice", 1))
		crash(j)
		var r Recovered
		if j, _, r = open(t, c); string(r.Classes) != blob {
			t.Errorf("%d bytes came back, want %d", len(r.Classes), len(blob))
		}
	}
	// Damaged statistics do no harm to the locks.
	crash(j)
	flip(t, filepath.Join(c.Dir, classesName), 99)
	_, got, r := open(t, c)
	if r.Classes != nil {
		t.Errorf("damaged statistics came back")
	}
	checkKeys(t, got, "a")
}

// flip changes a bit of a file.
func flip(t testing.TB, path string, at int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 1 << (at % 8)
	if err := os.WriteFile(path, b, fileMode); err != nil {
		t.Fatal(err)
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	j, _, _ := open(t, Config{Dir: t.TempDir(), Fsync: Never})
	e := put("lock:user:17", "alice", 1)
	work := func() {
		for range 100 {
			j.Append(e)
		}
		if err := j.Commit(); err != nil {
			t.Error(err)
		}
	}
	work()
	if n := testing.AllocsPerRun(100, work); n > 1 { // in the background, if any
		t.Errorf("%v allocations", n)
	}
}
