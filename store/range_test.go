package store

import (
	"fmt"
	"testing"
)

// TestRange looks through a table in pieces, and finds every item once.
func TestRange(t *testing.T) {
	tab := New[int]()
	for i := range 1000 {
		insert(tab, fmt.Sprint(i), Never, i%2 == 0)
	}
	seen := make(map[string]int)
	for from := 0; from < tab.Buckets(); from += 100 {
		tab.Range(from, min(from+100, tab.Buckets()), func(it *item) { seen[string(it.Key())]++ })
	}
	for i := range 1000 {
		if n := seen[fmt.Sprint(i)]; n != 1 {
			t.Errorf("%d was visited %d times", i, n)
		}
	}
}
