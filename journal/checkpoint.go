package journal

import "fmt"

// WantsCheckpoint yields when a Checkpoint is due: the journal has grown, or it
// has failed and a second later might be written again.
func (j *Journal) WantsCheckpoint() <-chan struct{} { return j.wants }

// Checkpoint begins the journal anew with the present state, and deletes the old
// one when that is safe. walk emits a Put for every held lock, with the lock's
// shard locked; emit waits for no disk, like Append. walk need not do it in one piece,
// and entries may be appended meanwhile.
//
// If Checkpoint fails, the journal goes on as before. If the journal had failed, it works
// again once Checkpoint has succeeded; until then Commit fails, even during walk.
func (j *Journal) Checkpoint(walk func(emit func(*Entry)) error) error {
	j.checkpoint.Lock()
	defer j.checkpoint.Unlock()
	failures, err := j.rotate()
	if err != nil {
		return err
	}
	if err := walk(j.restate); err != nil {
		return err
	}
	older, err := j.complete(failures)
	if err != nil {
		return err
	}
	j.remove(older...)
	select {
	case <-j.wants: // it asked for this one
	default:
	}
	return nil
}

// restate appends an entry that says nothing new.
func (j *Journal) restate(e *Entry) {
	moot := *e
	moot.Moot = true
	j.Append(&moot)
}

// rotate begins a new segment, to which everything is written from then on. It returns
// how often writing had failed by then.
func (j *Journal) rotate() (failures int, err error) {
	_ = j.sync() // of most of it, while others may write
	j.writing.Lock()
	defer j.writing.Unlock()
	old := j.segment
	if old == nil {
		return 0, errClosed
	}
	p := preface{number: old.number + 1, after: old.number, gap: j.Err() != nil}
	switch {
	case !p.gap:
		if err := j.commit(true); err != nil {
			return 0, err
		}
		p.afterEnd = old.size
	case old.worthless():
		_ = old.close()
		j.remove(old.number) // before the next one needs its space
	}
	j.mu.Lock()
	p.tokens = j.tokens
	j.mu.Unlock()
	next, err := j.create(p)
	if err != nil {
		return 0, err
	}
	if !old.worthless() {
		_ = old.close() // the part of it that counts is on the disk
		j.older = append(j.older, old.number)
	}
	j.segment = next
	j.mu.Lock()
	j.dropping = false
	j.mu.Unlock()
	return j.failures, nil
}

// create makes a segment that is safe on the disk: damage to its preface is not a
// torn tail if anything follows.
func (j *Journal) create(p preface) (*segment, error) {
	p.at = j.config.Clock()
	file, err := j.config.Create(j.path(p.number))
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	s, err := begin(file, p)
	if err == nil {
		err = s.sync()
	}
	if err == nil {
		err = j.syncDir()
	}
	if err != nil {
		_ = s.close()
		j.remove(p.number)
		return nil, fmt.Errorf("journal: %w", err)
	}
	s.synced, s.kept = s.size, s.size
	j.noted = p.at
	return s, nil
}

// complete ends the checkpoint, unless writing has failed since it began. It
// returns the segments that are not needed any more.
func (j *Journal) complete(failures int) (older []uint64, err error) {
	s, upTo, taken, err := j.markComplete(failures)
	if err != nil {
		return nil, err
	}
	err = s.sync()
	j.writing.Lock()
	defer j.writing.Unlock()
	switch {
	case j.failures != failures:
		return nil, j.Err()
	case err != nil:
		return nil, j.fail(err)
	}
	s.complete = true
	s.synced = max(s.synced, upTo)
	s.kept = max(s.kept, upTo)
	j.committed.Store(max(j.committed.Load(), taken))
	if j.failure.Swap(nil) != nil {
		j.config.Logger.Info().Msg("the journal can be written again")
	}
	j.resolve(taken)
	older, j.older = j.older, nil
	j.checkpointed, j.grown = s.size, 0
	return older, nil
}

// markComplete writes the batch that says that the checkpoint is complete. Once the
// segment is safe up to upTo, so are the first taken entries.
func (j *Journal) markComplete(failures int) (s *segment, upTo int64, taken uint64, err error) {
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.failures != failures {
		return nil, 0, 0, j.Err()
	}
	if err := j.write(true); err != nil {
		return nil, 0, 0, err
	}
	return j.segment, j.segment.size, j.taken, nil
}
