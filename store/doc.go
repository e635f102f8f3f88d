// Package store keeps items: key, value, client flags, CAS, expiry. It knows
// how much memory they take and which of them was used longest ago; it knows
// nothing of locks, sockets or clocks.
//
// A Table is a plain structure: no mutex, no goroutine, no clock. Its owner
// guards it, tells it the time, and decides what may be forgotten: a pinned
// item is never offered for eviction.
package store
