package journal

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// benchEntry takes about 80 bytes.
func benchEntry() *Entry {
	return &Entry{Kind: Put, Key: []byte("lock:user:12345678"), Value: []byte("worker-17.example.com:12345"), Token: 1, Since: time.Hour, Expires: 2 * time.Hour}
}

// BenchmarkAppend measures what a change of a lock costs under its shard's mutex.
func BenchmarkAppend(b *testing.B) {
	j, _, _ := open(b, Config{Dir: b.TempDir(), Fsync: Never})
	e := benchEntry()
	b.ReportAllocs()
	for b.Loop() {
		if j.Append(e); len(j.pending) > flushSize/2 {
			j.pending, j.keys = j.pending[:0], j.keys[:0] // writing has its own benchmark
		}
	}
}

// BenchmarkAppendCommit measures a batch of entries, and the commit of one caller.
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

// BenchmarkGroupCommit measures entries that are on the disk when their Commit returns,
// from several goroutines at a time: the more goroutines, the less each entry takes.
func BenchmarkGroupCommit(b *testing.B) {
	for _, callers := range []int{1, 50} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			j, _, _ := open(b, Config{Dir: b.TempDir(), Fsync: Always})
			e := benchEntry()
			var left atomic.Int64
			left.Store(int64(b.N))
			var all sync.WaitGroup
			b.ResetTimer()
			for range callers {
				all.Go(func() {
					for left.Add(-1) >= 0 {
						j.Append(e)
						if err := j.Commit(); err != nil {
							b.Error(err)
						}
					}
				})
			}
			all.Wait()
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
				_ = fill(func(e *Entry) { j.Append(e) })
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
