package cluster

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lockcached/lockcached/cluster/link"
	"github.com/lockcached/lockcached/server"
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
