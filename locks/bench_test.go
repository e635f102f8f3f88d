package locks

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// bench returns a Manager that acts on what is due until the benchmark ends.
func bench(b *testing.B) *Manager {
	b.ReportAllocs()
	m := NewManager(Config{})
	go m.Run(b.Context())
	return m
}

// cycle takes a lock and gives it back, without allocating anything itself.
func cycle(m *Manager, claim *Put) error {
	if _, err := m.Put(claim); err != nil {
		return err
	}
	return m.Delete(claim.Key)
}

func BenchmarkAddDelete(b *testing.B) {
	m := bench(b)
	claim := newClient(m, "0123456789abcdef").claim(key, 30*time.Second)
	for b.Loop() {
		if err := cycle(m, claim); err != nil {
			b.Fatal(err)
		}
	}
}

// Each key is used once, as by those who lock by the number of a job.
func BenchmarkJobs(b *testing.B) {
	m := bench(b)
	claim := newClient(m, "0123456789abcdef").claim("job:0000000000", 30*time.Second)
	for n := 0; b.Loop(); n++ {
		for i, left := len(claim.Key)-1, n; left > 0; i, left = i-1, left/10 {
			claim.Key[i] = byte('0' + left%10)
		}
		if err := cycle(m, claim); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAddDeleteParallel(b *testing.B) {
	m := bench(b)
	var clients atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		key := fmt.Sprint("lock:", clients.Add(1))
		claim := newClient(m, "0123456789abcdef").claim(key, 30*time.Second)
		for pb.Next() {
			if err := cycle(m, claim); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkRefusedAdd(b *testing.B) {
	m := bench(b)
	if err := newClient(m, "holder").add(key, time.Hour); err != nil {
		b.Fatal(err)
	}
	claim := newClient(m, "0123456789abcdef").claim(key, 30*time.Second)
	for b.Loop() {
		if _, err := m.Put(claim); err != ErrNotStored {
			b.Fatal(err)
		}
	}
}

// Pollers are refused and told when to come back, one after the other. They come at once
// instead, and the hold lasts longer than any before: so many checks are planned ahead. See
// BenchmarkAdvise of package stats for pollers that come when they were told to.
func BenchmarkRetry(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := bench(b)
			holder := newClient(m, "holder")
			pollers := make([]*Put, n)
			for i := range pollers {
				pollers[i] = newClient(m, fmt.Sprint("poller", i)).claim(key, time.Hour)
			}
			for range 100 { // so that something is known
				_ = holder.add(key, time.Hour)
				_, _ = m.Put(pollers[0])
				_ = remove(m, key)
			}
			_ = holder.add(key, time.Hour)
			i := 0
			for b.Loop() {
				p := pollers[i%n]
				if _, err := m.Put(p); err != ErrNotStored {
					b.Fatal(err)
				}
				if after, _ := m.Retry(p.Key, p.Session); after == 0 {
					b.Fatal("no advice")
				}
				i++
			}
		})
	}
}

// Pollers are refused for the first time; each operation is one of them.
func BenchmarkNewPollers(b *testing.B) {
	m := bench(b)
	for done := 0; done < b.N; done += many {
		_ = newClient(m, "holder").add(key, time.Hour)
		pollers := make([]*client, many)
		for i := range pollers {
			pollers[i] = newClient(m, fmt.Sprint(i))
			if err := pollers[i].add(key, time.Hour); err != ErrNotStored {
				b.Fatal(err)
			}
		}
		_ = remove(m, key)
		for _, p := range pollers {
			m.Close(&p.session)
		}
	}
}

// Each delete hands the lock to the first of two in line.
func BenchmarkHandOff(b *testing.B) {
	m := bench(b)
	h := newHandOff(m)
	for b.Loop() {
		if err := h.next(); err != nil {
			b.Fatal(err)
		}
	}
}

// handOff is three clients that wait for each other.
type handOff struct {
	m      *Manager
	claims [3]*Put
	waits  [3]Wait
	holder int
}

// served is a Waiter that ignores the outcome.
type served struct{ Waiting }

func (*served) Served(*Waiting, Outcome) bool { return true }

func newHandOff(m *Manager) *handOff {
	h := &handOff{m: m}
	for i := range h.claims {
		c, w := newClient(m, "0123456789abcdef"), new(served)
		h.claims[i] = c.claim(key, 30*time.Second)
		h.waits[i] = Wait{For: time.Minute, Waiter: w, Waiting: &w.Waiting}
	}
	_ = h.claim(0)
	_ = h.claim(1)
	return h
}

func (h *handOff) claim(i int) error {
	_, err := h.m.PutOrWait(h.claims[i], &h.waits[i])
	return err
}

// next makes the last get in line and the holder release.
func (h *handOff) next() error {
	last := (h.holder + 2) % len(h.claims)
	if err := h.claim(last); err != ErrQueued {
		return err
	}
	h.holder = (h.holder + 1) % len(h.claims)
	return h.m.Delete(h.claims[last].Key)
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	m := NewManager(Config{})
	free := newClient(m, "a").claim("lock:free", 30*time.Second)
	must(t, newClient(m, "holder").add("lock:held", time.Hour))
	refused := newClient(m, "b").claim("lock:held", 30*time.Second)
	h := newHandOff(m)
	for _, tt := range []struct {
		name string
		run  func() error
	}{
		{"add and delete", func() error { return cycle(m, free) }},
		{"refused add", func() error {
			if _, err := m.Put(refused); err != ErrNotStored {
				return err
			}
			return nil
		}},
		{"hand-off", h.next},
	} {
		must(t, tt.run())
		var err error
		if n := testing.AllocsPerRun(1000, func() { err = tt.run() }); n != 0 || err != nil {
			t.Errorf("%s: %v allocations, %v", tt.name, n, err)
		}
	}
}

const many = 20_000

// inLine puts n waiters in line for each of the locks.
func inLine(b *testing.B, m *Manager, n int, locks []string) {
	waiters := make([]served, n*len(locks))
	for i := range waiters {
		key := locks[i%len(locks)]
		if i < len(locks) {
			_, _ = m.Put(newClient(m, "holder").claim(key, time.Hour))
		}
		claim := newClient(m, "0123456789abcdef").claim(key, time.Hour)
		if _, err := m.PutOrWait(claim, &Wait{For: time.Minute, Waiter: &waiters[i], Waiting: &waiters[i].Waiting}); err != ErrQueued {
			b.Fatal(err)
		}
	}
}

func manyLocks() (keys []string) {
	for i := range many {
		keys = append(keys, fmt.Sprint("lock:", i))
	}
	return keys
}

// A line of 20 000 is served; each operation is one waiter, from the claim to the
// hand-off.
func BenchmarkManyWaiters(b *testing.B) {
	for _, bb := range []struct {
		name    string
		waiters int
		locks   []string
	}{
		{"on-one-lock", many, []string{key}},
		{"on-one-each", 1, manyLocks()},
	} {
		b.Run(bb.name, func(b *testing.B) {
			m := bench(b)
			for done := 0; done < b.N; done += many {
				inLine(b, m, bb.waiters, bb.locks)
				for range bb.waiters + 1 {
					for _, key := range bb.locks {
						_ = remove(m, key)
					}
				}
			}
			if n := m.Totals(); n.Queued != 0 || n.Held != 0 {
				b.Errorf("%d wait, %d locks are held", n.Queued, n.Held)
			}
		})
	}
}

// gone is a waiter that cannot be told.
type gone struct{ Waiting }

func (*gone) Served(*Waiting, Outcome) bool { return false }

// A host dies with all its clients in line; each operation is one of them. Four
// times as many take four times as long.
func BenchmarkMassExit(b *testing.B) {
	for _, n := range []int{many / 4, many} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := bench(b)
			for done := 0; done < b.N; done += n {
				b.StopTimer()
				massExit(b, m, n)
				b.StartTimer()
				_ = remove(m, key) // with no waiter left to get it
			}
			if n := m.Totals(); n.Queued != 0 || n.Held != 0 {
				b.Errorf("%d wait, %d locks are held", n.Queued, n.Held)
			}
		})
	}
}

func massExit(b *testing.B, m *Manager, n int) {
	_, _ = m.Put(newClient(m, "holder").claim(key, time.Hour))
	waiters := make([]gone, n)
	for i := range waiters {
		claim := newClient(m, "0123456789abcdef").claim(key, time.Hour)
		if _, err := m.PutOrWait(claim, &Wait{For: time.Minute, Waiter: &waiters[i], Waiting: &waiters[i].Waiting}); err != ErrQueued {
			b.Fatal(err)
		}
	}
}

func BenchmarkPattern(b *testing.B) {
	for _, glob := range []string{"lock:*", "*:job", "lock:[a-z]?b"} {
		p, err := NewPattern(glob)
		if err != nil {
			b.Fatal(err)
		}
		claimed := []byte(key)
		b.Run(glob, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Match(claimed)
			}
		})
	}
}
