package store

import "math/bits"

// Scan visits the items of n buckets, in no particular order: a part of what All
// visits, for those who must not take long. It begins at the bucket that the cursor
// stands for, 0 for the first call, and returns the cursor for the next one, 0 if that
// was all. The Table must not be changed meanwhile, but between two calls it may be.
//
// An item that is there all the time is visited once, also if the Table grows. For the
// cursor counts with its bits reversed: of a bucket that it has passed, both halves are
// passed after the Table has split it, and of one that is ahead both are ahead.
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
