package journal

import (
	"context"
	"errors"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
)

const (
	// An idle incarnation writes an empty batch this often: whoever takes over reckons what is
	// left of leases from the latest one.
	signOfLife = time.Second
	retryGap   = 10 * time.Millisecond // between a try that has failed and the next
	maxBatch   = 256 << 10             // bytes of entries in a batch, unless it has only one
	// What a transaction has beside an entry's key and value takes much less than the rest.
	maxEntry = engine.MaxBytes - 4<<10
	// batchCost is how many bytes a batch counts beside its entries: each is a key in the engine,
	// and has to be read at a take-over. An idle node writes less than 40 minutes of empty ones
	// before it makes a checkpoint.
	batchCost = 2 << 10
)

// Serve carries out the rounds of one incarnation until the context is done or the incarnation
// is over, and returns why.
func (j *Journal) Serve(ctx context.Context, member Membership) error {
	j.begin(ctx, member)
	err := j.rounds(ctx, member)
	if errors.Is(err, ErrFenced) {
		j.end(ErrFenced)
	} else {
		j.end(ErrNoQuorum) // clients are told so, not what happened to a context or the engine
	}
	return err
}

func (j *Journal) rounds(ctx context.Context, member Membership) error {
	life := time.NewTicker(signOfLife)
	defer life.Stop()
	for {
		idle := false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-life.C:
			idle = true
		case <-j.work:
		}
		r, batches := j.take(idle)
		if r == nil {
			continue
		}
		if len(batches) > 0 {
			life.Reset(signOfLife)
		}
		if err := j.write(ctx, member, batches); err != nil {
			return err
		}
		j.succeed(r, batches)
	}
}

func (j *Journal) begin(ctx context.Context, member Membership) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fail(ErrFenced) // whoever has waited since the incarnation before
	j.member, j.life = member, ctx
	j.seq, j.grown, j.size = 0, 0, 0
	j.frozen.Store(false)
}

// take begins the next round. Without batches it only confirms.
func (j *Journal) take(idle bool) (r *round, batches []*batch) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !idle && j.wanted < j.next.number {
		return nil, nil
	}
	r = j.next
	r.began = time.Now()
	j.current, j.next = r, newRound(r.number+1)
	if j.began.IsZero() {
		j.began = r.began
	}
	if idle && len(j.pending) == 0 {
		j.pending = [][]byte{nil}
	}
	for _, entries := range j.pending {
		j.seq++
		batches = append(batches, &batch{j.seq, j.member.Revision(), j.config.Clock(), j.tokens, entries})
	}
	if j.entries > 0 {
		j.counts.Batches.Add(j.entries)
		j.entries = 0
	}
	j.pending = nil
	return r, batches
}

func (j *Journal) succeed(r *round, batches []*batch) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.current, j.confirmed = nil, r.number
	j.began = time.Time{}
	close(r.done)
	if len(batches) > 0 {
		j.counts.Commits.Add(time.Since(r.began))
	} else {
		j.counts.Confirms.Add(time.Since(r.began))
	}
	for _, b := range batches {
		j.grown += int64(batchCost + len(b.entries))
	}
	if j.grown > max(checkpointBytes, checkpointFactor*j.size) && !j.frozen.Load() {
		signal(j.wants)
	}
	if j.wanted == j.next.number {
		signal(j.work)
	}
}

// end ends an incarnation.
func (j *Journal) end(why error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.member, j.why = nil, why
	j.fail(why)
}

// fail makes all rounds fail that have not succeeded, and forgets what they would have written.
// The caller has the mutex.
func (j *Journal) fail(why error) {
	if j.lost = append(j.lost, span{j.confirmed + 1, j.next.number}); len(j.lost) > maxSpans {
		j.lost = j.lost[1:]
	}
	for _, r := range []*round{j.current, j.next} {
		if r != nil {
			r.err = why
			close(r.done)
		}
	}
	j.current, j.next, j.pending, j.entries = nil, newRound(j.next.number+1), nil, 0
	j.began = time.Time{}
}

// write carries out the transactions of a round.
func (j *Journal) write(ctx context.Context, member Membership, batches []*batch) error {
	if len(batches) == 0 { // a transaction that changes nothing costs no write
		_, err := j.insist(ctx, member, engine.Txn{Then: []engine.Op{engine.Get(member.Guard()[0].Key)}})
		return err
	}
	k := keys{j.config.Prefix, member.Incarnation()}
	for _, b := range batches {
		put := engine.Put(k.batch(b.seq), b.encode())
		if _, err := j.insist(ctx, member, engine.Txn{Then: []engine.Op{put}}); err != nil {
			return err
		}
	}
	return nil
}

// insist carries out a transaction under the guard of a member, and repeats it until it has
// succeeded or the member is over. If the transaction has something else to do when its
// conditions do not hold, that is an outcome, too, unless it is the guard that does not hold.
func (j *Journal) insist(ctx context.Context, member Membership, t engine.Txn) (engine.Outcome, error) {
	for patience := engine.FirstTry; ; patience = min(2*patience, engine.LastTry) {
		if patience > engine.FirstTry {
			j.mu.Lock()
			j.counts.Retries++
			j.mu.Unlock()
		}
		guarded := t
		guarded.If = append(member.Guard(), t.If...)
		r, err := engine.Try(ctx, j.config.Engine, guarded, patience)
		if err == nil && !r.Held {
			err = member.Refresh(ctx)
			if err == nil && len(t.Else) > 0 {
				return r, nil
			}
		}
		switch {
		case err == nil && r.Held:
			return r, nil
		case ctx.Err() != nil:
			return r, ctx.Err()
		case errors.Is(err, ErrFenced), errors.Is(err, engine.ErrClosed):
			return r, err
		case err != nil:
			j.config.Logger.Debug().Err(err).Msg("trying again to reach the quorum")
			time.Sleep(retryGap)
		}
	}
}
