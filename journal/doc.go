// Package journal keeps on disk what became of locks, so that held locks and
// tokens survive the end of the process and a power cut. It knows entries and
// files; it knows nothing of claims, waiters or connections.
//
// An Entry is the whole new state of one lock, or that its hold ended. Entries
// are collected in memory, where Append takes about 100 ns, and written as one
// batch by the next Commit, whose callers share the work. Now and then a
// Checkpoint begins anew with the present state, or the journal would grow for
// ever.
//
// # Files
//
// The directory belongs to one process at a time: it holds a flock on the file
// "lock", which has its process id in it. "classes" has the statistics of classes.
// The rest are segments, "journal-" and a number: usually one, two while a
// checkpoint is being made, and one more after each start before the first one.
//
// A segment is a sequence of records in the format of LevelDB's log: blocks of
// 32 KiB, each piece of a record with its length and a CRC-32C. The first record
// is the preface: which segment it goes on from, and up to where, see batch.go.
// Every other one is a batch: a head and any number of entries. The head says
//
//   - where in the segment the batch begins, so that none can be missing,
//   - up to where the segment was on the disk by then,
//   - what time it was on the machine's clock and on the wall clock,
//   - whether the checkpoint that began the segment is complete.
//
// A segment whose checkpoint is complete is all that is needed; the older ones are
// deleted. Before that, the one that it goes on from is read first.
//
// # What a crash leaves behind
//
// Damage behind the last point that is known to have been on the disk is a torn
// tail: it is cut off, and the journal ends there. Damage before that point, or a
// segment that is missing, is ErrCorrupt: somebody was promised what was there.
// Nothing in between is ever skipped, so what comes back is a state that there was.
//
// When a write or an fsync fails, what was pending is dropped, what was written and
// not committed is cut off the file, Err says why, and the file is not trusted again:
// after a failed fsync the kernel has forgotten what it could not write, and the next
// one would succeed. A checkpoint into a new segment heals, because it has the whole
// state; until it is complete, that segment counts for nothing. Until then Kept tells
// which entries made it, and Doubtful which locks a crash would bring back.
//
// # Time
//
// Times are on CLOCK_BOOTTIME, which nobody can set and which goes on while the
// machine sleeps. As long as the machine is not restarted, leases are exact
// whatever the wall clock does. Over a restart, the time from the last batch to
// Replay is the wall clock's: a lease is off by as much as that clock was set while
// the machine was down. If it was set back by more than that, no time has passed:
// a lease is never shortened by a clock that was set back, and prolonged by the
// time that the machine was down at most. That the wall clock was set while the
// process ran is noted within a second.
//
// # Why LevelDB's log
//
// Of the libraries that were measured, goleveldb's journal and pebble's record
// were the fastest by a factor of two, and the first needs 4 packages where the
// second brings 124. It does the framing and leaves the files to us: when they are
// flushed, and what happens when the disk is full, which ends a process that uses
// pebble.
package journal
