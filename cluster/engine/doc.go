// Package engine is what a cluster needs of the consensus below it: keys with values and
// revisions, changed by transactions that a majority of the machines has on its disks. It
// knows neither locks nor what the keys are.
//
// Package engine/etcd is the engine that servers use, and package engine/enginetest the one
// of tests, in memory, which loses and delays answers when told to. This package imports
// neither, so that whatever is built on an Engine compiles and is tested without etcd.
//
// # Revisions
//
// Every transaction that changes something raises the revision of the whole store by one. A
// pair remembers the revisions of its creation and of its latest change; a key that is
// deleted and put again has been created anew. So a condition on the creation says "still
// the same key", one on the change "nobody has touched it".
//
// # What an error means
//
// An error of Txn is no outcome. Every one is either ErrRefused (nothing was carried out,
// and nothing will be) or ErrUnknown (it may have been carried out, or may yet be, even
// after a later transaction). Whoever gets an ErrUnknown repeats the transaction until the
// answer is known; its conditions and keys have to be such that a repetition does no harm.
//
// A transaction that was sent to a leader that is gone is never answered. So give Txn a
// short time, and cut it shorter when LeaderChanged says so; Settle does all of this.
package engine
