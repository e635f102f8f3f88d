package etcd

import (
	"context"
	"sync"

	"github.com/rs/zerolog"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lockcached/lockcached/cluster/engine"
)

// Engine is an engine.Engine. Start and Dial make one.
type Engine struct {
	client *clientv3.Client
	local  *local // nil if etcd is elsewhere
	log    zerolog.Logger
	leader leader

	ended chan struct{}
	end   sync.Once
	err   error // why it has ended; readable when it has

	mu       sync.Mutex // guards what follows
	closing  bool
	watchers sync.WaitGroup // none begins once the engine is closing
}

var _ engine.Engine = (*Engine)(nil)

func newEngine(client *clientv3.Client, log zerolog.Logger) *Engine {
	return &Engine{client: client, log: log, ended: make(chan struct{})}
}

// Txn implements engine.Engine.
func (e *Engine) Txn(ctx context.Context, t engine.Txn) (engine.Outcome, error) {
	if err := t.Check(); err != nil {
		return engine.Outcome{}, err
	}
	if err := e.usable(); err != nil {
		return engine.Outcome{}, err
	}
	answer, err := e.client.Txn(ctx).If(compares(t.If)...).Then(operations(t.Then)...).Else(operations(t.Else)...).Commit()
	if err != nil {
		return engine.Outcome{}, e.failed(err)
	}
	e.leader.heard(answer.Header.RaftTerm)
	o := engine.Outcome{Held: answer.Succeeded, Revision: answer.Header.Revision}
	for _, r := range answer.Responses {
		if r := r.GetResponseRange(); r != nil {
			o.Got = append(o.Got, pairs(r.Kvs))
		}
	}
	return o, nil
}

func compares(conds []engine.Cond) (cmps []clientv3.Cmp) {
	for _, c := range conds {
		target := clientv3.CreateRevision(c.Key)
		if c.Modified {
			target = clientv3.ModRevision(c.Key)
		}
		cmps = append(cmps, clientv3.Compare(target, "=", c.Revision))
	}
	return cmps
}

func operations(ops []engine.Op) (made []clientv3.Op) {
	for _, o := range ops {
		var ends []clientv3.OpOption
		if o.End != "" {
			ends = append(ends, clientv3.WithRange(o.End))
		}
		switch o.Kind {
		case engine.OpGet:
			made = append(made, clientv3.OpGet(o.Key, ends...))
		case engine.OpPut:
			made = append(made, clientv3.OpPut(o.Key, string(o.Value)))
		case engine.OpDelete:
			made = append(made, clientv3.OpDelete(o.Key, ends...))
		}
	}
	return made
}

func pairs(kvs []*mvccpb.KeyValue) (made []engine.Pair) {
	for _, kv := range kvs {
		made = append(made, pair(kv))
	}
	return made
}

func pair(kv *mvccpb.KeyValue) engine.Pair {
	return engine.Pair{Key: string(kv.Key), Value: kv.Value, Created: kv.CreateRevision, Modified: kv.ModRevision}
}

// Get implements engine.Engine.
func (e *Engine) Get(ctx context.Context, key string) (p engine.Pair, revision int64, err error) {
	answer, err := e.read(ctx, key)
	if err != nil {
		return engine.Pair{}, 0, err
	}
	if len(answer.Kvs) > 0 {
		p = pair(answer.Kvs[0])
	}
	return p, answer.Header.Revision, nil
}

func (e *Engine) read(ctx context.Context, key string, options ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	answer, err := e.client.Get(ctx, key, options...)
	if err != nil {
		return nil, e.failed(err)
	}
	e.leader.heard(answer.Header.RaftTerm)
	return answer, nil
}

// A page of a list has as many pairs as make a few MiB, within these bounds.
const (
	leastPage = 16
	mostPage  = 1024
	pageBytes = 4 << 20
)

// List implements engine.Engine.
func (e *Engine) List(ctx context.Context, prefix string, visit func(engine.Pair)) (revision int64, err error) {
	from, end := prefix, engine.PrefixEnd(prefix)
	for limit := int64(leastPage); ; {
		// Outside of a transaction it is safe to name a revision.
		page, err := e.read(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(limit), clientv3.WithRev(revision))
		if err != nil {
			return 0, err
		}
		if revision == 0 {
			revision = page.Header.Revision
		}
		bytes := 0
		for _, kv := range page.Kvs {
			bytes += len(kv.Key) + len(kv.Value)
			visit(pair(kv))
		}
		if !page.More {
			return revision, nil
		}
		from = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
		limit = nextLimit(limit, bytes)
	}
}

// nextLimit doubles small pages and halves large ones.
func nextLimit(limit int64, bytes int) int64 {
	switch {
	case bytes < pageBytes/2:
		limit *= 2
	case bytes > pageBytes:
		limit /= 2
	}
	return min(max(limit, leastPage), mostPage)
}

// Compact forgets the history up to a revision: watches that are further behind end. A
// member does that by itself.
func (e *Engine) Compact(ctx context.Context, revision int64) error {
	if err := e.usable(); err != nil {
		return err
	}
	if _, err := e.client.Compact(ctx, revision); err != nil {
		return e.failed(err)
	}
	return nil
}

// usable returns an error if the engine is closed.
func (e *Engine) usable() error {
	if err := e.Err(); err != nil {
		return engine.Refused("%w: %w", engine.ErrClosed, err)
	}
	if e.isClosing() {
		return engine.Refused("%w", engine.ErrClosed)
	}
	return nil
}

func (e *Engine) isClosing() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closing
}

// Done returns a channel that is closed when the engine has come to its end, which a member
// does by itself when it is removed from the cluster. Err then says why.
func (e *Engine) Done() <-chan struct{} { return e.ended }

// Err returns nil as long as the engine runs, and then ErrRemoved or engine.ErrClosed.
func (e *Engine) Err() error {
	select {
	case <-e.ended:
		return e.err
	default:
		return nil
	}
}

// finish records why the engine has come to its end. Only the first reason counts.
func (e *Engine) finish(why error) {
	e.end.Do(func() {
		e.err = why
		close(e.ended)
	})
}

// Close implements engine.Engine. A member that leads hands its office over first, so that
// the others notice little. Close waits for watches to end.
func (e *Engine) Close() error {
	e.mu.Lock()
	again := e.closing
	e.closing = true
	e.mu.Unlock()
	if again {
		<-e.ended
		return nil
	}
	if e.local != nil {
		close(e.local.ending)
	}
	err := e.client.Close()
	e.watchers.Wait()
	if e.local != nil {
		e.local.stop()
		err = nil // there was no connection to close, which is reported
	}
	e.finish(engine.ErrClosed)
	return err
}
