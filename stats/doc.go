// Package stats turns what happened to locks into numbers: moments of hold and
// wait times, counters, the class a key belongs to, and the text of all that.
// It knows numbers only: no lock, no clock, no goroutine, no wire.
//
// Nothing here is safe for concurrent use. Whoever owns a Record guards it with
// the mutex it has anyway, and sums up several owners' Records with Merge.
package stats
