package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lockcached/lockcached/cluster/link"
	"github.com/lockcached/lockcached/cluster/slots"
	"github.com/lockcached/lockcached/server"
	"github.com/lockcached/lockcached/stats"
)

var _ server.Cluster = (*Node)(nil)

// Local implements server.Cluster.
func (n *Node) Local(key []byte) bool { return n.slots.Owned(key) }

// withdrawFor is how long a withdrawal is tried. After that the lease ends the hold.
const withdrawFor = time.Minute

// Withdraw implements server.Cluster.
func (n *Node) Withdraw(key []byte, token uint64) {
	key = append([]byte(nil), key...)
	go n.withdraw(key, token)
}

func (n *Node) withdraw(key []byte, token uint64) {
	for end := time.Now().Add(withdrawFor); time.Now().Before(end); {
		changed := n.slots.Changed()
		m, local, known := n.slots.Where(key)
		done := make(chan error, 1)
		told := func(r link.Reply) { done <- r.Err }
		switch {
		case local:
			(*host)(n).Withdraw(key, token, told)
		case known:
			n.peer(m).Withdraw(key, token, told)
		default:
			done <- link.ErrMoved
		}
		if err := <-done; err == nil {
			return
		}
		select {
		case <-n.running.Done():
			return
		case <-changed:
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// FlushAll implements server.Cluster. Unless all nodes have done it, the error says which have
// not.
func (n *Node) FlushAll(delay time.Duration) error {
	if err := n.journal.Confirm(n.journal.Mark()); err != nil {
		return err // without a quorum nothing is freed
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed []string
	note := func(name string, err error) {
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			failed = append(failed, name)
		}
	}
	for _, m := range n.slots.Members() {
		if m.Name == n.config.Name {
			all.Go(func() { note(m.Name, n.flush(delay)) })
			continue
		}
		all.Add(1)
		n.peer(m).Flush(delay, func(r link.Reply) {
			note(m.Name, r.Err)
			all.Done()
		})
	}
	all.Wait()
	if len(failed) == 0 {
		return nil
	}
	slices.Sort(failed)
	return fmt.Errorf("not flushed at %s", strings.Join(failed, ", "))
}

// Owner implements server.Cluster.
func (n *Node) Owner(key []byte) string {
	m, local, known := n.slots.Where(key)
	if !known {
		return ""
	}
	if local {
		m.Name, m.Clients = n.config.Name, n.config.Clients
	}
	return m.Name + " clients=" + m.Clients
}

// Quorum reports whether answers about locks can be confirmed.
func (n *Node) Quorum() bool { return n.journal.Err() == nil }

// Fields implements server.Cluster: the node's own numbers, and a row for each node.
func (n *Node) Fields() []stats.Field {
	owned := n.slots.Slots()
	members := n.slots.Members()
	quorum := "0"
	if n.Quorum() {
		quorum = "1"
	}
	fields := []stats.Field{
		{Name: "cluster", Text: cmp.Or(n.ID(), "-")},
		{Name: "node", Text: n.config.Name},
		{Name: "quorum", Text: quorum},
		{Name: "members", Text: strconv.Itoa(len(members))},
		{Name: "slots_owned", Text: strconv.Itoa(owned[n.slots.Incarnation()])},
		{Name: "slots_without_owner", Text: strconv.Itoa(owned[""])},
		{Name: "patience_ms", Text: strconv.FormatInt(n.config.Patience.Milliseconds(), 10)},
		{Name: "suspect_ms", Text: strconv.FormatInt(n.config.Suspect.Milliseconds(), 10)},
	}
	for _, m := range members {
		fields = append(fields, stats.Field{Name: "node_" + m.Name, Text: n.row(m, owned[m.Incarnation])})
	}
	return fields
}

// row shows a node in one word.
func (n *Node) row(m slots.Member, owned int) string {
	state := "member"
	if m.Leaving {
		state = "leaving"
	}
	heard := time.Duration(0)
	n.mu.Lock()
	p := n.peers[m.Incarnation]
	n.mu.Unlock()
	if p != nil {
		last, _ := p.Heard()
		heard = time.Since(last)
	}
	return fmt.Sprintf("state=%s,slots=%d,heard_ms=%d,clients=%s,link=%s,version=%s",
		state, owned, heard.Milliseconds(), m.Clients, m.Link, m.Version)
}
