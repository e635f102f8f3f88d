package waitqueue_test

import (
	"fmt"

	"github.com/lockcached/lockcached/waitqueue"
)

// Three people wait for one washing machine; the second goes home.
func Example() {
	type waiter = waitqueue.Waiter[string]
	ann, bob, cleo := &waiter{X: "Ann"}, &waiter{X: "Bob"}, &waiter{X: "Cleo"}

	var line waitqueue.Queue[string]
	for _, w := range []*waiter{ann, bob, cleo} {
		line.Push(w)
	}
	fmt.Println(line.Rank(cleo), "are ahead of Cleo")
	line.Remove(bob)
	fmt.Println(line.Rank(cleo), "is ahead of Cleo")
	for w := line.Pop(); w != nil; w = line.Pop() {
		fmt.Println(w.X, "washes")
	}
	fmt.Println("Bob was in line:", line.Remove(bob))
	// Output:
	// 2 are ahead of Cleo
	// 1 is ahead of Cleo
	// Ann washes
	// Cleo washes
	// Bob was in line: false
}
