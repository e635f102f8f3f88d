package waitqueue_test

import (
	"fmt"
	"time"

	"github.com/lockcached/lockcached/waitqueue"
)

// Three people wait for one washing machine, and a fourth looks in now and then.
func Example() {
	type waiter = waitqueue.Waiter[string]
	ann, bob, cleo := &waiter{X: "Ann"}, &waiter{X: "Bob"}, &waiter{X: "Cleo"}

	var line waitqueue.Line[string, string]
	for minute, w := range []*waiter{ann, bob, cleo} {
		line.Queue.Insert(w, line.Arrive(time.Duration(minute)*time.Minute))
	}
	line.Poll("Dan", 0, line.Arrive(3*time.Minute), 3*time.Minute)

	fmt.Println(line.Queue.Rank(cleo), "are ahead of Cleo,", line.Rank("Dan"), "of Dan")
	line.Queue.Remove(bob) // he goes home
	fmt.Println(line.Queue.Rank(cleo), "is ahead of Cleo,", line.Rank("Dan"), "of Dan")
	for w := line.Queue.Pop(); w != nil; w = line.Queue.Pop() {
		fmt.Println(w.X, "washes")
	}
	fmt.Println(line.Waiters(), "waits, with rank", line.Rank("Dan"))
	// Output:
	// 2 are ahead of Cleo, 3 of Dan
	// 1 is ahead of Cleo, 2 of Dan
	// Ann washes
	// Cleo washes
	// 1 waits, with rank 0
}
