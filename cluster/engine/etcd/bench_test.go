package etcd

import (
	"fmt"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cluster/engine"
)

// BenchmarkCommit is how long a batch takes, guarded as those of a journal are: one after
// the other, from a follower, with fsync, all members on this machine's disk.
func BenchmarkCommit(b *testing.B) {
	for _, members := range []int{1, 3} {
		for _, bytes := range []int{100, 4 << 10, 256 << 10} {
			b.Run(fmt.Sprintf("members=%d/bytes=%d", members, bytes), func(b *testing.B) {
				e := benchEngine(b, members)
				guard := must(b, e, engine.Put("guard", nil), engine.Put("map", nil)).Revision
				batch := make([]byte, bytes)
				i := 0
				for b.Loop() {
					o, err := e.Txn(b.Context(), engine.Txn{
						If:   []engine.Cond{engine.CreatedAt("guard", guard), engine.ModifiedAt("map", guard)},
						Then: []engine.Op{engine.Put(fmt.Sprintf("batch/%08d", i%1000), batch)},
						Else: []engine.Op{engine.Get("guard"), engine.Get("map")},
					})
					if err != nil || !o.Held {
						b.Fatal(o, err)
					}
					i++
				}
			})
		}
	}
}

// benchEngine returns a follower of a cluster, or its only member.
func benchEngine(b *testing.B, members int) *Engine {
	b.Helper()
	c := newCluster(b, members, func(c *Config) { c.Logger = zerolog.Nop() })
	c.start()
	return c.engines[(c.leader()+1)%members]
}

// BenchmarkConfirm is how long a linearizable read takes, by which a node learns that its
// answers are still its own to give.
func BenchmarkConfirm(b *testing.B) {
	for _, members := range []int{1, 3} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			e := benchEngine(b, members)
			must(b, e, engine.Put("member", nil))
			for b.Loop() {
				if p, _, err := e.Get(b.Context(), "member"); err != nil || !p.Exists() {
					b.Fatal(p, err)
				}
			}
		})
	}
}

// BenchmarkCommitAll is what three members commit when each has one batch under way.
func BenchmarkCommitAll(b *testing.B) {
	c := newCluster(b, 3, func(c *Config) { c.Logger = zerolog.Nop() })
	c.start()
	batch := make([]byte, 4<<10)
	var busy sync.WaitGroup
	b.ResetTimer()
	for n, e := range c.engines {
		busy.Go(func() {
			for i := range b.N/3 + 1 {
				if _, err := e.Txn(b.Context(), engine.Txn{Then: []engine.Op{engine.Put(fmt.Sprintf("batch/%d/%08d", n, i%1000), batch)}}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	busy.Wait()
}

// BenchmarkList is how long it takes to read a journal of 100 batches of 256 KiB, or one of
// many small ones.
func BenchmarkList(b *testing.B) {
	for _, test := range []struct{ n, bytes int }{{100, 256 << 10}, {20_000, 100}} {
		b.Run(fmt.Sprintf("n=%d/bytes=%d", test.n, test.bytes), func(b *testing.B) {
			e := benchEngine(b, 1)
			value := make([]byte, test.bytes)
			for i := 0; i < test.n; {
				var ops []engine.Op
				for size := 0; i < test.n && len(ops) < engine.MaxOps && size+test.bytes < engine.MaxBytes/2; i++ {
					ops = append(ops, engine.Put(fmt.Sprintf("k/%08d", i), value))
					size += test.bytes
				}
				must(b, e, ops...)
			}
			b.SetBytes(int64(test.n * test.bytes))
			for b.Loop() {
				found := 0
				if _, err := e.List(b.Context(), "k/", func(engine.Pair) { found++ }); err != nil || found != test.n {
					b.Fatal(found, err)
				}
			}
		})
	}
}
