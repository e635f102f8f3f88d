package slots

import (
	"context"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
)

// handOver gives slots to the nodes that should serve them: after a node has joined, or when
// this one leaves. It waits until the members have been the same for a while, and until no other
// node reads this one's journal any more.
func (in *incarnation) handOver(ctx context.Context, members []Member) {
	if len(members) != in.count {
		in.count, in.stable = len(members), time.Now()
	}
	leaving := in.node.leaving.Load()
	_, present := in.view.now()
	if !in.alone(present) || !leaving && time.Since(in.stable) < balanceAfter {
		return
	}
	var moving []int
	var to Member
	for slot := range Count {
		if len(moving) == handedAtOnce {
			break
		}
		m := chosen(slot, members)
		if !in.node.serving[slot].Load() || len(present.Chains[slot]) > 1 || m.Incarnation == "" || m.Incarnation == in.self.Incarnation {
			continue
		}
		if to.Incarnation == "" {
			to = m
		}
		if m.Incarnation == to.Incarnation {
			moving = append(moving, slot)
		}
	}
	if len(moving) > 0 {
		in.give(ctx, present, moving, to)
	}
}

// giveTries is how often a change of the map is tried that the engine does not answer. If it is
// carried out after that, this incarnation is over.
const giveTries = 3

// give hands slots over: it stops serving them, commits everything, and only then changes the
// map. If that fails it serves them again.
func (in *incarnation) give(ctx context.Context, present *assignment, slots []int, to Member) {
	n := in.node
	for _, slot := range slots {
		n.serving[slot].Store(false)
	}
	n.config.Locks.Barrier() // nothing about them is appended from here on
	err := n.config.Journal.Confirm(n.config.Journal.Mark())
	after := present
	for n := 0; err == nil && n < giveTries && after.revision == present.revision; n++ {
		in.swap(ctx, present, present.with(to.Incarnation, slots), engine.CreatedAt(in.view.memberKey(to.Incarnation), to.created))
		_, after = in.view.now()
	}
	given := set(nil)
	for _, slot := range slots {
		if after.revision == present.revision || after.owner(slot) == in.self.Incarnation {
			n.serving[slot].Store(true)
		} else {
			given[slot] = true
		}
	}
	n.config.Locks.Disown(func(key []byte) bool { return given[Of(key)] })
	n.tell()
}
