package slots

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
	nodejournal "github.com/lockcached/lockcached/cluster/journal"
	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/journal"
)

// takeOver adds this incarnation to the chains of the slots whose owner is not a member any
// more, if it is this node that should serve them.
func (in *incarnation) takeOver(ctx context.Context, members []Member, present *assignment) {
	var orphans []int
	var absent []engine.Cond
	seen := make(map[string]bool)
	for slot := range Count {
		owner := present.owner(slot)
		if _, alive := in.view.member(owner); alive || chosen(slot, members).Incarnation != in.self.Incarnation {
			continue
		}
		orphans = append(orphans, slot)
		if !seen[owner] {
			seen[owner] = true
			absent = append(absent, engine.Absent(in.view.memberKey(owner)))
		}
	}
	if len(orphans) > 0 {
		in.swap(ctx, present, present.with(in.self.Incarnation, orphans), absent...)
	}
}

// adoptOwn begins to serve the slots that the map gives to this incarnation.
func (in *incarnation) adoptOwn(ctx context.Context) {
	_, present := in.view.now()
	var mine []int
	for slot := range Count {
		if present.owner(slot) == in.self.Incarnation && !in.node.serving[slot].Load() {
			mine = append(mine, slot)
		}
	}
	if len(mine) == 0 {
		return
	}
	began := time.Now()
	found, tokens, err := in.readChains(ctx, present, mine)
	if err != nil {
		// Rather no service for these slots than a lock that is given twice.
		in.node.config.Logger.Error().Err(err).Ints("slots", mine).Msg("cannot take slots over")
		return
	}
	n := in.node
	tokens = max(tokens, in.tokens)
	n.config.Locks.RaiseToken(tokens)
	n.config.Journal.RaiseToken(tokens)
	for _, hold := range found {
		n.config.Locks.Adopt(&hold.Entry, hold.left)
	}
	for _, slot := range mine {
		n.serving[slot].Store(true)
	}
	n.tell()
	n.note(func(c *Counts) { c.TakeOvers.Add(time.Since(began)) })
	n.config.Logger.Info().Int("slots", len(mine)).Int("locks", len(found)).Dur("took_ms", time.Since(began)).Msg("slots taken over")
}

// adopted is a hold that is taken over.
type adopted struct {
	journal.Entry
	ended bool
	left  time.Duration // of the lease
}

// place is a link of a slot's chain. What its journal says of the slot's keys counts there.
type place struct {
	slot int
	link link
}

// readChains returns the holds of some slots, as the journals in their chains tell them, and the
// largest token in these.
func (in *incarnation) readChains(ctx context.Context, present *assignment, slots []int) (holds map[string]adopted, tokens uint64, err error) {
	told := make(map[place]map[string]adopted)
	read := make(map[string]bool)
	for _, slot := range slots {
		for _, l := range earlier(present.Chains[slot]) {
			if read[l.Incarnation] {
				continue
			}
			read[l.Incarnation] = true
			token, err := in.readJournal(ctx, present, l.Incarnation, slots, told)
			if err != nil {
				return nil, 0, err
			}
			tokens = max(tokens, token)
		}
	}
	holds = make(map[string]adopted)
	for _, slot := range slots {
		for _, l := range earlier(present.Chains[slot]) {
			for key, a := range told[place{slot, l}] {
				if a.ended {
					delete(holds, key)
				} else {
					holds[key] = a
				}
			}
		}
	}
	return holds, tokens, nil
}

// earlier is a chain without its owner, who has written nothing about the slot yet.
func earlier(chain []link) []link { return chain[:len(chain)-1] }

func set(slots []int) *[Count]bool {
	var s [Count]bool
	for _, slot := range slots {
		s[slot] = true
	}
	return &s
}

