// Package stats turns what happened to locks into numbers: moments and quantiles
// of hold and wait times, counters, the class a key belongs to, and the text of all
// that. From them it derives when a waiter should ask again:
//
//	Histogram, Moments   what was observed
//	Hazard               the law of hold times that follows from it
//	Promises             who was told to come back when
//	Scene                what else matters at the moment
//
// It knows numbers only: no lock, no clock, no goroutine, no wire.
//
// Nothing here is safe for concurrent use. The owner of a Record guards it with a mutex of
// its own; Merge sums up the Records of several owners.
package stats
