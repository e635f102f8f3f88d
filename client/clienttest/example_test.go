package clienttest_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/client/clienttest"
)

// report is what is tested: it makes a report, unless somebody else does.
func report(ctx context.Context, c *client.Client) (string, error) {
	made := ""
	err := c.Do(ctx, "lock:report", func(context.Context) error {
		made = "a report"
		return nil
	}, client.Wait(0))
	if errors.Is(err, client.ErrHeld) {
		return "somebody else makes it", nil
	}
	return made, err
}

// A function that takes a lock is tested with the lock free, held, and out of reach.
func Example() {
	fake := clienttest.New()
	defer fake.Close()
	c, ctx := fake.Client(), context.Background()

	fmt.Println(report(ctx, c))

	release, _ := fake.Hold("lock:report")
	fmt.Println(report(ctx, c))
	release()

	fake.SetAway(true)
	_, err := report(ctx, c)
	fmt.Println(errors.Is(err, client.ErrUnavailable))
	// Output:
	// a report <nil>
	// somebody else makes it <nil>
	// true
}

// The lock is taken away while it is held. The renewal that is due next finds out.
func ExampleFake_End() {
	fake := clienttest.New()
	defer fake.Close()
	err := fake.Client().Do(context.Background(), "lock:report", func(ctx context.Context) error {
		fake.End("lock:report")
		<-ctx.Done()
		return ctx.Err()
	}, client.TTL(time.Second))
	fmt.Println("lost:", errors.Is(err, client.ErrLost))
	// Output:
	// lost: true
}

// Two processes want the same lock. One waits until the other is done.
func ExampleFake_Queued() {
	fake := clienttest.New()
	defer fake.Close()
	ctx := context.Background()
	lock, _ := fake.Client().Lock(ctx, "lock:report")

	served := make(chan error)
	go func() {
		served <- fake.Client().Do(ctx, "lock:report", func(context.Context) error { return nil })
	}()
	for fake.Queued("lock:report") == 0 {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("held:", fake.Held("lock:report"))
	fmt.Println("unlocked:", lock.Unlock())
	fmt.Println("served:", <-served)
	// Output:
	// held: true
	// unlocked: <nil>
	// served: <nil>
}
