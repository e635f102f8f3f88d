package admin

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lockcached/lockcached/stats"
)

// aCluster is a node of a cluster that says what it is told to.
type aCluster struct {
	mu  sync.Mutex // guards err
	err error
}

func (c *aCluster) Health() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *aCluster) ClusterStats() stats.Cluster {
	s := stats.Cluster{
		Quorum: true, Members: 2, Missing: 1, Slots: 85, Retries: 7, Fenced: 1,
		Peers:  []stats.ClusterPeer{{Name: "b", Up: true, Forwarded: 12}, {Name: "c"}},
		Engine: stats.ClusterEngine{Leads: true, HasLeader: true, Bytes: 100, InUse: 50, Quota: 1000, Alarms: []string{"NOSPACE"}},
	}
	s.Commits.Add(2 * time.Millisecond)
	s.Confirms.Add(time.Millisecond)
	s.TakeOvers.Add(time.Second)
	s.Batches.Add(3)
	s.Batches.Add(30)
	return s
}

// everything is a Config with all that a server can report.
func everything(t *testing.T) Config {
	t.Helper()
	c := durable(t)
	c.Cluster = new(aCluster)
	return c
}

func TestClusterMetrics(t *testing.T) {
	etcds := prometheus.NewGauge(prometheus.GaugeOpts{Name: "etcd_test_metric", Help: "As if from etcd."})
	others := prometheus.NewGauge(prometheus.GaugeOpts{Name: "other_test_metric", Help: "From somebody else."})
	for _, g := range []prometheus.Gauge{etcds, others} {
		prometheus.MustRegister(g)
		defer prometheus.Unregister(g)
	}
	i := start(t, everything(t), 100)
	_, told := i.get(t, "/metrics")
	for _, want := range []string{
		"lockcached_cluster_quorum 1", "lockcached_cluster_members 2", "lockcached_cluster_members_missing 1",
		"lockcached_cluster_slots_owned 85", "lockcached_cluster_retries_total 7", "lockcached_cluster_fenced_total 1",
		`lockcached_cluster_forwarded_total{peer="b"} 12`, `lockcached_cluster_link_up{peer="b"} 1`, `lockcached_cluster_link_up{peer="c"} 0`,
		`lockcached_cluster_commit_seconds_bucket{le="0.0025"} 1`, `lockcached_cluster_confirm_seconds_count 1`,
		`lockcached_cluster_takeover_seconds_sum 1`, `lockcached_cluster_batch_entries_bucket{le="5"} 1`,
		"lockcached_cluster_batch_entries_sum 33", "lockcached_cluster_engine_alarms 1", "lockcached_cluster_engine_leader 1",
		"etcd_test_metric 0",
	} {
		if !strings.Contains(told, "\n"+want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(told, "other_test_metric") {
		t.Error("metrics of others in this process are told")
	}
	_, single := start(t, Config{}, 100).get(t, "/metrics")
	if strings.Contains(single, "lockcached_cluster") || strings.Contains(single, "etcd_") {
		t.Error("a single server has metrics of a cluster")
	}
}

func TestClusterHealth(t *testing.T) {
	node := new(aCluster)
	i := start(t, Config{Cluster: node}, 100)
	if status, body := i.get(t, "/healthz"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("%d %q", status, body)
	}
	node.mu.Lock()
	node.err = errors.New("no quorum")
	node.mu.Unlock()
	if status, body := i.get(t, "/healthz"); status != http.StatusServiceUnavailable || body != "cluster: no quorum\n" {
		t.Errorf("%d %q", status, body)
	}
}
