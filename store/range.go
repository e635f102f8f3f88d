package store

import "math/bits"

// Scan visits the items of n buckets, in no particular order: a part of what All visits,
// for callers that must not take long. It begins at the cursor, 0 for the first call, and
// returns the cursor for the next call, 0 if that was all. The Table must not be changed
// during a call, but may be between two calls.
//
// An item that is there all the time is visited once, even if the Table grows. The cursor
// counts with its bits reversed: when the Table splits a bucket that the cursor has
// passed, it has passed both halves, and when it splits one that is ahead, both halves
// are ahead.
func (t *Table[X]) Scan(cursor uint32, n int, visit func(*Item[X])) (next uint32) {
	unused := ^uint32(len(t.buckets) - 1)
	for range n {
		for it := t.buckets[cursor&^unused]; it != nil; it = it.chain {
			visit(it)
		}
		cursor = bits.Reverse32(bits.Reverse32(cursor|unused) + 1)
		if cursor == 0 {
			break
		}
	}
	return cursor
}
