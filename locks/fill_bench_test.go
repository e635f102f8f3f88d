package locks

import (
	"testing"
	"time"
)

// benchmarkPolicies runs a benchmark without policies for fills, and with ones that do not match
// its key, and that do.
func benchmarkPolicies(b *testing.B, run func(b *testing.B, m *Manager)) {
	with := func(glob string) Config {
		p := MustPattern(glob)
		return Config{
			HoldPolicies:  []FillPolicy{{p, time.Second}},
			StalePolicies: []FillPolicy{{p, time.Second}},
			EarlyPolicies: []EarlyPolicy{{p, 1}},
		}
	}
	b.Run("none", func(b *testing.B) { run(b, NewManager(Config{})) })
	b.Run("other", func(b *testing.B) { run(b, NewManager(with("page:*"))) })
	b.Run("match", func(b *testing.B) { run(b, NewManager(with("item:*"))) })
}

// BenchmarkGetSet stores an item and reads it.
func BenchmarkGetSet(b *testing.B) {
	b.Run("get", func(b *testing.B) {
		benchmarkPolicies(b, func(b *testing.B, m *Manager) {
			put := &Put{Op: Set, Key: []byte("item:1"), Value: []byte("0123456789"), Lease: time.Hour, Session: new(Session)}
			if _, err := m.Put(put); err != nil {
				b.Fatal(err)
			}
			r, f := new(benchReading), &Fetch{Key: put.Key, Session: put.Session}
			for b.Loop() {
				if m.Fills() {
					_ = m.Fetch(f, r)
				} else {
					_ = m.Get(put.Key, put.Session, r)
				}
			}
		})
	})
	b.Run("set", func(b *testing.B) {
		benchmarkPolicies(b, func(b *testing.B, m *Manager) {
			put := &Put{Op: Set, Key: []byte("item:1"), Value: []byte("0123456789"), Lease: time.Hour, Session: new(Session)}
			for b.Loop() {
				_, _ = m.Put(put)
			}
		})
	})
}

// benchReading looks at an item, and copies nothing.
type benchReading struct{ flags uint32 }

func (r *benchReading) Item(it *Item) { r.flags += it.Flags }
