package cluster_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cluster"
	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/cluster/engine/etcd"
	"github.com/lockcached/lockcached/internal/testenv"
	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// logBuffer is a log that can be read meanwhile.
type logBuffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// startAlone starts a cluster of one node, whose engine has so much room.
func startAlone(t *testing.T, quota int64, log zerolog.Logger) (n *cluster.Node, m *locks.Manager, e *etcd.Engine) {
	t.Helper()
	// Nobody else is given the ports of a listener that is closed only when the engine listens.
	engineAt, links := listen(t), listen(t)
	address := engineAt.Addr().String()
	_ = engineAt.Close()
	e, err := etcd.Start(t.Context(), etcd.Config{
		Name: "a", Dir: t.TempDir(), Peers: []engine.Peer{{Name: "a", Address: address}}, Quota: quota, Logger: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	n = cluster.New(cluster.Config{
		Engine: e, Prefix: "/lockcached/", Name: "a", Link: links.Addr().String(), Nodes: []string{"a"},
		Status: e.Status, Embedded: true, Logger: log, Clock: func() time.Duration { return journal.Machine().Boot },
	})
	m = locks.NewManager(locks.Config{Journal: n.Journal(), Owned: n.Owned, Withdraw: n.Withdraw})
	s := server.New(server.Config{Locks: m, Cluster: n})
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { m.Run(ctx) })
	all.Go(func() { n.Run(ctx, m, s, links) })
	t.Cleanup(func() {
		stop()
		all.Wait()
		_ = e.Close()
	})
	return n, m, e
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A full engine is told by health, metrics and log, and no request about a lock is answered. When
// there is less in it, the node makes room by itself, and goes on.
func TestFullEngine(t *testing.T) {
	t.Parallel()
	needsTime(t)
	log := new(logBuffer)
	n, m, e := startAlone(t, 8<<20, zerolog.New(log))
	testenv.Eventually(t, "the node is well", func() bool { return n.Health() == nil && n.ClusterStats().Slots == 256 })

	// What is history makes room again; only so much that is there lasts.
	junk, i := make([]byte, 64<<10), 0
	testenv.Eventually(t, "it is ill", func() bool {
		_, err := e.Txn(t.Context(), engine.Txn{Then: []engine.Op{engine.Put(fmt.Sprintf("junk/%04d", i), junk)}})
		if i++; err == nil {
			return false
		}
		s := n.ClusterStats()
		return n.Health() != nil && !s.Quorum && len(s.Engine.Alarms) == 1 && s.Engine.Alarms[0] == "NOSPACE"
	})
	testenv.Eventually(t, "that is logged", func() bool {
		return log.has("the engine raises an alarm") && log.has("the cluster's database is full") && log.has("quorum lost")
	})

	if _, err := e.Txn(t.Context(), engine.Txn{Then: []engine.Op{engine.DeletePrefix("junk/")}}); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "it is well again", func() bool {
		return n.Health() == nil && m.JournalErr() == nil && len(n.ClusterStats().Engine.Alarms) == 0
	})
	testenv.Eventually(t, "that is logged, too", func() bool {
		return log.has("the engine's alarm is over") && log.has("defragmented the cluster's database") && log.has("quorum back")
	})
}
