package locks

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// told is what Held returns: names, and how many wait.
func told(m *Manager, n int) string {
	var words []string
	for _, l := range m.Held(n, nil) {
		words = append(words, fmt.Sprintf("%s:%d", l.Name, l.Waiters()))
	}
	return strings.Join(words, " ")
}

func TestHeld(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		alice := newClient(m, "alice")
		if got := told(m, 10); got != "" {
			t.Errorf("of nothing: %s", got)
		}
		for _, key := range []string{"a", "b", "c", "d", "e", "short"} {
			lease := time.Minute
			if key == "short" {
				lease = time.Second
			}
			must(t, alice.add(key, lease))
			pass(time.Millisecond)
		}
		newClient(m, "bob").poll(t, "d")
		newClient(m, "carol").wait(t, "d", time.Minute, time.Hour)
		newClient(m, "bob").poll(t, "e")
		must(t, remove(m, "e"))
		newClient(m, "bob").poll(t, "b")
		pass(time.Second)
		for n, want := range map[int]string{
			100: "d:2 b:1 e:1 a:0 c:0",
			5:   "d:2 b:1 e:1 a:0 c:0",
			4:   "d:2 b:1 e:1 a:0",
			1:   "d:2",
		} {
			if got := told(m, n); got != want {
				t.Errorf("%d: %s, want %s", n, got, want)
			}
		}
		d := m.Held(1, nil)[0]
		if !d.Held || d.Owner != "alice" || d.Queued != 1 || d.Polling != 1 || d.Age != 1003*time.Millisecond || d.Retry == 0 {
			t.Errorf("%+v", d.Lock)
		}
	})
}

// TestHeldOfMany finds the few that matter among very many, while others come.
func TestHeldOfMany(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 50_000
	}
	bubble(t, Config{MemoryLimit: 1 << 30}, func(t *testing.T, m *Manager) {
		alice := newClient(m, "alice")
		for i := range n {
			must(t, alice.add(fmt.Sprint("lock:", i), time.Hour))
			if i < 3 {
				pass(time.Second)
			}
		}
		newClient(m, "bob").poll(t, fmt.Sprint("lock:", n-1))
		if got, want := told(m, 3), fmt.Sprintf("lock:%d:1 lock:0:0 lock:1:0", n-1); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		names := make(map[string]bool)
		for _, l := range m.Held(10_000, nil) {
			names[l.Name] = true
		}
		if len(names) != 10_000 {
			t.Errorf("%d are told", len(names))
		}
	})
}

// TestHeldWhileTablesGrow: a lock that is held all the time is returned, and once.
func TestHeldWhileTablesGrow(t *testing.T) {
	m := running(t, Config{})
	alice := newClient(m, "alice")
	var steady []string
	for i := range 500 {
		steady = append(steady, fmt.Sprint("steady:", i))
		must(t, alice.add(steady[i], time.Hour))
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				_ = alice.add(fmt.Sprint("other:", i%20_000), time.Hour)
			}
		}
	}()
	for range 8 {
		var names []string
		for _, l := range m.Held(30_000, nil) {
			if strings.HasPrefix(l.Name, "steady:") {
				names = append(names, l.Name)
			}
		}
		slices.Sort(names)
		if want := slices.Sorted(slices.Values(steady)); !slices.Equal(names, want) {
			t.Fatalf("%d locks are told, want %d", len(names), len(want))
		}
	}
	close(stop)
	<-stopped
}

func BenchmarkHeld(b *testing.B) {
	m := NewManager(Config{MemoryLimit: 1 << 30})
	alice := newClient(m, "alice")
	for i := range 1_000_000 {
		if err := alice.add(fmt.Sprint("lock:", i), time.Hour); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		m.Held(100, nil)
	}
}
