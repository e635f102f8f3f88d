package journal

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/journal"
)

const (
	checkpointBytes  = 4 << 20 // of batches, after which a checkpoint is wanted at the earliest
	checkpointFactor = 4       // and times the latest checkpoint
)

// errFrozen says that no checkpoint can be made now.
var errFrozen = errors.New("journal: what a checkpoint would delete is still needed")

// WantsCheckpoint is signalled when a checkpoint would save space.
func (j *Journal) WantsCheckpoint() <-chan struct{} { return j.wants }

// Freeze says whether there shall be no checkpoints but those of Shorten: a chain has other
// incarnations beside this one, and what a checkpoint deletes would be missed in it.
func (j *Journal) Freeze(frozen bool) { j.frozen.Store(frozen) }

// Checkpoint writes all holds, which walk emits, and deletes the batches before it.
func (j *Journal) Checkpoint(walk func(emit func(*journal.Entry)) error) error {
	if j.frozen.Load() {
		return errFrozen
	}
	return j.Shorten(walk, engine.Txn{})
}

// Shorten is Checkpoint together with the conditions and steps of a transaction: the locks that
// were taken over are in this checkpoint, so that the journals they came from are not needed any
// more. If the map changes meanwhile, nothing is done.
func (j *Journal) Shorten(walk func(emit func(*journal.Entry)) error, also engine.Txn) error {
	j.checkpoint <- struct{}{}
	defer func() { <-j.checkpoint }()
	j.mu.Lock()
	member, ctx, first, grown := j.member, j.life, j.seq+1, j.grown
	j.mu.Unlock()
	if member == nil {
		return j.Err()
	}
	c := &checkpoint{journal: j, ctx: ctx, member: member, guard: member.Guard(), keys: keys{j.config.Prefix, member.Incarnation()}, first: first}
	if err := errors.Join(walk(c.add), c.flush()); err != nil {
		return err
	}
	// What was appended during the walk has to be in the journal before the checkpoint counts.
	if err := j.Confirm(j.Mark()); err != nil {
		return err
	}
	if err := c.count(also); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.member == member {
		j.grown, j.size = j.grown-grown, c.size
	}
	return nil
}

// checkpoint is a checkpoint that is being written. Its generation is the number of the first
// batch behind it, so that generations rise.
type checkpoint struct {
	journal *Journal
	ctx     context.Context // of the incarnation
	member  Membership
	guard   []engine.Cond // as it was when the walk began
	keys    keys
	first   uint64
	pieces  int
	size    int64
	buf     []byte
	err     error
}

func (c *checkpoint) add(e *journal.Entry) {
	batches := pack([][]byte{c.buf}, e)
	c.buf = batches[0]
	if len(batches) > 1 {
		c.err = c.flush()
		c.buf = append(c.buf, batches[1]...)
	}
}

// flush writes a piece. After a failure it does nothing but return that.
func (c *checkpoint) flush() error {
	if c.err != nil || len(c.buf) == 0 {
		return c.err
	}
	piece := batch{seq: uint64(c.pieces), revision: c.member.Revision(), at: c.journal.config.Clock(), entries: c.buf}
	put := engine.Put(c.keys.piece(c.first, c.pieces), piece.encode())
	if _, err := c.journal.insist(c.ctx, c.member, engine.Txn{Then: []engine.Op{put}}); err != nil {
		return err
	}
	c.pieces++
	c.size += int64(len(c.buf))
	c.buf = c.buf[:0]
	return nil
}

// count makes the checkpoint the one that counts. The transaction must not be carried out once
// more after the next checkpoint counts, so the head must be the one that was there before. And
// the map must be the one by which the walk began: otherwise holds may be missing.
func (c *checkpoint) count(also engine.Txn) error {
	j, ctx := c.journal, c.ctx
	key := c.keys.head()
	before, err := readPair(ctx, j.config.Engine, key)
	if err != nil {
		return err
	}
	j.mu.Lock()
	tokens := j.tokens
	j.mu.Unlock()
	value := (&head{gen: c.first, pieces: c.pieces, first: c.first, at: j.config.Clock(), token: tokens}).encode()
	r, err := j.insist(ctx, c.member, engine.Txn{
		If: slices.Concat(c.guard, also.If, []engine.Cond{engine.ModifiedAt(key, before.Modified)}),
		Then: append(also.Then,
			engine.Put(key, value),
			engine.DeleteRange(c.keys.batch(0), c.keys.batch(c.first)),
			engine.DeleteRange(c.keys.checkpoints(), c.keys.generation(c.first)),
		),
		Else: []engine.Op{engine.Get(key)},
	})
	if err != nil {
		return err
	}
	if !r.Held && (len(r.Got[0]) == 0 || !bytes.Equal(r.Got[0][0].Value, value)) {
		return errOvertaken
	}
	return nil
}

// errOvertaken says that a checkpoint does not count. The next one may.
var errOvertaken = errors.New("journal: the map has changed during the checkpoint")

// readPair reads one key; the pair is zero if there is none.
func readPair(ctx context.Context, e engine.Engine, key string) (engine.Pair, error) {
	r, err := engine.Try(ctx, e, engine.Txn{Then: []engine.Op{engine.Get(key)}}, engine.LastTry)
	if err != nil || len(r.Got[0]) == 0 {
		return engine.Pair{}, err
	}
	return r.Got[0][0], nil
}
