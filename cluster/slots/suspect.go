package slots

import (
	"context"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
)

// suspect looks into members that are not heard.
func (in *incarnation) suspect(ctx context.Context, members []Member) {
	for _, m := range members {
		if m.Incarnation == in.self.Incarnation {
			continue
		}
		last, refused := in.node.config.Pulse.Heard(m)
		if !refused && time.Since(last) <= in.node.config.Suspect {
			continue
		}
		if over, busy := in.accused[m.Incarnation]; busy {
			select {
			case <-over:
			default:
				continue
			}
		}
		over := make(chan struct{})
		in.accused[m.Incarnation] = over
		go func() {
			defer close(over)
			in.accuse(ctx, m, members)
		}()
	}
}

// lastChance is how long a silent member, or a third one about it, has to answer.
const lastChance = 300 * time.Millisecond

// isVouchedFor reports whether a third member hears a silent one, or it answers now.
func (in *incarnation) isVouchedFor(ctx context.Context, m Member, members []Member) bool {
	ctx, stop := context.WithTimeout(ctx, lastChance)
	defer stop()
	pulse := in.node.config.Pulse
	answers := make(chan bool, len(members))
	asked := 1
	go func() { answers <- pulse.Probe(ctx, m) }()
	for _, third := range members {
		if third.Incarnation != m.Incarnation && third.Incarnation != in.self.Incarnation {
			asked++
			go func() { answers <- pulse.Vouches(ctx, third, m.Incarnation) }()
		}
	}
	for range asked {
		if <-answers {
			return true
		}
	}
	return false
}

// accuse fences a member, unless a third one hears it or it gives a sign of life. If this was
// wrong it costs a fail-over, not safety.
func (in *incarnation) accuse(ctx context.Context, m Member, members []Member) {
	if in.isVouchedFor(ctx, m, members) {
		return
	}
	key := in.view.memberKey(m.Incarnation)
	r, err := in.txn(ctx, engine.Txn{
		If:   append(in.Guard(), engine.CreatedAt(key, m.created)),
		Then: []engine.Op{engine.Delete(key)},
	})
	if err == nil && r.Held {
		in.node.config.Logger.Warn().Str("node", m.Name).Msg("not heard any more: its slots go to others")
	}
}
