package store

import (
	"fmt"
	"testing"

	"github.com/lockcached/lockcached/internal/ttl"
)

// TestScan scans a table in pieces, while it grows fourfold, and finds
// every item that was there from the beginning once.
func TestScan(t *testing.T) {
	for _, growth := range []int{0, 1, 10, 300} {
		for _, n := range []int{1, 7, 100} {
			t.Run(fmt.Sprintf("growth-%d-pieces-%d", growth, n), func(t *testing.T) {
				tab := New[int]()
				for i := range 1000 {
					insert(tab, fmt.Sprint(i), ttl.Forever, i%2 == 0)
				}
				seen := make(map[string]int)
				for cursor, more, added := uint32(0), true, 0; more; more = cursor != 0 {
					cursor = tab.Scan(cursor, n, func(it *item) { seen[string(it.Key())]++ })
					for range min(growth, 3000-added) {
						insert(tab, fmt.Sprint("new", added), ttl.Forever, false)
						added++
					}
				}
				for i := range 1000 {
					if n := seen[fmt.Sprint(i)]; n != 1 {
						t.Errorf("%d was visited %d times", i, n)
					}
				}
			})
		}
	}
}
