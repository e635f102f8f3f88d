package journal

import "fmt"

// flushSize is how many bytes of entries are written without waiting for a Commit.
const flushSize = 256 << 10

// Append takes an entry for the next Commit to write. It copies the entry, waits for no
// disk, and does not fail: Commit does. Entries of one key must be appended in the order
// in which they happened, so it is called with the shard of that lock locked. It returns
// the entry's number, for Kept.
func (j *Journal) Append(e *Entry) (number uint64) {
	j.mu.Lock()
	if !e.Chosen {
		j.tokens = max(j.tokens, e.Token)
	}
	number = j.appended.Add(1)
	if !j.dropping {
		j.pending = e.appendTo(j.pending)
	}
	switch {
	case e.Moot:
	case j.failing:
		j.doubts.add(e.Key, number)
	default:
		j.keys.add(e.Key)
	}
	enough := len(j.pending) >= flushSize
	j.mu.Unlock()
	if enough {
		signal(j.full)
	}
	return number
}

// Pending reports whether Commit has something to do, or an error to return.
func (j *Journal) Pending() bool {
	return j.appended.Load() != j.committed.Load() || j.failure.Load() != nil
}

// Mark returns the number of the latest entry: once that is Kept, so is all that was
// appended before the call.
func (j *Journal) Mark() uint64 { return j.appended.Load() }

// Commit returns when all that was appended before the call is as safe as the
// mode promises. No shard may be locked. After an error, which is that of Err, Kept and
// Doubtful tell what is safe.
func (j *Journal) Commit() error { return j.Confirm(j.Mark()) }

// Confirm is Commit for the entries up to that number, which Append or Mark has returned.
// Callers that arrive while the disk is busy have their entries written together.
func (j *Journal) Confirm(upTo uint64) error {
	if j.committed.Load() >= upTo {
		return nil
	}
	if err := j.Err(); err != nil {
		return err
	}
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.committed.Load() >= upTo {
		return nil // another call has done it
	}
	if err := j.Err(); err != nil {
		return err
	}
	return j.commit(j.Waits())
}

// commit writes what is pending and, if wait is set, forces it to the disk.
func (j *Journal) commit(wait bool) error {
	if j.segment == nil {
		return errClosed
	}
	if err := j.writePending(); err != nil {
		return err
	}
	if s := j.segment; wait && s.synced < s.size {
		if err := s.sync(); err != nil {
			return j.fail(err)
		}
		s.synced = s.size
	}
	j.committed.Store(j.taken)
	j.segment.kept = j.segment.size
	j.uncommitted.clear()
	return nil
}

// flush writes what is pending without forcing it to the disk.
func (j *Journal) flush() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	switch {
	case j.segment == nil:
		return errClosed
	case j.Waits() || j.Err() != nil: // then writing alone does not commit it
		return j.writePending()
	}
	return j.commit(false)
}

// writePending hands what is pending to the kernel.
func (j *Journal) writePending() error {
	j.mu.Lock()
	empty := len(j.pending) == 0
	if empty {
		j.taken = j.appended.Load()
	}
	j.mu.Unlock()
	if empty {
		return nil
	}
	return j.write(false)
}

// write writes a batch of what is pending, even if that is nothing.
func (j *Journal) write(complete bool) error {
	j.mu.Lock()
	entries := j.pending
	j.pending, j.taken = j.spare[:0], j.appended.Load()
	j.uncommitted = append(j.uncommitted, j.keys...)
	j.keys.clear()
	j.mu.Unlock()
	j.noted = j.config.Clock()
	before := j.segment.size
	err := j.segment.append(entries, complete, j.noted)
	j.grown += j.segment.size - before
	if j.spare = entries; cap(entries) > keptBuffer {
		j.spare = nil
	}
	if err != nil {
		return j.fail(err)
	}
	return nil
}

// sync forces what is written to the disk. Others may write meanwhile.
func (j *Journal) sync() error {
	j.writing.Lock()
	s, err := j.segment, j.Err()
	if s == nil || err != nil || s.synced == s.size {
		j.writing.Unlock()
		return err
	}
	upTo := s.size
	j.writing.Unlock()
	err = s.sync()
	j.writing.Lock()
	defer j.writing.Unlock()
	switch {
	case j.segment != s:
		return nil // rotate has dealt with the old one
	case err != nil:
		return j.fail(err)
	}
	s.synced = max(s.synced, upTo)
	return nil
}

// fail records that writing failed. What is pending is dropped, and so is what will be
// appended, until a checkpoint begins to write the whole state. What was written and not
// committed is cut off the segment, or a crash would bring it back. The order of the
// steps matters: Err reports the failure only when all of that is done, and until then a
// Commit of a dropped entry waits.
func (j *Journal) fail(err error) error {
	err = fmt.Errorf("journal: %w", err)
	j.failures++
	j.mu.Lock()
	j.dropping, j.failing = true, true
	j.pending = j.pending[:0]
	j.doubts.addAll(j.uncommitted, j.appended.Load())
	j.doubts.addAll(j.keys, j.appended.Load())
	j.keys.clear()
	j.mu.Unlock()
	j.uncommitted.clear()
	cut := j.segment.cut(j.Waits())
	if j.failure.Swap(&err) == nil {
		j.config.Logger.Error().Err(err).Msg("the journal cannot be written: no lock is granted until it can")
	}
	if cut != nil {
		j.config.Logger.Error().Err(cut).Msg("what could not be kept may come back after a crash")
	}
	return err
}
