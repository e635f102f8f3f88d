package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/client"
)

// A fleetmate is a process of the fleet, as far as one process can play several.
type fleetmate[T any] struct {
	*Cache[T]
	t  *testing.T
	mc *memcache.Client
}

func mate[T any](t *testing.T, address string, config Config[T]) *fleetmate[T] {
	t.Helper()
	return &fleetmate[T]{New(newClient(t, address), config), t, newMemcache(t, address)}
}

// wants calls Get and checks what it returns.
func (m *fleetmate[T]) wants(want T, compute func(context.Context) (T, error)) {
	m.t.Helper()
	value, err := m.Get(m.t.Context(), "page:1", compute)
	if err != nil || fmt.Sprint(value) != fmt.Sprint(want) {
		m.t.Errorf("got %v, %v, want %v", value, err, want)
	}
}

// of is a computation that returns the value at once.
func of[T any](value T) func(context.Context) (T, error) {
	return func(context.Context) (T, error) { return value, nil }
}

// unwanted is a computation that must not take place.
func unwanted[T any](t *testing.T) func(context.Context) (T, error) {
	return func(context.Context) (value T, err error) {
		t.Error("computed")
		return value, nil
	}
}

// counted says which counters are not what they should be. The others are 0.
func (m *fleetmate[T]) counted(want Stats) {
	m.t.Helper()
	if got := m.Stats(); got != want {
		m.t.Errorf("counted %+v, want %+v", got, want)
	}
}

// stored writes an envelope as another process does it.
func (m *fleetmate[T]) stored(e envelope) {
	m.t.Helper()
	is(m.t, "set", m.mc.Set(&memcache.Item{Key: "page:1", Value: e.seal()}), nil)
}

// unlocked waits until nobody has the lock, which a computation in the background may
// have for a moment longer than the value takes to appear.
func (m *fleetmate[T]) unlocked() {
	m.t.Helper()
	m.unlockedKey("lock:page:1")
}

func (m *fleetmate[T]) unlockedKey(key string) {
	m.t.Helper()
	eventually(m.t, "the lock is free", func() bool {
		_, err := m.mc.Get(key)
		return err == memcache.ErrCacheMiss
	})
}

func TestHitsAndMisses(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, address string) {
		a, b := mate(t, address, Config[string]{}), mate(t, address, Config[string]{})
		a.wants("first", of("first"))
		a.wants("first", unwanted[string](t))
		b.wants("first", unwanted[string](t))
		a.unlocked()
		a.counted(Stats{Misses: 1, Computed: 1, Hits: 1})
		b.counted(Stats{Hits: 1})

		a.stored(envelope{freshUntil: time.Now().Add(-time.Second), payload: []byte(`"old"`)})
		b.wants("second", of("second"))
		a.wants("second", unwanted[string](t))
		b.counted(Stats{Hits: 1, Misses: 1, Computed: 1})
	})
}

// TestComputesOnce: some processes with some goroutines each.
func TestComputesOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, address string) {
		const mates, each = 4, 10
		var fleet []*fleetmate[int]
		for range mates {
			fleet = append(fleet, mate(t, address, Config[int]{}))
		}
		var computed atomic.Int32
		slow := func(context.Context) (int, error) {
			eventually(t, "all have missed", func() bool {
				var misses uint64
				for _, m := range fleet {
					misses += m.Stats().Misses
				}
				return misses == mates*each
			})
			return int(computed.Add(1)), nil
		}
		var callers sync.WaitGroup
		for _, m := range fleet {
			for range each {
				callers.Go(func() { m.wants(1, slow) })
			}
		}
		callers.Wait()
		if n := computed.Load(); n != 1 {
			t.Errorf("computed %d times", n)
		}
		var sum Stats
		for _, m := range fleet {
			s := m.Stats()
			sum.Waited, sum.Computed, sum.Stampedes = sum.Waited+s.Waited, sum.Computed+s.Computed, sum.Stampedes+s.Stampedes
		}
		if want := (Stats{Waited: mates*each - 1, Stampedes: mates*each - 1, Computed: 1}); sum != want {
			t.Errorf("counted %+v, want %+v", sum, want)
		}
		fleet[0].unlocked()
	})
}

// TestFailure: a failure is for the caller whose function failed. Then it is
// the next one's turn, in the same process and in others.
func TestFailure(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, address string) {
		a, b := mate(t, address, Config[string]{}), mate(t, address, Config[string]{})
		errDown := errors.New("database is down")
		fails := func(ctx context.Context) (string, error) {
			eventually(t, "two have missed", func() bool { return a.Stats().Misses+b.Stats().Misses >= 2 })
			return "", errDown
		}
		for _, other := range []*fleetmate[string]{a, b} {
			failed := make(chan error, 1)
			begun := make(chan struct{})
			go func() {
				_, err := a.Get(t.Context(), "page:1", func(ctx context.Context) (string, error) {
					close(begun)
					return fails(ctx)
				})
				failed <- err
			}()
			<-begun
			other.wants("second", of("second"))
			if err := <-failed; err != errDown {
				t.Errorf("the one whose function failed got %v", err)
			}
			a.unlocked()
			is(t, "delete", a.mc.Delete("page:1"), nil)
		}
		if s := a.Stats(); s.Failed != 2 || s.Computed != 1 {
			t.Errorf("counted %+v", s)
		}
	})
}

