package journal

import (
	"context"
	"fmt"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/journal"
)

// Left is what a journal tells beside its entries.
type Left struct {
	At    time.Duration // when its incarnation gave the last sign of life, on that one's clock
	Token uint64        // the largest token that it knew of
}

// Visit is called for an entry, which is valid until it returns. revision is that of the map by
// which the incarnation served the entry's slot, or of a later one.
type Visit func(e *journal.Entry, revision int64)

// Read visits the entries of an incarnation's journal in their order. Nothing may be added any
// more that the reader looks for: the incarnation is over, or has handed over those slots. What is
// missing or damaged is an error: it might be a lock that somebody holds.
func Read(ctx context.Context, e engine.Engine, prefix, incarnation string, visit Visit) (left Left, err error) {
	k := keys{prefix, incarnation}
	h, err := headOf(ctx, e, k)
	if err != nil {
		return left, err
	}
	left = Left{h.at, h.token}
	for n := range h.pieces {
		if err := readPiece(ctx, e, k.piece(h.gen, n), uint64(n), visit); err != nil {
			return left, err
		}
	}
	next := h.first
	var bad error
	_, err = e.List(ctx, k.batches(), func(p engine.Pair) {
		b, err := decode(p.Value)
		switch {
		case bad != nil:
		case err == nil && b.seq < h.first: // carried out once more, after the checkpoint
		case err == nil && b.seq != next:
			bad = fmt.Errorf("%w: batch %d is missing before %s", errDamaged, next, p.Key)
		case err == nil:
			next++
			left.At, left.Token = max(left.At, b.at), max(left.Token, b.token)
			bad = at(p.Key, b.visit(visit))
		default:
			bad = at(p.Key, err)
		}
	})
	if err == nil {
		err = bad
	}
	return left, err
}

// at adds to an error about damage where it was found.
func at(key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w, in %s", err, key)
}

// headOf returns the head of a journal; before the first checkpoint, one without a checkpoint.
func headOf(ctx context.Context, e engine.Engine, k keys) (head, error) {
	pair, err := readPair(ctx, e, k.head())
	if err != nil || !pair.Exists() {
		return head{first: 1}, err
	}
	h, err := decodeHead(pair.Value)
	return h, at(pair.Key, err)
}

func readPiece(ctx context.Context, e engine.Engine, key string, n uint64, visit Visit) error {
	pair, err := readPair(ctx, e, key)
	if err != nil {
		return err
	}
	if !pair.Exists() {
		return fmt.Errorf("%w: %s is missing", errDamaged, key)
	}
	b, err := decode(pair.Value)
	if err == nil && b.seq != n {
		err = fmt.Errorf("%w: it is piece %d", errDamaged, b.seq)
	}
	if err == nil {
		err = b.visit(visit)
	}
	return at(key, err)
}

func (b *batch) visit(visit Visit) error {
	var e journal.Entry
	for entries := b.entries; len(entries) > 0; {
		rest, err := e.Decode(entries)
		if err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
		visit(&e, b.revision)
		entries = rest
	}
	return nil
}

// Forget returns the steps that delete the journal of an incarnation.
func Forget(prefix, incarnation string) []engine.Op {
	k := keys{prefix, incarnation}
	return []engine.Op{engine.DeletePrefix(k.batches()), engine.DeletePrefix(k.checkpoints()), engine.Delete(k.head())}
}
