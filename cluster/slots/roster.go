package slots

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/lockcached/lockcached/cluster/engine"
)

// Known is a node that has been a member at some time.
type Known struct {
	Name    string `json:"-"`
	Link    string `json:"link"`    // the address for other nodes
	Clients string `json:"clients"` // the address for clients
	Removed bool   `json:"removed,omitempty"`
}

func nodesKey(prefix string) string { return prefix + "nodes/" }

// enroll is the step that makes a node known.
func (m *Member) enroll(prefix string) engine.Op {
	b, _ := json.Marshal(Known{Link: m.Link, Clients: m.Clients}) // strings cannot fail
	return engine.Put(nodesKey(prefix)+m.Name, b)
}

// Roster returns all nodes that have been members, by name, those that were removed included.
func Roster(ctx context.Context, e engine.Engine, prefix string) (known []Known, err error) {
	var bad error
	_, err = e.List(ctx, nodesKey(prefix), func(p engine.Pair) {
		k := Known{Name: strings.TrimPrefix(p.Key, nodesKey(prefix))}
		if err := json.Unmarshal(p.Value, &k); err != nil {
			bad = fmt.Errorf("slots: cannot read %s: %w", p.Key, err)
			return
		}
		known = append(known, k)
	})
	if err == nil {
		err = bad
	}
	return known, err
}

// Strike notes that a node was removed, so that nobody misses it. If it joins again it is known
// again.
func Strike(ctx context.Context, e engine.Engine, prefix, name string) error {
	b, _ := json.Marshal(Known{Removed: true})
	_, err := engine.Settle(ctx, e, engine.Txn{Then: []engine.Op{engine.Put(nodesKey(prefix)+name, b)}})
	return err
}

// Census is who serves what at a moment.
type Census struct {
	Members []Member       // by name
	Slots   map[string]int // how many each incarnation owns, or stands in the chains of
}

// TakeCensus reads members and map.
func TakeCensus(ctx context.Context, e engine.Engine, prefix string) (c Census, err error) {
	v := newView(e, prefix)
	if _, err = v.read(ctx); err != nil {
		return c, err
	}
	members, present := v.now()
	c = Census{members, make(map[string]int)}
	for _, chain := range present.Chains {
		for _, l := range chain {
			c.Slots[l.Incarnation]++
		}
	}
	return c, nil
}

// Dismiss tells a member to hand its slots over. The member stays until it ends, and takes part
// again if it is started anew.
func Dismiss(ctx context.Context, e engine.Engine, prefix string, m Member) error {
	m.Leaving = true
	key := newView(e, prefix).memberKey(m.Incarnation)
	_, err := engine.Settle(ctx, e, engine.Txn{
		If:   []engine.Cond{engine.CreatedAt(key, m.created)},
		Then: []engine.Op{engine.Put(key, m.encode())},
	})
	return err
}