func TestRemembersFailure(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, address string) {
		config := Config[string]{NegativeTTL: time.Hour}
		a, b := mate(t, address, config), mate(t, address, config)
		errDown := errors.New("database is down")
		if _, err := a.Get(t.Context(), "page:1", func(context.Context) (string, error) { return "", errDown }); err != errDown {
			t.Errorf("got %v", err)
		}
		_, err := b.Get(t.Context(), "page:1", unwanted[string](t))
		var cached *FailedError
		if !errors.As(err, &cached) || cached.Text != errDown.Error() || time.Until(cached.Until) < 59*time.Minute {
			t.Errorf("got %v, want a FailedError", err)
		}
		b.counted(Stats{Negative: 1})
		a.stored(envelope{freshUntil: time.Now().Add(-time.Second), failed: true, payload: []byte("database was down")})
		b.wants("up", of("up"))
	})
}

func TestStale(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, address string) {
		config := Config[string]{Stale: time.Hour, NegativeTTL: 10 * time.Millisecond}
		a, b := mate(t, address, config), mate(t, address, config)
		a.stored(envelope{freshUntil: time.Now().Add(-time.Minute), payload: []byte(`"old"`)})
		proceed := make(chan struct{})
		begun := make(chan struct{})
		a.wants("old", func(context.Context) (string, error) {
			close(begun)
			<-proceed
			return "new", nil
		})
		<-begun
		a.wants("old", unwanted[string](t))
		b.wants("old", unwanted[string](t))
		close(proceed)
		eventually(t, "the value is new", func() bool {
			value, err := b.Get(t.Context(), "page:1", unwanted[string](t))
			return err == nil && value == "new"
		})
		a.unlocked()
		if s := a.Stats(); s.Stale != 2 || s.Computed != 1 || s.Misses != 0 {
			t.Errorf("counted %+v", s)
		}

		// A refresh that fails, or panics, does not replace what can still be served.
		for _, fail := range []func(context.Context) (string, error){
			func(context.Context) (string, error) { return "", errors.New("database is down") },
			func(context.Context) (string, error) { panic("no database") },
		} {
			failures := a.Stats().Failed
			a.stored(envelope{freshUntil: time.Now().Add(-time.Minute), payload: []byte(`"old"`)})
			eventually(t, "a refresh fails", func() bool {
				a.wants("old", fail)
				return a.Stats().Failed > failures
			})
			if s := a.Stats(); s.Misses != 0 {
				t.Errorf("counted %+v", s)
			}
		}
		a.stored(envelope{freshUntil: time.Now().Add(-2 * time.Hour), payload: []byte(`"older"`)})
		b.wants("newest", of("newest"))
	})
}

func TestRefreshesEarly(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, address string) {
		eager := mate(t, address, Config[string]{Beta: 1e9})
		calm := mate(t, address, Config[string]{Beta: -1})
		calm.stored(envelope{computed: time.Second, freshUntil: time.Now().Add(time.Hour), payload: []byte(`"old"`)})
		for range 100 {
			calm.wants("old", unwanted[string](t))
		}
		eager.wants("old", of("new"))
		eventually(t, "the value is new", func() bool {
			value, err := calm.Get(t.Context(), "page:1", unwanted[string](t))
			return err == nil && value == "new"
		})
		if s := eager.Stats(); s.Early != 1 || s.Hits != 1 || s.Computed != 1 {
			t.Errorf("counted %+v", s)
		}
	})
}

// TestForeignValues: anybody can write to a cache.
func TestForeignValues(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, address string) {
		m := mate(t, address, Config[int]{})
		for i, foreign := range []string{"", "17", "lockcached/1 fresh_until=9999999999999\n[1,2]"} {
			is(t, "set", m.mc.Set(&memcache.Item{Key: "page:1", Value: []byte(foreign)}), nil)
			m.wants(i, of(i))
		}
		m.counted(Stats{Misses: 3, Computed: 3, Unreadable: 3})
	})
}

func TestPanic(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, address string) {
		m := mate(t, address, Config[string]{})
		func() {
			defer func() {
				p := recover()
				if err, ok := p.(error); !ok || !strings.HasPrefix(err.Error(), "no database\n") {
					t.Errorf("recovered %v", p)
				}
			}()
			_, _ = m.Get(t.Context(), "page:1", func(context.Context) (string, error) { panic("no database") })
		}()
		m.unlocked()
		m.wants("second", of("second"))
		m.counted(Stats{Misses: 2, Failed: 1, Computed: 1})
	})
}

