package client_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/client/clienttest"
)

// A function runs under a lock, which is released whatever becomes of it.
func ExampleClient_Do() {
	fake := clienttest.New() // in production: client.New(client.Config{Servers: ...})
	defer fake.Close()
	c, ctx := fake.Client(), context.Background()

	err := c.Do(ctx, "lock:report", func(ctx context.Context) error {
		fmt.Println("fenced by a token:", client.FromContext(ctx).Token() > 0)
		return errors.New("no paper")
	})
	fmt.Println(err)

	release, _ := fake.Hold("lock:report")
	defer release()
	err = c.Do(ctx, "lock:report", func(context.Context) error { return nil }, client.Wait(0))
	fmt.Println("somebody else has it:", errors.Is(err, client.ErrHeld))
	// Output:
	// fenced by a token: true
	// no paper
	// somebody else has it: true
}

// A lock that was taken by another process is released by its token.
func ExampleClient_Release() {
	fake := clienttest.New()
	defer fake.Close()
	ctx := context.Background()
	lock, _ := fake.Client().Lock(ctx, "lock:report", client.TTL(time.Hour))

	c := fake.Client()
	fmt.Println(c.Release(ctx, "lock:report", lock.Token()))
	fmt.Println("once more:", errors.Is(c.Release(ctx, "lock:report", lock.Token()), client.ErrLost))
	// Output:
	// <nil>
	// once more: true
}

// The locks that are held, the most wanted first.
func ExampleClient_List() {
	fake := clienttest.New()
	defer fake.Close()
	c, ctx := fake.Client(), context.Background()
	lock, _ := c.Lock(ctx, "lock:report", client.Owned("ann"))
	defer lock.Unlock()

	list, err := c.List(ctx, 100)
	for _, info := range list {
		fmt.Println(info.Key, info.Held, info.Owner == lock.Owner(), info.Token == lock.Token())
	}
	fmt.Println(err)
	// Output:
	// lock:report true true true
	// <nil>
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, test func(t *testing.T, fake *clienttest.Fake, c *client.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fake := clienttest.New()
		defer fake.Close()
		test(t, fake, fake.Client())
	})
}

func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: %v, want %v", what, err, want)
	}
}

var errWork = errors.New("the work failed")

func TestDoKeepsTheLock(t *testing.T) {
	bubble(t, func(t *testing.T, fake *clienttest.Fake, c *client.Client) {
		err := c.Do(t.Context(), "k", func(ctx context.Context) error {
			time.Sleep(time.Hour)
			if !fake.Held("k") || client.FromContext(ctx).Key() != "k" {
				t.Error("the lock is not held any more")
			}
			return ctx.Err()
		}, client.TTL(2*time.Second))
		is(t, "do", err, nil)
		if err := c.Do(t.Context(), "k", func(context.Context) error { return errWork }); err != errWork {
			t.Errorf("%v, not the error itself", err)
		}
		if fake.Held("k") || client.FromContext(t.Context()) != nil {
			t.Error("the lock is still held")
		}
	})
}

func TestDoWithoutTheLock(t *testing.T) {
	bubble(t, func(t *testing.T, fake *clienttest.Fake, c *client.Client) {
		never := func(context.Context) error { t.Error("ran without the lock"); return nil }
		release, err := fake.Hold("k")
		is(t, "hold", err, nil)
		is(t, "held", c.Do(t.Context(), "k", never, client.Wait(time.Minute)), client.ErrHeld)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		is(t, "called off", c.Do(ctx, "k", never), context.DeadlineExceeded)
		is(t, "no key", c.Do(ctx, "", never), client.ErrKey)
		release()
		fake.SetAway(true)
		is(t, "away", c.Do(t.Context(), "k", never), client.ErrUnavailable)
	})
}

func TestDoTellsTheLoss(t *testing.T) {
	bubble(t, func(t *testing.T, fake *clienttest.Fake, c *client.Client) {
		err := c.Do(t.Context(), "k", func(ctx context.Context) error {
			fake.End("k")
			<-ctx.Done()
			return errWork
		})
		is(t, "taken away", err, client.ErrLost)
		is(t, "taken away", err, errWork)
		is(t, "taken away unnoticed", c.Do(t.Context(), "k", func(context.Context) error {
			fake.End("k")
			return nil
		}), client.ErrLost)
		is(t, "out of reach", c.Do(t.Context(), "k", func(ctx context.Context) error {
			fake.SetAway(true)
			defer fake.SetAway(false)
			<-ctx.Done()
			return ctx.Err()
		}), client.ErrLost)
	})
}

