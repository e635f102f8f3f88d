package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lockcached/lockcached/server"
)

// connectionCollector has the metrics of connections and of the log that memcached does not
// have.
type connectionCollector struct{ server *server.Server }

func newConnectionCollector(s *server.Server) connectionCollector { return connectionCollector{s} }

var cutOff = prometheus.NewDesc("lockcached_connections_cut_off_total",
	"Connections cut off, by reason: idle, answers that were not read, requests that were not finished.", []string{"reason"}, nil)

var logDropped = prometheus.NewDesc("lockcached_log_lines_dropped_total",
	"Lines of the log that were dropped because nobody read it.", nil, nil)

func (connectionCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- cutOff
	descs <- logDropped
}

func (c connectionCollector) Collect(out chan<- prometheus.Metric) {
	n := c.server.Snapshot()
	out <- prometheus.MustNewConstMetric(logDropped, prometheus.CounterValue, float64(n.LogDropped))
	for _, kicks := range []struct {
		reason string
		count  uint64
	}{{"idle", n.IdleKicks}, {"unread", n.UnreadKicks}, {"unfinished", n.UnfinishedKicks}} {
		out <- prometheus.MustNewConstMetric(cutOff, prometheus.CounterValue, float64(kicks.count), kicks.reason)
	}
}
