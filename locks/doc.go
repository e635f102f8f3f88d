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
// Every arrow that makes a holder goes through shard.grant, and from there, as replay
// does, through shard.begin; every arrow that ends a hold goes through shard.end. Items
// made by set are not locks and pass through.
//
// Each change in the life of a lock is an event, see shard.happened: the ledger keeps the
// books, the journal writes it down, the log warns of lost locks. They listen; the life
// of a lock does not depend on them.
//
// A lock that nobody holds may be closed: for its lock-delay after an expiry or the
// withdrawal of a grant, or while the server settles after its start. Then claims are
// refused or wait in line, as if it were held.
//
// With a Journal, holds outlive the process. Grants, changes and ends are appended under
// the shard's mutex, in their order, and committed before any client is told: the Manager
// commits before it tells waiters, every other caller before it answers, see
// Manager.Commit. Recover puts holds back; they go on and are not new grants.
//
// In a cluster a Manager serves some of the keys, see Config.Owned. Holds move from node to
// node and go on: Disown forgets them without an end, Adopt takes them over without a grant.
// There every answer about a key is a promise, see Manager.Strict.
//
// # Mutexes
//
// A Manager divides the keys among shards. A shard's mutex guards its table of items,
// the lines of waiters and the ledger of its keys. Methods of shard expect it to be
// held; methods of Manager take it, one shard's at a time. Only shard.yield unlocks it in
// between; every method of shard that calls it says so. Nothing is written, logged or
// waited for while it is held.
//
// The order of all mutexes is: Manager.scrape; then that of a shard; then one of
// Manager.waits (who waits for whom, across shards), the two of ledger.Shared, and that
// of the journal, which take no others.
package locks
