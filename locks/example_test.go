package locks_test

import (
	"fmt"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/stats"
)

// A waiter hears of the end of its wait.
type waiter struct{ locks.Waiting }

func (*waiter) Served(w *locks.Waiting, how locks.Outcome) bool {
	fmt.Printf("Bob is served: %v\n", how == locks.Granted)
	return true
}

// Ann takes a lock; Bob waits for it and gets it in the moment that she releases
// it. Cleo would not wait, and is refused.
func Example() {
	m := locks.NewManager(locks.Config{})
	key := []byte("lock:washing-machine")
	claim := func(who string) *locks.Put {
		return &locks.Put{
			Op:      locks.Add,
			Key:     key,
			Value:   []byte(who),
			Lease:   time.Hour,
			Session: new(locks.Session),
		}
	}

	_, err := m.Put(claim("Ann"))
	fmt.Println("Ann:", err)

	bob, w := claim("Bob"), new(waiter)
	_, err = m.PutOrWait(bob, &locks.Wait{For: time.Minute, Waiter: w, Waiting: &w.Waiting})
	fmt.Println("Bob:", err)

	_, err = m.Put(claim("Cleo"))
	fmt.Println("Cleo:", err)

	_ = m.Delete(key)
	l, _ := m.Lookup(key, nil)
	fmt.Printf("%s has it after %d hand-off; %d waits\n", l.Owner, l.Counters[stats.HandedOff], l.Polling)
	// Output:
	// Ann: <nil>
	// Bob: locks: waiting in line
	// Cleo: locks: not stored
	// Bob is served: true
	// Bob has it after 1 hand-off; 1 waits
}

func ExampleNewPattern() {
	p, _ := locks.NewPattern("lock:*")
	for _, key := range []string{"lock:user/17", "lock:", "unlock:user"} {
		fmt.Println(key, p.Match([]byte(key)))
	}
	// Output:
	// lock:user/17 true
	// lock: true
	// unlock:user false
}
