package store

// Scan visits about n items, in no particular order: a part of what All visits, for callers
// that must not take long. It begins at the cursor, 0 for the first call, and returns the cursor
// for the next call, 0 if that was all. The Table must not be changed during a call, but may be
// between two calls.
//
// An item that is there all the time is visited once, since it never moves: the cursor is
// the number of a page.
func (t *Table[X]) Scan(cursor uint32, n int, visit func(*Item[X])) (next uint32) {
	pages := t.items.pages
	for range (n + slots - 1) / slots {
		if int(cursor) >= len(pages) {
			return 0
		}
		pages[cursor].visit(func(it *Item[X]) bool { visit(it); return true })
		cursor++
	}
	if int(cursor) >= len(pages) {
		return 0
	}
	return cursor
}
