package admin

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/lockcached/lockcached/stats"
)

// Cluster is the cluster that a server is a node of.
type Cluster interface {
	ClusterStats() stats.Cluster
	// Health returns nil, or why the node cannot serve locks, or soon could not.
	Health() error
}

// clusterCollector has the metrics of a node of a cluster.
type clusterCollector struct{ node Cluster }

var (
	clusterMembers   = ofCluster("members", "Nodes that are in the cluster now.")
	clusterMissing   = ofCluster("members_missing", "Nodes that belong to the cluster and are not there.")
	clusterSlots     = ofCluster("slots_owned", "Slots that this node serves, of 256.")
	clusterQuorum    = ofCluster("quorum", "1, or 0 while no request about a lock can be answered.")
	clusterCommits   = ofCluster("commit_seconds", "How long it took to have a majority keep a batch.")
	clusterConfirms  = ofCluster("confirm_seconds", "How long it took to have a majority confirm replies for which nothing was written.")
	clusterBatches   = ofCluster("batch_entries", "Changes of locks that were kept in one batch.")
	clusterRetries   = ofCluster("retries_total", "Transactions that were tried again, because nobody knew what came of them or the map had changed.")
	clusterFenced    = ofCluster("fenced_total", "Times that other nodes took this one for dead.")
	clusterTakeovers = ofCluster("takeover_seconds", "How long it took to read the locks of slots that were taken over.")
	clusterForwarded = ofCluster("forwarded_total", "Requests of clients of this node that were passed on to another one.", "peer")
	clusterLink      = ofCluster("link_up", "1, or 0 while the other node is not heard.", "peer")

	engineLeads  = ofCluster("engine_leader", "1 if this node's part of the engine leads.")
	engineKnows  = ofCluster("engine_has_leader", "1, or 0 while the engine has no leader.")
	engineBytes  = ofCluster("engine_bytes", "Size of the engine's database.")
	engineInUse  = ofCluster("engine_in_use_bytes", "The part of it that is in use.")
	engineQuota  = ofCluster("engine_max_bytes", "What the size may be.")
	engineAlarms = ofCluster("engine_alarms", "Alarms of the engine; while there is one, nothing can be changed.")
)

func ofCluster(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("lockcached_cluster_"+name, help, labels, nil)
}

func (clusterCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		clusterMembers, clusterMissing, clusterSlots, clusterQuorum, clusterCommits, clusterConfirms, clusterBatches,
		clusterRetries, clusterFenced, clusterTakeovers, clusterForwarded, clusterLink,
		engineLeads, engineKnows, engineBytes, engineInUse, engineQuota, engineAlarms,
	} {
		descs <- d
	}
}

func (c clusterCollector) Collect(out chan<- prometheus.Metric) {
	s := c.node.ClusterStats()
	gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, labels...)
	}
	counter := func(desc *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(clusterMembers, float64(s.Members))
	gauge(clusterMissing, float64(s.Missing))
	gauge(clusterSlots, float64(s.Slots))
	gauge(clusterQuorum, oneIf(s.Quorum))
	out <- histogram(clusterCommits, &s.Commits)
	out <- histogram(clusterConfirms, &s.Confirms)
	out <- histogram(clusterTakeovers, &s.TakeOvers)
	out <- sizes(clusterBatches, &s.Batches)
	counter(clusterRetries, s.Retries)
	counter(clusterFenced, s.Fenced)
	for _, p := range s.Peers {
		counter(clusterForwarded, p.Forwarded, p.Name)
		gauge(clusterLink, oneIf(p.Up), p.Name)
	}
	gauge(engineLeads, oneIf(s.Engine.Leads))
	gauge(engineKnows, oneIf(s.Engine.HasLeader))
	gauge(engineBytes, float64(s.Engine.Bytes))
	gauge(engineInUse, float64(s.Engine.InUse))
	gauge(engineQuota, float64(s.Engine.Quota))
	gauge(engineAlarms, float64(len(s.Engine.Alarms)))
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func sizes(desc *prometheus.Desc, s *stats.Sizes) prometheus.Metric {
	upTo := make(map[float64]uint64)
	for bound, n := range s.UpTo() {
		upTo[float64(bound)] = n
	}
	return prometheus.MustNewConstHistogram(desc, s.Count(), float64(s.Sum()), upTo)
}

// etcdsOwn gathers the metrics that etcd has put into the default registry of this process, and
// leaves out what others have there.
type etcdsOwn struct{ from prometheus.Gatherer }

func (g etcdsOwn) Gather() (own []*dto.MetricFamily, err error) {
	all, err := g.from.Gather()
	for _, family := range all {
		if strings.HasPrefix(family.GetName(), "etcd_") {
			own = append(own, family)
		}
	}
	return own, err
}
