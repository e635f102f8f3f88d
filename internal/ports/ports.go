// Package ports finds free ports on loopback for servers that tests and benchmarks start. It
// reserves nothing: another process may take a port first.
package ports

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
)

// Ports are looked for between these two, below those that systems give to whoever asks for
// any: a connection may take one of those before the server listens, or while it is restarted.
const (
	lowest  = 12_000
	highest = 32_000
)

// next is where the next search begins. It begins anywhere, because several programs may run,
// and goes on, so that no two rows overlap.
var next atomic.Uint32

func init() { next.Store(uint32(rand.IntN(highest - lowest))) }

// Free returns the first of n successive free ports; n is from 1 to 100.
func Free(n int) (int, error) {
	for range (highest - lowest) / n {
		first := lowest + int((next.Add(uint32(n))-uint32(n))%uint32(highest-lowest-n))
		if areFree(first, n) {
			return first, nil
		}
	}
	return 0, fmt.Errorf("no %d free ports in a row from %d to %d", n, lowest, highest)
}

func areFree(first, n int) bool {
	for port := first; port < first+n; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}
