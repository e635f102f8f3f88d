package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// flights lets the goroutines of this process that want the same value go for it
// together. It is not golang.org/x/sync/singleflight, because there the first
// caller's context and the first caller's error are everybody's.
//
// The first caller's function runs in a goroutine of its own, with a context that
// has the first caller's values and lives as long as any caller is interested. An
// error of its own (ownError) is nobody else's business; what else it returns is
// for all.
type flights[T any] struct {
	mu    sync.Mutex // guards what follows and the flights' callers
	byKey map[string]*flight[T]
}

type flight[T any] struct {
	cancel  context.CancelFunc
	callers int           // that have not left
	landed  chan struct{} // closed when value and err are there
	value   T
	err     error
}

// do returns what fly does, or what the flight does that is under way. led says
// that it was fly that was called.
func (fs *flights[T]) do(ctx context.Context, key string, fly func(context.Context) (T, error)) (value T, led bool, err error) {
	f, led := fs.board(ctx, key, fly)
	select {
	case <-f.landed:
		return f.value, led, f.err
	case <-ctx.Done():
		fs.leave(key, f)
		return value, led, ctx.Err()
	}
}

// board finds the flight to the key, or starts one.
func (fs *flights[T]) board(ctx context.Context, key string, fly func(context.Context) (T, error)) (f *flight[T], led bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.byKey[key]; f != nil {
		f.callers++
		return f, false
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f = &flight[T]{cancel: cancel, callers: 1, landed: make(chan struct{})}
	if fs.byKey == nil {
		fs.byKey = make(map[string]*flight[T])
	}
	fs.byKey[key] = f
	go fs.run(ctx, key, f, fly)
	return f, true
}

// run flies. Whatever fly does, all callers hear of it.
func (fs *flights[T]) run(ctx context.Context, key string, f *flight[T], fly func(context.Context) (T, error)) {
	f.err = ownError{errGoexit}
	defer func() {
		if p := recover(); p != nil {
			f.err = ownError{panicOf(p)}
		}
		fs.mu.Lock()
		fs.remove(key, f)
		fs.mu.Unlock()
		f.cancel()
		close(f.landed)
	}()
	f.value, f.err = fly(ctx)
}

// leave is for a caller that does not wait for the end. The last one ends the
// flight, and nobody boards it any more.
func (fs *flights[T]) leave(key string, f *flight[T]) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f.callers--; f.callers == 0 {
		fs.remove(key, f)
		f.cancel()
	}
}

// remove makes room for the next flight to the key.
func (fs *flights[T]) remove(key string, f *flight[T]) {
	if fs.byKey[key] == f {
		delete(fs.byKey, key)
	}
}

// ownError is the error of a flight that concerns only the caller whose function
// was called.
type ownError struct{ error }

func (e ownError) Unwrap() error { return e.error }

// surface gives the caller its error, or its panic.
func (e ownError) surface() error {
	if p, ok := e.error.(*panicError); ok {
		panic(p)
	}
	return e.error
}

// errGoexit is the error of a function that never returned: it called
// runtime.Goexit, as testing.T.FailNow does.
var errGoexit = errors.New("cache: the computing function ended its goroutine")

// panicError is a panic on its way from the flight to the caller that caused it.
type panicError struct {
	value any
	stack []byte
}

// panicOf keeps the stack of a panic that is on its way already.
func panicOf(p any) *panicError {
	if panicked, ok := p.(*panicError); ok {
		return panicked
	}
	return &panicError{p, debug.Stack()}
}

func (e *panicError) Error() string { return fmt.Sprintf("%v\n\n%s", e.value, e.stack) }

func (e *panicError) Unwrap() error {
	err, _ := e.value.(error)
	return err
}
