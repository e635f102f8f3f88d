package journal

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"testing"

	leveldb "github.com/syndtr/goleveldb/leveldb/journal"
)

// FuzzReplay reads any two files as segments 1 and 2; an empty one is left out, and
// mended gives them checksums that fit. They are recovered or refused, what is recovered
// makes sense, and the journal that goes on from it recovers the same.
func FuzzReplay(f *testing.F) {
	whole, err := os.ReadFile(smallHistory(f, Config{Fsync: Always, Clock: newMachine().clock}).j.path(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, []byte(nil), false)
	f.Add(whole, []byte(nil), true)
	f.Fuzz(func(t *testing.T, first, second []byte, mended bool) {
		if mended {
			first, second = mend(first), mend(second)
		}
		dir := t.TempDir()
		j := &Journal{config: Config{Dir: dir}}
		for i, b := range [][]byte{first, second} {
			if len(b) == 0 {
				continue
			}
			if err := os.WriteFile(j.path(uint64(1+i)), b, fileMode); err != nil {
				t.Fatal(err)
			}
		}
		want, r, err := look(dir)
		if errors.Is(err, ErrCorrupt) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(want) != r.Locks || r.Locks > r.Records || r.Lost > int64(len(first)+len(second)) {
			t.Errorf("%d locks, %+v", len(want), r)
		}
		j, _, _, err = tryOpen(Config{Dir: dir, Create: new(disk).Create})
		if err != nil {
			t.Fatalf("it was good and is not any more: %v", err)
		}
		commit(t, j, put("z", "zoe", 1))
		want.apply(put("z", "zoe", 1))
		crash(j)
		got, _, err := look(dir)
		if err != nil || !sameKeys(got, want) {
			t.Errorf("%v; recovered %v, then %v", err, want, got)
		}
	})
}

// mend reads records without regard to their checksums, and writes them anew.
func mend(b []byte) []byte {
	var to bytes.Buffer
	records, framer := leveldb.NewReader(bytes.NewReader(b), nil, false, false), leveldb.NewWriter(&to)
	for {
		r, err := records.Next()
		if err != nil {
			_ = framer.Close()
			return to.Bytes()
		}
		w, _ := framer.Next()
		_, _ = io.Copy(w, r)
	}
}

// sameKeys compares keys only: the times in a journal without a boot id depend on when it
// is read.
func sameKeys(a, b state) bool {
	return maps.EqualFunc(a, b, func(string, string) bool { return true })
}
