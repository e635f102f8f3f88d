package journal

import (
	"fmt"
	"testing"
	"time"
)

// benchEntry takes about 80 bytes.
func benchEntry() *Entry {
	return &Entry{Kind: Put, Key: []byte("lock:user:12345678"), Value: []byte("worker-17.example.com:12345"), Token: 1, Since: time.Hour, Expires: 2 * time.Hour}
}

// BenchmarkAppend is what a change of a lock pays under its shard's mutex.
func BenchmarkAppend(b *testing.B) {
	j, _, _ := open(b, Config{Dir: b.TempDir(), Fsync: Never})
	e := benchEntry()
	b.ReportAllocs()
	for b.Loop() {
		j.Append(e)
	}
}

// BenchmarkAppendCommit is a batch of entries, and the commit of one caller.
func BenchmarkAppendCommit(b *testing.B) {
	for _, mode := range []Mode{Never, Interval, Always} {
		for _, batch := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("%s/%d", []string{"interval", "always", "never"}[mode], batch), func(b *testing.B) {
				j, _, _ := open(b, Config{Dir: b.TempDir(), Fsync: mode})
				e := benchEntry()
				b.ReportAllocs()
				for b.Loop() {
					for range batch {
						j.Append(e)
					}
					if err := j.Commit(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkGroupCommit is one entry and its commit, from so many goroutines at a
// time, with an fsync for each: the more, the less it takes.
func BenchmarkGroupCommit(b *testing.B) {
	for _, callers := range []int{1, 50} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			j, _, _ := open(b, Config{Dir: b.TempDir(), Fsync: Always})
			e := benchEntry()
			b.SetParallelism(callers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					j.Append(e)
					if err := j.Commit(); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkReplay recovers a million held locks: from a checkpoint, or from as
// many entries that were appended one after the other and never checkpointed.
func BenchmarkReplay(b *testing.B) {
	const locks = 1_000_000
	for _, from := range []string{"checkpoint", "entries"} {
		b.Run(from, func(b *testing.B) {
			c := Config{Dir: b.TempDir(), Fsync: Never}
			j, _, _ := open(b, c)
			fill := func(emit func(*Entry)) error {
				e := benchEntry()
				for i := range locks {
					e.Key = fmt.Appendf(e.Key[:0], "lock:user:%08d", i)
					e.Token = uint64(i)
					emit(e)
				}
				return nil
			}
			if from == "entries" {
				_ = fill(j.Append)
			} else if err := j.Checkpoint(fill); err != nil {
				b.Fatal(err)
			}
			if err := j.Close(); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				j, err := Open(c)
				if err != nil {
					b.Fatal(err)
				}
				if r, err := j.Replay(func(*Entry) {}); err != nil || r.Locks != locks {
					b.Fatalf("%d locks, %v", r.Locks, err)
				}
				if err := j.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