// What fn has done under the lock is done, whether or not the release arrives.
func TestDoReleasesInVain(t *testing.T) {
	bubble(t, func(t *testing.T, fake *clienttest.Fake, c *client.Client) {
		work := func(err error) func(context.Context) error {
			return func(context.Context) error {
				fake.SetAway(true)
				return err
			}
		}
		is(t, "do", c.Do(t.Context(), "k", work(nil), client.TTL(time.Hour)), nil)
		if !fake.Held("k") {
			t.Error("it was released all the same")
		}
		fake.SetAway(false)
		fake.End("k")
		time.Sleep(time.Minute)
		if err := c.Do(t.Context(), "k", work(errWork), client.TTL(time.Hour)); err != errWork {
			t.Error(err)
		}
	})
}

func TestDoEndsOtherwise(t *testing.T) {
	bubble(t, func(t *testing.T, fake *clienttest.Fake, c *client.Client) {
		func() {
			defer func() {
				if p := recover(); p != "bang" {
					t.Errorf("panic: %v", p)
				}
			}()
			_ = c.Do(t.Context(), "k", func(context.Context) error { panic("bang") })
		}()
		if fake.Held("k") {
			t.Error("held after a panic")
		}
		done := make(chan bool)
		go func() {
			defer close(done)
			_ = c.Do(t.Context(), "k", func(context.Context) error { runtime.Goexit(); return nil })
		}()
		<-done
		if fake.Held("k") {
			t.Error("held after Goexit")
		}
		ctx, cancel := context.WithCancel(t.Context())
		is(t, "called off", c.Do(ctx, "k", func(ctx context.Context) error {
			cancel()
			<-ctx.Done()
			if !fake.Held("k") {
				t.Error("released before the function has returned")
			}
			return ctx.Err()
		}), context.Canceled)
		if fake.Held("k") {
			t.Error("held after it was called off")
		}
	})
}

// A release by token ends that hold only.
func TestRelease(t *testing.T) {
	bubble(t, func(t *testing.T, fake *clienttest.Fake, c *client.Client) {
		l, err := c.Lock(t.Context(), "k", client.TTL(time.Minute))
		is(t, "lock", err, nil)
		other := fake.Client()
		is(t, "another token", other.Release(t.Context(), "k", l.Token()+1), client.ErrLost)
		is(t, "no token", other.Release(t.Context(), "k", 0), client.ErrLost)
		is(t, "renew", l.Renew(t.Context(), 0), nil)
		is(t, "the token before a renewal", other.Release(t.Context(), "k", l.Token()), client.ErrLost)
		info, err := other.Info(t.Context(), "k")
		is(t, "info", err, nil)
		is(t, "the token after it", other.Release(t.Context(), "k", info.Token), nil)
		is(t, "unlock", l.Unlock(), client.ErrLost)
		is(t, "a free lock", other.Release(t.Context(), "k", info.Token), client.ErrLost)
		is(t, "a key that is none", other.Release(t.Context(), "a b", 1), client.ErrKey)
	})
}

func TestList(t *testing.T) {
	bubble(t, func(t *testing.T, fake *clienttest.Fake, c *client.Client) {
		list, err := c.List(t.Context(), 10)
		if len(list) > 0 || err != nil {
			t.Errorf("of nothing: %v, %v", list, err)
		}
		for _, key := range []string{"old", "wanted", "new"} {
			_, err := fake.Hold(key)
			is(t, "hold", err, nil)
			time.Sleep(2 * time.Second)
		}
		go func() { _, _ = fake.Client().Lock(t.Context(), "wanted") }()
		synctest.Wait()
		list, err = c.List(t.Context(), 10)
		is(t, "list", err, nil)
		var keys []string
		for _, info := range list {
			keys = append(keys, info.Key)
			if !info.Held || info.Server != clienttest.Name || info.Age < time.Second || info.TTL <= 0 {
				t.Errorf("%+v", info)
			}
		}
		if want := []string{"wanted", "old", "new"}; !slices.Equal(keys, want) || list[0].Queued != 1 {
			t.Errorf("%v, want %v", keys, want)
		}
		if list, err := c.List(t.Context(), 1); len(list) != 1 || list[0].Key != "wanted" || err != nil {
			t.Errorf("%v, %v", list, err)
		}
		if _, err := c.List(t.Context(), 0); err == nil {
			t.Error("a list of 0")
		}
	})
}
