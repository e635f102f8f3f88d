// Package locks knows what add, touch and delete mean: the life of a lock. It
// knows neither connections nor the protocol.
//
// An add that makes a key is a grant. From then on the item is a held lock:
//
//	           add finds nothing: grant
//	(free) ───────────────────────────────> held ──┐ touch, set, cas ...:
//	  ^                                     │  ^   │ renewal
//	  │   delete, exptime < 0, flush_all:   │  └───┘
//	  │   release; TTL over: expiry         │
//	  └──── nobody queued ──────────────────┤
//	                                        │ somebody queued: hand-off,
//	                                        └─> held by the next in line
//
// Every arrow that makes a holder goes through shard.grant, every one that ends
// a hold through shard.end. Items that set made are no locks and pass through.
//
// A Manager divides the keys among shards. A shard's mutex guards its table of
// items, the lines of waiters and the statistics of its keys; no goroutine holds
// two of them, and nothing is written, logged or waited for under one. Who waits for
// whom, across shards, has a mutex of its own, which is taken after a shard's.
package locks
