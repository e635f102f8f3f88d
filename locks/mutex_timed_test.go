//go:build timedmutex && linux

package locks

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/lockcached/lockcached/journal"
)

// showAll is a Viewer that only looks.
type showAll struct{ seen int }

func (s *showAll) View(*View) { s.seen++ }

// BenchmarkLongestLocked measures the longest time for which one shard is locked while everything
// is counted or listed, with a million held locks of a thousand classes, a tenth of them contended:
//
//	go test ./locks -run '^$' -tags timedmutex -bench LongestLocked -benchtime 10x
//
// Since an interrupt or the garbage collector may lengthen any, it takes the shortest time, of all runs,
// for which a shard was locked for the first time, for the second, and so on, and reports the longest
// of these.
func BenchmarkLongestLocked(b *testing.B) {
	const held, contended = 1_000_000, 100_000
	m := NewManager(Config{MemoryLimit: 4 << 30, NamedClasses: 100, MaxWait: time.Hour, MaxWaitersTotal: held, Recent: true})
	holder, waiters := newClient(m, "0123456789abcdef"), make([]served, contended)
	for i := range held {
		key := fmt.Sprintf("%c%c%c:%d", 'a'+i%10, 'a'+i/10%10, 'a'+i/100%10, i)
		if err := holder.add(key, time.Hour); err != nil {
			b.Fatal(err)
		}
		if i >= contended {
			continue
		}
		wait := &Wait{For: time.Hour, Waiter: &waiters[i], Waiting: &waiters[i].Waiting}
		if _, err := m.PutOrWait(newClient(m, "waiter").claim(key, time.Hour), wait); err != ErrQueued {
			b.Fatal(err)
		}
	}
	for _, bb := range []struct {
		name string
		do   func()
	}{
		{"Totals", func() { m.Totals() }},
		{"Metrics", func() { m.Metrics() }},
		{"Classes", func() { m.Classes() }},
		{"Contended", func() { m.Contended(100) }},
		{"Held", func() { m.Held(1000, nil) }},
		{"Wanted", func() { m.Wanted(1000, nil) }},
		{"Dump", func() { m.Dump(new(showAll), func() bool { return true }) }},
		{"EachHold", func() { m.EachHold(func(*journal.Entry) {}) }},
		{"Recorded", func() { m.Recorded() }},
		{"ResetCounters", m.ResetCounters},
	} {
		b.Run(bb.name, func(b *testing.B) {
			runtime.LockOSThread() // whose time is measured
			defer runtime.UnlockOSThread()
			least := make([][]time.Duration, len(m.shards))
			for b.Loop() {
				for _, sh := range m.shards {
					sh.mu.took = make([]time.Duration, 0, 1<<16)
				}
				bb.do()
				for i, sh := range m.shards {
					least[i] = shorter(least[i], sh.mu.took)
					sh.mu.took = nil
				}
			}
			longest := time.Duration(0)
			for _, took := range least {
				longest = max(longest, slices.Max(took))
			}
			b.ReportMetric(float64(longest)/1e3, "us/locked")
		})
	}
}

// shorter is the shorter of the times at each place; a may be nil.
func shorter(a, b []time.Duration) []time.Duration {
	if a == nil {
		return b
	}
	n := min(len(a), len(b))
	for i := range n {
		a[i] = min(a[i], b[i])
	}
	return a[:n]
}
