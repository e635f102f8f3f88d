package cluster

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
)

// A cluster has an id that no other cluster has, so that clients that list nodes of two clusters
// are told. The first node that looks for the id makes it.

// idKey is where the id is, below the prefix.
const idKey = "id"

// identifyPause is the pause after the engine has refused to tell the id.
const identifyPause = time.Second

// Identify learns the id of the cluster, which takes a majority. Run does it in the background, but a
// node that knows the id before its first client comes can tell it to all.
func (n *Node) Identify(ctx context.Context) error {
	key := n.config.Prefix + idKey
	made := rand.Text()
	for n.ID() == "" {
		o, err := engine.Settle(ctx, n.config.Engine, engine.Txn{
			If:   []engine.Cond{engine.Absent(key)},
			Then: []engine.Op{engine.Put(key, []byte(made)), engine.Get(key)},
			Else: []engine.Op{engine.Get(key)},
		})
		if err == nil && len(o.Got) == 1 && len(o.Got[0]) == 1 {
			n.id.Store(string(o.Got[0][0].Value))
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(identifyPause):
		}
	}
	return nil
}

// ID is the id of the cluster, "" until it is known.
func (n *Node) ID() string {
	id, _ := n.id.Load().(string)
	return id
}
