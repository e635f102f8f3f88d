// Package journal keeps the holds of one node in the engine that all nodes share.
//
// What becomes of locks is collected into batches, and a batch is written in one transaction
// that is guarded: it commits nothing unless this incarnation of the node still exists and the
// map of the slots is the one that it knows. One transaction is in flight at a time. An error is
// no outcome: the same transaction is repeated until it is known, with the same key and bytes, so
// that twice does no harm.
//
// Every answer about a lock waits for a transaction that began after it was found, reads
// and refusals too: only that shows that no other node served the lock at the time.
// Journal.Mark numbers those transactions, and Journal.Confirm waits for one.
//
// Read is for the node that takes over: it reads what a dead incarnation has left.
//
// In the engine, below Config.Prefix:
//
//	journal/INCARNATION/SEQ              a batch
//	checkpoint/INCARNATION/GEN/N         a piece of all holds at one time
//	head/INCARNATION                     which GEN counts, and the first SEQ behind it
package journal
