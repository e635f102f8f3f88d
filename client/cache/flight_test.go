package cache

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// errOwn is what a function fails with in these tests.
var errOwn = errors.New("own")

// passenger is a call of flights.do.
type passenger struct {
	value int
	led   bool
	err   error
	done  chan struct{}
}

// board calls do in a goroutine and returns when it waits.
func board(ctx context.Context, fs *flights[int], fly func(context.Context) (int, error)) *passenger {
	p := &passenger{done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.value, p.led, p.err = fs.do(ctx, "key", fly)
	}()
	synctest.Wait()
	return p
}

// wants checks how a call ended.
func (p *passenger) wants(t *testing.T, name string, value int, led bool, err error) {
	t.Helper()
	<-p.done
	if p.value != value || p.led != led || !errors.Is(p.err, err) {
		t.Errorf("%s: got %d, %v, %v, want %d, %v, %v", name, p.value, p.led, p.err, value, led, err)
	}
}

// taking returns a function that takes a second, and a count of its calls.
func taking(value int, err error) (fly func(context.Context) (int, error), calls *atomic.Int32) {
	calls = new(atomic.Int32)
	return func(ctx context.Context) (int, error) {
		calls.Add(1)
		select {
		case <-time.After(time.Second):
			return value, err
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}, calls
}

func TestFlightIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fs flights[int]
		fly, calls := taking(7, nil)
		first := board(t.Context(), &fs, fly)
		second := board(t.Context(), &fs, fly)
		first.wants(t, "first", 7, true, nil)
		second.wants(t, "second", 7, false, nil)
		third := board(t.Context(), &fs, fly)
		third.wants(t, "after the first two", 7, true, nil)
		if n := calls.Load(); n != 2 {
			t.Errorf("called %d times", n)
		}
	})
}

func TestFlightOutlivesItsFirstCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fs flights[int]
		fly, calls := taking(7, nil)
		ctx, cancel := context.WithCancel(t.Context())
		first, second := board(ctx, &fs, fly), board(t.Context(), &fs, fly)
		cancel()
		first.wants(t, "first", 0, true, context.Canceled)
		second.wants(t, "second", 7, false, nil)
		if n := calls.Load(); n != 1 {
			t.Errorf("called %d times", n)
		}
	})
}

// TestFlightEndsWithItsLastCaller: nobody is interested any more, so the function
// is told to stop, and who comes later does not get a cancelled result.
func TestFlightEndsWithItsLastCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fs flights[int]
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		slow := func(ctx context.Context) (int, error) {
			<-ctx.Done()
			time.Sleep(time.Second / 2) // it takes a while to notice
			close(stopped)
			return 0, ctx.Err()
		}
		first, second := board(ctx, &fs, slow), board(ctx, &fs, slow)
		cancel()
		first.wants(t, "first", 0, true, context.Canceled)
		second.wants(t, "second", 0, false, context.Canceled)
		fly, _ := taking(7, nil)
		third := board(t.Context(), &fs, fly)
		<-stopped
		fourth := board(t.Context(), &fs, fly)
		third.wants(t, "third", 7, true, nil)
		fourth.wants(t, "fourth", 7, false, nil)
	})
}

func TestFlightHasItsFirstCallersValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fs flights[int]
		type name struct{}
		ctx := context.WithValue(t.Context(), name{}, 7)
		p := board(ctx, &fs, func(ctx context.Context) (int, error) { return ctx.Value(name{}).(int), nil })
		p.wants(t, "caller", 7, true, nil)
	})
}

// TestFlightThatFails: whatever becomes of a function, all callers hear of it, and
// the key is free for the next.
func TestFlightThatFails(t *testing.T) {
	for name, tt := range map[string]struct {
		fail func()
		err  error
	}{
		"error":       {func() {}, errOwn},
		"panic":       {func() { panic(errOwn) }, errOwn},
		"panic(text)": {func() { panic("text") }, nil},
		"panic(nil)":  {func() { panic(nil) }, nil},
		"goexit":      {runtime.Goexit, errGoexit},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var fs flights[int]
				fly := func(context.Context) (int, error) {
					time.Sleep(time.Second)
					tt.fail()
					return 0, ownError{errOwn}
				}
				first, second := board(t.Context(), &fs, fly), board(t.Context(), &fs, fly)
				for _, p := range []*passenger{first, second} {
					<-p.done
					var own ownError
					if !errors.As(p.err, &own) {
						t.Errorf("got %v, want an error of its own", p.err)
					}
					if tt.err != nil && !errors.Is(p.err, tt.err) {
						t.Errorf("got %v, want %v", p.err, tt.err)
					}
				}
				if !first.led || second.led {
					t.Error("not the first one led")
				}
				fly7, _ := taking(7, nil)
				board(t.Context(), &fs, fly7).wants(t, "next", 7, true, nil)
			})
		})
	}
}

func TestPanicShowsWhereItCameFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fs flights[int]
		p := board(t.Context(), &fs, func(context.Context) (int, error) { return explode() })
		<-p.done
		if text := p.err.Error(); !strings.HasPrefix(text, "too hot\n") || !strings.Contains(text, "cache.explode(") {
			t.Errorf("got %s", text)
		}
	})
}

//go:noinline
func explode() (int, error) { panic("too hot") }
