package store

// Range visits the items in the buckets from, from+1, ... before to, in no
// particular order: a part of what All visits, for those who must not take long.
// An item stays in its bucket until Buckets changes. The Table must not be changed
// meanwhile.
func (t *Table[X]) Range(from, to int, visit func(*Item[X])) {
	for _, it := range t.buckets[from:to] {
		for ; it != nil; it = it.chain {
			visit(it)
		}
	}
}
