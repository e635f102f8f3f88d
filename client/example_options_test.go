package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/client/clienttest"
)

// TryLock does not wait.
func ExampleClient_TryLock() {
	fake := clienttest.New()
	defer fake.Close()
	release, _ := fake.Hold("lock:report")
	defer release()
	_, err := fake.Client().TryLock(context.Background(), "lock:report")
	fmt.Println(err)
	// Output:
	// client: lock is held: lock:report
}

// Wait bounds the wait, and nothing else: the lock may last for longer.
func ExampleWait() {
	fake := clienttest.New()
	defer fake.Close()
	release, _ := fake.Hold("lock:report")
	defer release()
	_, err := fake.Client().Lock(context.Background(), "lock:report", client.TTL(time.Hour), client.Wait(50*time.Millisecond))
	held, _ := errors.AsType[*client.HeldError](err)
	fmt.Println(held.Key, held.Waited >= 50*time.Millisecond)
	// Output:
	// lock:report true
}

// Once the server knows how long a lock is usually held, the lease is as long as very few
// holds are. Until then it is the one of TTL.
func ExampleAdaptiveTTL() {
	fake := clienttest.New()
	defer fake.Close()
	c, ctx := fake.Client(), context.Background()
	lease := func() time.Duration {
		l, err := c.Lock(ctx, "lock:report", client.TTL(time.Hour), client.AdaptiveTTL())
		if err != nil {
			panic(err)
		}
		defer l.Unlock()
		return time.Until(l.Expires())
	}
	fmt.Println("at first an hour:", lease() > 50*time.Minute)
	for range 30 {
		lease()
	}
	fmt.Println("then less:", lease() < 10*time.Minute)
	// Output:
	// at first an hour: true
	// then less: true
}

// Once the server knows how long claims wait for a lock, one that would have to wait for
// longer than nearly all of them is given up. Until then it is the time of Wait.
func ExampleAdaptiveWait() {
	fake := clienttest.New()
	defer fake.Close()
	ctx := context.Background()
	work := func(context.Context) error {
		time.Sleep(10 * time.Millisecond)
		return nil
	}
	var processes sync.WaitGroup
	for range 2 {
		c := fake.Client()
		processes.Go(func() {
			for range 20 {
				_ = c.Do(ctx, "lock:report", work)
			}
		})
	}
	processes.Wait()
	release, _ := fake.Hold("lock:report") // and does not let go
	defer release()
	_, err := fake.Client().Lock(ctx, "lock:report", client.Wait(time.Hour), client.AdaptiveWait())
	held, _ := errors.AsType[*client.HeldError](err)
	fmt.Println("waited for an hour:", held.Waited > 50*time.Minute)
	// Output:
	// waited for an hour: false
}

// KeepAlive renews a short lease for as long as the work lasts.
func ExampleKeepAlive() {
	fake := clienttest.New()
	defer fake.Close()
	l, err := fake.Client().Lock(context.Background(), "lock:report", client.TTL(time.Second), client.KeepAlive())
	if err != nil {
		panic(err)
	}
	before := l.Expires()
	for !l.Expires().After(before) && l.Context().Err() == nil {
		time.Sleep(10 * time.Millisecond) // the work
	}
	fmt.Println("renewed:", l.Expires().After(before), l.Unlock())
	// Output:
	// renewed: true <nil>
}

// Renew makes the lease end later, by hand.
func ExampleLock_Renew() {
	fake := clienttest.New()
	defer fake.Close()
	ctx := context.Background()
	l, _ := fake.Client().Lock(ctx, "lock:report", client.TTL(time.Minute))
	fmt.Println(l.Renew(ctx, time.Hour), time.Until(l.Expires()) > 50*time.Minute)
	fmt.Println(l.Unlock())
	fmt.Println(l.Renew(ctx, time.Hour))
	// Output:
	// <nil> true
	// <nil>
	// client: renew lock:report: client: unlocked
}

// A short job is not done again for a while: the lock stays, without anybody.
func ExampleLock_Leave() {
	fake := clienttest.New()
	defer fake.Close()
	ctx := context.Background()
	l, _ := fake.Client().Lock(ctx, "cron:report")
	fmt.Println(l.Leave(ctx, time.Minute), "held:", fake.Held("cron:report"))
	// Output:
	// <nil> held: true
}

// Info tells what the server knows of a lock.
func ExampleClient_Info() {
	fake := clienttest.New()
	defer fake.Close()
	c, ctx := fake.Client(), context.Background()
	l, _ := c.Lock(ctx, "lock:report", client.Owned("ann"))
	defer l.Unlock()
	info, err := c.Info(ctx, "lock:report")
	fmt.Println(info.Held, info.Owner == l.Owner(), info.Fields["acquired"], err)
	// Output:
	// true true 1 <nil>
}

// The log is the program's: here as JSON, without what differs from run to run.
func ExampleConfig() {
	fake := clienttest.New()
	defer fake.Close()
	config := fake.Config() // in production: client.Config{Servers: ...}
	config.Tries = 2
	config.Logger = slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey, "pause_ms", "error":
			return slog.Attr{}
		}
		return a
	}}))
	c, err := client.New(config)
	if err != nil {
		panic(err)
	}
	defer c.Close()
	fake.SetAway(true)
	_, err = c.Lock(context.Background(), "lock:report")
	fmt.Println(errors.Is(err, client.ErrUnavailable))
	// Output:
	// {"level":"WARN","msg":"retry","key":"lock:report","server":"fake:11211","attempt":1}
	// true
}

// The nodes of a cluster serve every key together: give as many addresses as there are, so that
// one of them is there when the program starts.
func ExampleConfig_cluster() {
	c, err := client.New(client.Config{Cluster: []string{"node-a:11211", "node-b:11211", "node-c:11211"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	err = c.Do(context.Background(), "lock:report", func(ctx context.Context) error {
		return nil // the work, which goes on if a node is lost
	}, client.TTL(30*time.Second), client.Wait(10*time.Second))
	if err != nil {
		fmt.Println("not done:", err)
	}
}