// readJournal adds to told what the journal of an incarnation says about the keys of some slots,
// and returns the largest token that it knows of.
func (in *incarnation) readJournal(ctx context.Context, present *assignment, incarnation string, slots []int, told map[place]map[string]adopted) (token uint64, err error) {
	wanted := set(slots)
	own := make(map[place]map[string]adopted)
	c := &in.node.config
	left, err := nodejournal.Read(ctx, c.Engine, c.Prefix, incarnation, func(e *journal.Entry, revision int64) {
		slot := Of(e.Key)
		if !wanted[slot] {
			return
		}
		l, ok := linkAt(present.Chains[slot], incarnation, revision)
		if !ok {
			return
		}
		at := place{slot, l}
		if own[at] == nil {
			own[at] = make(map[string]adopted)
		}
		a := adopted{Entry: *e, ended: e.Kind == journal.End}
		a.Key, a.Value = bytes.Clone(e.Key), bytes.Clone(e.Value)
		own[at][string(a.Key)] = a
	})
	if err != nil {
		return 0, err
	}
	now := c.Journal.Now()
	for at, keys := range own {
		told[at] = keys
		for key, a := range keys {
			a.left = remaining(a.Expires, left.At)
			a.Since = now - (left.At - a.Since) // on this node's clock
			keys[key] = a
		}
	}
	return left.Token, nil
}

// linkAt returns the link of an incarnation to which an entry belongs that was written by a map
// of some revision. A slot that came back to an incarnation has two.
func linkAt(chain []link, incarnation string, revision int64) (found link, ok bool) {
	for _, l := range chain {
		if l.Incarnation == incarnation && revision > l.After {
			found, ok = l, true
		}
	}
	return found, ok
}

// remaining returns what was left of a lease at the last sign of life of its node, and a
// thousandth more, by which clocks may run differently. The last sign of life came before the
// node was fenced, and the new owner counts from later than that: so no lease ends early.
func remaining(expires, at time.Duration) time.Duration {
	if expires == ttl.Forever {
		return ttl.Forever
	}
	left := max(expires-at, 0)
	return left + left/1000 + 1
}

// wantShorter asks for a checkpoint if there are chains that end with this incarnation and have
// others before it.
func (in *incarnation) wantShorter() {
	_, present := in.view.now()
	if len(in.longChains(present)) > 0 {
		select {
		case in.wanted <- struct{}{}:
		default:
		}
	}
}

// longChains returns the slots that this incarnation serves and whose chains can be shortened.
// While another node reads its journal, there are none: that is another's to end.
func (in *incarnation) longChains(present *assignment) (slots []int) {
	for slot, chain := range present.Chains {
		switch {
		case len(chain) <= 1:
		case present.owner(slot) == in.self.Incarnation && in.node.serving[slot].Load():
			slots = append(slots, slot)
		case slices.ContainsFunc(chain, func(l link) bool { return l.Incarnation == in.self.Incarnation }):
			return nil
		}
	}
	return slots
}

// retryCheckpoint is the pause after a checkpoint that did not count.
const retryCheckpoint = 200 * time.Millisecond

// shorten makes checkpoints that shorten chains, when they are asked for.
func (in *incarnation) shorten(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-in.wanted:
		}
		if err := in.shortenOnce(ctx); err != nil && ctx.Err() == nil {
			in.node.config.Logger.Debug().Err(err).Msg("chains stay as they are")
			select {
			case <-ctx.Done():
			case <-time.After(retryCheckpoint):
			}
		}
	}
}

// shortenOnce writes a checkpoint, and in the same step makes all chains that end with this
// incarnation that incarnation alone. Then it deletes the journals that nobody needs any more.
func (in *incarnation) shortenOnce(ctx context.Context) error {
	_, before := in.view.now()
	slots := in.longChains(before)
	if len(slots) == 0 {
		return nil
	}
	err := in.node.config.Journal.Shorten(func(emit func(*journal.Entry)) error {
		in.node.config.Locks.EachHold(emit)
		return nil
	}, engine.Txn{
		If:   []engine.Cond{engine.ModifiedAt(in.view.mapKey(), before.revision)},
		Then: []engine.Op{engine.Put(in.view.mapKey(), before.short(slots).encode())},
	})
	if err != nil {
		return err
	}
	if err := in.Refresh(ctx); err != nil {
		return err
	}
	_, after := in.view.now()
	in.forget(ctx, before, after)
	in.node.tell()
	return nil
}

// forget deletes the journals of incarnations that the map named and does not name any more. A
// member's is its own to delete.
func (in *incarnation) forget(ctx context.Context, before, after *assignment) {
	still := after.names()
	for incarnation := range before.names() {
		if _, alive := in.view.member(incarnation); alive || still[incarnation] {
			continue
		}
		_, err := in.txn(ctx, engine.Txn{
			If:   in.Guard(),
			Then: nodejournal.Forget(in.node.config.Prefix, incarnation),
		})
		if err != nil {
			in.node.config.Logger.Debug().Err(err).Msg("a journal is left that nobody needs")
		}
	}
}