func TestWaitOver(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, address string) {
		through := mate(t, address, Config[string]{Wait: time.Millisecond})
		careful := mate(t, address, Config[string]{Wait: time.Millisecond, WaitOver: GiveUp})
		_, err := through.client.Lock(t.Context(), "lock:page:1", client.TTL(time.Hour))
		is(t, "lock", err, nil)
		_, err = careful.Get(t.Context(), "page:1", unwanted[string](t))
		is(t, "who gives up", err, client.ErrHeld)
		careful.counted(Stats{Misses: 1, Stampedes: 1})
		through.wants("mine", of("mine"))
		through.counted(Stats{Misses: 1, Stampedes: 1, FellThrough: 1, Computed: 1})
		careful.wants("mine", unwanted[string](t))
	})
}

func TestServerAway(t *testing.T) {
	t.Parallel()
	const nobody = "127.0.0.1:1"
	m := mate(t, nobody, Config[string]{})
	m.wants("mine", of("mine"))
	m.counted(Stats{Misses: 1, FellThrough: 1, Computed: 1})
	m = mate(t, nobody, Config[string]{ServerAway: GiveUp})
	_, err := m.Get(t.Context(), "page:1", unwanted[string](t))
	is(t, "who gives up", err, client.ErrUnavailable)
}

// TestLostLock: the lease ends while somebody computes and does not notice,
// and the next one has stored its value before.
func TestLostLock(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, address string) {
		slow, next := mate(t, address, Config[string]{Lease: time.Hour}), mate(t, address, Config[string]{})
		slow.wants("slow", func(context.Context) (string, error) {
			if err := next.mc.Delete("lock:page:1"); err != nil {
				t.Error(err)
			}
			next.wants("next", of("next"))
			return "slow", nil
		})
		next.wants("next", unwanted[string](t))
		slow.counted(Stats{Misses: 1, Computed: 1, Lost: 1})
	})
}

// TestCallerLeaves: the function goes on for the others, and ends with the last.
func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, address string) {
		m := mate(t, address, Config[string]{})
		begun, proceed := make(chan struct{}), make(chan struct{})
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			_, err := m.Get(ctx, "page:1", func(ctx context.Context) (string, error) {
				close(begun)
				<-proceed
				return "value", ctx.Err()
			})
			left <- err
		}()
		<-begun
		stays := make(chan struct{})
		go func() {
			defer close(stays)
			m.wants("value", unwanted[string](t))
		}()
		eventually(t, "the second has boarded", func() bool {
			m.flights.mu.Lock()
			defer m.flights.mu.Unlock()
			return m.flights.byKey["page:1"].callers == 2
		})
		leave()
		is(t, "who left", <-left, context.Canceled)
		close(proceed)
		<-stays

		ctx, leave = context.WithCancel(t.Context())
		ended := make(chan struct{})
		_, err := m.Get(ctx, "page:2", func(ctx context.Context) (string, error) {
			leave()
			<-ctx.Done()
			close(ended)
			return "", ctx.Err()
		})
		is(t, "the last who left", err, context.Canceled)
		<-ended
		m.unlockedKey("lock:page:2")
	})
}

func TestKeys(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, address string) {
		m := mate(t, address, Config[string]{})
		for _, length := range []int{1, 195, 196, 250} {
			key := strings.Repeat("k", length)
			value, err := m.Get(t.Context(), key, of("value"))
			if err != nil || value != "value" {
				t.Errorf("key of %d bytes: %v, %v", length, value, err)
			}
			if _, err := m.Get(t.Context(), key, unwanted[string](t)); err != nil {
				t.Errorf("key of %d bytes: %v", length, err)
			}
		}
		for _, key := range []string{"", strings.Repeat("k", 251), "two words", "line\n", "lockcached:lock:x"} {
			_, err := m.Get(t.Context(), key, unwanted[string](t))
			is(t, "key "+key, err, memcache.ErrMalformedKey)
		}
	})
}

func TestGetOrCompute(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, address string) {
		c := mate(t, address, Config[int]{}).client
		for range 2 {
			if n, err := GetOrCompute(t.Context(), c, "number", time.Hour, of(7)); n != 7 || err != nil {
				t.Errorf("got %v, %v", n, err)
			}
		}
		if s, err := GetOrCompute(t.Context(), c, "text", 0, of("seven")); s != "seven" || err != nil {
			t.Errorf("got %v, %v", s, err)
		}
		if stats := cacheOf[int](c).Stats(); stats != (Stats{Misses: 1, Computed: 1, Hits: 1}) {
			t.Errorf("counted %+v", stats)
		}
	})
}
