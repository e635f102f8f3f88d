package etcd

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lockcached/lockcached/cluster/engine"
)

// Watch implements engine.Engine. The client of etcd continues a watch on another
// connection by itself; what it cannot continue ends here.
func (e *Engine) Watch(ctx context.Context, prefix string, after int64) <-chan engine.Change {
	changes := make(chan engine.Change)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		close(changes)
		return changes
	}
	e.watchers.Go(func() {
		defer close(changes)
		// Ended here, or etcd would go on for nobody.
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		e.watch(ctx, prefix, after, changes)
	})
	return changes
}

func (e *Engine) watch(ctx context.Context, prefix string, after int64, changes chan<- engine.Change) {
	// A server without a leader ends the watch rather than be silent.
	ctx = clientv3.WithRequireLeader(ctx)
	for answer := range e.client.Watch(ctx, prefix, clientv3.WithPrefix(), clientv3.WithRev(after+1)) {
		if err := answer.Err(); err != nil {
			e.log.Debug().Err(err).Str("prefix", prefix).Msg("a watch has ended")
			return
		}
		for _, change := range byRevision(answer.Events) {
			select {
			case changes <- change:
			case <-ctx.Done():
				return
			case <-e.client.Ctx().Done():
				return
			}
		}
	}
}

// byRevision divides events, which come in the order of their revisions, into changes.
func byRevision(events []*clientv3.Event) (changes []engine.Change) {
	for _, from := range events {
		event := engine.Event{Pair: pair(from.Kv), Deleted: from.Type == clientv3.EventTypeDelete}
		if n := len(changes); n == 0 || changes[n-1].Revision != event.Modified {
			changes = append(changes, engine.Change{Revision: event.Modified})
		}
		last := &changes[len(changes)-1]
		last.Events = append(last.Events, event)
	}
	return changes
}
