// Package ledger keeps what is known of the past of locks: of each lock, of each class
// of locks, and of all together. It learns through one function, Ledger.Note, which is
// told events; it does not know how they come about.
//
// A Ledger is a plain structure: no mutex, no goroutine, no clock. Its owner has those; in
// package locks every shard owns one, and guards it with its own mutex. What several
// Ledgers know together is in a Shared, whose methods may be called from any goroutine. Its
// two mutexes are taken after that of a Ledger's owner, and never together.
//
// Everything is bounded: locks and classes that have not been used for long are
// forgotten, locks that are held are not.
package ledger
