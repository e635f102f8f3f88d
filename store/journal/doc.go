// Package journal keeps on disk what became of locks, so that held locks and
// tokens survive the end of the process and a power cut. It knows entries and
// files; it knows nothing of claims, waiters or connections.
package journal
