package client_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// serve starts a lockcached within this process, for the examples.
func serve() (addr string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	manager := locks.NewManager(locks.Config{})
	s := server.New(server.Config{Locks: manager})
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { manager.Run(ctx) })
	all.Go(func() { _ = s.Serve(l) })
	return l.Addr().String(), func() {
		_ = s.Shutdown(ctx)
		cancel()
		all.Wait()
	}
}

// Ann has the lock. Bob would rather not wait; then he waits, and is served when Ann
// unlocks.
func Example() {
	addr, stop := serve()
	defer stop()
	ctx := context.Background()
	ann, _ := client.New(client.Config{Servers: []string{addr}, Owner: "ann"})
	defer ann.Close()
	bob, _ := client.New(client.Config{Servers: []string{addr}, Owner: "bob"})
	defer bob.Close()

	hers, err := ann.Lock(ctx, "lock:washing-machine", client.TTL(time.Hour))
	fmt.Println("Ann:", err)

	_, err = bob.TryLock(ctx, "lock:washing-machine")
	fmt.Println("Bob:", err)

	go hers.Unlock()
	his, err := bob.Lock(ctx, "lock:washing-machine", client.Wait(time.Minute))
	fmt.Println("Bob:", err)
	fmt.Println("his token is larger:", his.Token() > hers.Token())
	fmt.Println("Bob:", his.Unlock())
	// Output:
	// Ann: <nil>
	// Bob: client: lock is held: lock:washing-machine
	// Bob: <nil>
	// his token is larger: true
	// Bob: <nil>
}

// The context of a lock ends when the lock does. Here somebody deletes the lock; the
// renewal that is due next notices.
func ExampleLock_Context() {
	addr, stop := serve()
	defer stop()
	c, _ := client.New(client.Config{Servers: []string{addr}})
	defer c.Close()
	lock, _ := c.Lock(context.Background(), "lock:report", client.TTL(time.Second), client.KeepAlive())

	deleteLock(addr, "lock:report")
	<-lock.Context().Done()
	fmt.Println("lost:", errors.Is(context.Cause(lock.Context()), client.ErrLost))
	fmt.Println("unlock says so, too:", errors.Is(lock.Unlock(), client.ErrLost))
	// Output:
	// lost: true
	// unlock says so, too: true
}

func deleteLock(addr, key string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "delete %s\r\n", key)
	_, _ = conn.Read(make([]byte, len("DELETED\r\n")))
}

// What is written under a lock carries the token of the grant. The store, here a map,
// refuses what is older than what it has: a holder that slept through its lease can do
// no harm any more.
func ExampleLock_Token() {
	addr, stop := serve()
	defer stop()
	c, _ := client.New(client.Config{Servers: []string{addr}})
	defer c.Close()
	ctx := context.Background()

	latest := make(map[string]uint64)
	write := func(l *client.Lock) bool {
		if l.Token() < latest[l.Key()] {
			return false
		}
		latest[l.Key()] = l.Token()
		return true
	}

	slow, _ := c.Lock(ctx, "lock:account", client.TTL(time.Second))
	quick, _ := c.Lock(ctx, "lock:account") // when the lease of the slow one is over
	fmt.Println("the quick one writes:", write(quick))
	fmt.Println("the slow one writes:", write(slow))
	fmt.Println("the quick one unlocks:", quick.Unlock())
	// Output:
	// the quick one writes: true
	// the slow one writes: false
	// the quick one unlocks: <nil>
}

// What to do about each error.
func ExampleClient_Lock() {
	c, _ := client.New(client.Config{Servers: []string{"127.0.0.1:1"}, Tries: 1}) // where nobody listens
	defer c.Close()
	_, err := c.Lock(context.Background(), "lock:report", client.Wait(time.Second))
	var fault *client.FaultError
	switch {
	case err == nil:
		fmt.Println("do it")
	case errors.Is(err, client.ErrHeld):
		fmt.Println("somebody else does it")
	case errors.As(err, &fault):
		fmt.Println("is", fault.Server, "running?")
	}
	// Output:
	// is 127.0.0.1:1 running?
}

// docs/recipes.md shows this function.

// save stores a report, unless somebody who got the lock after us has stored one.
func save(ctx context.Context, db *sql.DB, l *client.Lock, day, body string) error {
	done, err := db.ExecContext(ctx, `INSERT INTO reports (day, body, token) VALUES ($1, $2, $3)
		ON CONFLICT (day) DO UPDATE SET body = excluded.body, token = excluded.token
		WHERE excluded.token >= reports.token`, day, body, int64(l.Token()))
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); n == 0 {
		return errors.Join(client.ErrLost, err)
	}
	return nil
}

var _ = save // needs a database
