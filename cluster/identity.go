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

// identify learns the id of the cluster.
func (n *Node) identify(ctx context.Context) {
	key := n.config.Prefix + idKey
	made := rand.Text()
	for {
		o, err := engine.Settle(ctx, n.config.Engine, engine.Txn{
			If:   []engine.Cond{engine.Absent(key)},
			Then: []engine.Op{engine.Put(key, []byte(made)), engine.Get(key)},
			Else: []engine.Op{engine.Get(key)},
		})
		if err == nil && len(o.Got) == 1 && len(o.Got[0]) == 1 {
			n.id.Store(string(o.Got[0][0].Value))
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(identifyPause):
		}
	}
}

// ID is the id of the cluster, "" until it is known.
func (n *Node) ID() string {
	id, _ := n.id.Load().(string)
	return id
}
