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
// The directory belongs to one process at a time: it holds a flock on the file "lock",
// which contains its process id. "classes" has the statistics of classes. The other files
// are segments, "journal-" and a number: usually one, two while a checkpoint is being
// made, and one more after each start before the first one.
//
// A segment is a sequence of records in the format of LevelDB's log: blocks of
// 32 KiB, each piece of a record with its length and a CRC-32C. The first record is the
// preface: it says which segment this one continues, and where that one ends, see
// batch.go. Every other record is a batch: a head and any number of entries. The head
// says
//
//   - where in the segment the batch begins, so that none can be missing,
//   - up to where the segment was on the disk by then,
//   - what time it was on the machine's clock and on the wall clock,
//   - whether the checkpoint that began the segment is complete.
//
// A segment whose checkpoint is complete is all that is needed; the older ones are
// deleted. Until then, the segment that it continues is read first.
//
// # What a crash leaves behind
//
// Damage behind the last point that is known to have been on the disk is a torn tail: it
// is ignored, and the journal ends there. Damage before that point, or a missing segment,
// is ErrCorrupt: a client was told that what was there is safe. Nothing in between is
// ever skipped, so what comes back is a state that there was.
//
// When a write or an fsync fails, what was pending is dropped, what was written and
// not committed is cut off the file, Err says why, and the file is not trusted again:
// after a failed fsync the kernel has forgotten what it could not write, and the next
// fsync would succeed. A checkpoint into a new segment repairs the journal, because it
// has the whole state; until it is complete, that segment counts for nothing. Until then
// Kept tells which entries are safe, and Doubtful which locks a crash might bring back.
//
// # Time
//
// Times are on CLOCK_BOOTTIME, which nobody can set and which goes on while the
// machine sleeps. As long as the machine is not restarted, leases are exact
// whatever the wall clock does. Over a restart, the time from the last batch to
// Replay is the wall clock's: a lease is off by as much as that clock was set while
// the machine was down. If it was set back by more than that, no time has passed:
// a clock that was set back never shortens a lease, and prolongs it by at most the time
// that the machine was down. If the wall clock is set while the process runs, that is
// recorded within a second.
//
// # Why LevelDB's log
//
// Of the libraries that were measured, goleveldb's journal and pebble's record
// were the fastest by a factor of two, and the first needs 4 packages where the second
// brings 124. It does the framing and leaves the files to us: we decide when they are
// flushed, and what happens when the disk is full. (With pebble, a full disk ends the
// process.)
package journal
