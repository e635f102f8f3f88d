// Package check is what the programs that play with a client share.
package check

import (
	"errors"
	"log"
	"reflect"
	"sync"
	"time"
)

// Patience is how long a client may wait for the server. Their own timeouts may be too short for a busy machine.
const Patience = 5 * time.Minute

// Is ends the program unless a call returned what memcached makes it return.
func Is(what string, got, want any) {
	gotErr, _ := got.(error)
	wantErr, _ := want.(error)
	if !reflect.DeepEqual(got, want) && (wantErr == nil || !errors.Is(gotErr, wantErr)) {
		log.Fatalf("%s: %v, want %v", what, got, want)
	}
}

// Eventually asks until something is so.
func Eventually(what string, holds func() bool) {
	for end := time.Now().Add(Patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			log.Fatalf("never: %s", what)
		}
	}
}

// Exclusion has workers add 1 to a number in two steps, which only a lock makes one. Each worker gets functions of a client
// of its own: to claim the lock and tell whether it was granted, to end it, and to read and write the number.
func Exclusion(client func() (claim func() bool, end func(), read func() int, write func(int))) {
	const workers, rounds = 4, 25
	_, _, read, write := client()
	write(0)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			claim, end, read, write := client()
			for range rounds {
				Eventually("the lock is free", claim)
				write(read() + 1)
				end()
			}
		})
	}
	wg.Wait()
	Is("the total", read(), workers*rounds)
}
