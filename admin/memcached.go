package admin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// memcachedCollector has the metrics that memcached has, with the names and meanings of
// prometheus/memcached_exporter, so that its dashboards show this server, too. Metrics of
// memcached's slabs and crawlers are left out rather than reported as 0.
type memcachedCollector struct {
	locks  *locks.Manager
	server *server.Server
}

func newMemcachedCollector(m *locks.Manager, s *server.Server) memcachedCollector {
	return memcachedCollector{m, s}
}

// told is the state from which the values below are taken.
type told struct {
	locks.Totals
	server.Snapshot
	now time.Time
}

var values = []struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*told) float64
}{
	{memcached("up", "Could the memcached server be reached: the server itself tells, so it could."), prometheus.GaugeValue,
		func(*told) float64 { return 1 }},
	// The exporter calls it a counter, but a counter's name would end with _total.
	{memcached("uptime_seconds", "Seconds since the server started."), prometheus.GaugeValue,
		func(t *told) float64 { return t.now.Sub(t.Started).Seconds() }},
	{memcached("time_seconds", "The server's clock, in Unix time."), prometheus.GaugeValue,
		func(t *told) float64 { return float64(t.now.UnixMicro()) / 1e6 }},
	{memcached("process_user_cpu_seconds_total", "User time of the process."), prometheus.CounterValue,
		func(t *told) float64 { return t.UserCPU.Seconds() }},
	{memcached("process_system_cpu_seconds_total", "System time of the process."), prometheus.CounterValue,
		func(t *told) float64 { return t.SystemCPU.Seconds() }},
	{memcached("read_bytes_total", "Bytes read from clients."), prometheus.CounterValue,
		func(t *told) float64 { return float64(t.BytesRead) }},
	{memcached("written_bytes_total", "Bytes sent to clients."), prometheus.CounterValue,
		func(t *told) float64 { return float64(t.BytesWritten) }},
	{memcached("current_connections", "Open connections."), prometheus.GaugeValue,
		func(t *told) float64 { return float64(t.Connections) }},
	{memcached("max_connections", "How many connections there may be."), prometheus.GaugeValue,
		func(t *told) float64 { return float64(t.MaxConnections) }},
	{memcached("connections_total", "Connections since the start."), prometheus.CounterValue,
		func(t *told) float64 { return float64(t.TotalConnections) }},
	{memcached("connections_rejected_total", "Connections beyond the limit of -c."), prometheus.CounterValue,
		func(t *told) float64 { return float64(t.Rejected) }},
	{memcached("connections_yielded_total", "Times that a connection reached the limit of -R and gave others a turn."), prometheus.CounterValue,
		func(t *told) float64 { return float64(t.Yields) }},
	{memcached("connections_listener_disabled_total", "Times that no connection could be accepted."), prometheus.CounterValue,
		func(t *told) float64 { return float64(t.AcceptErrors) }},
	{memcached("accepting_connections", "1, or 0 while the server shuts down."), prometheus.GaugeValue,
		func(t *told) float64 {
			if t.Accepting {
				return 1
			}
			return 0
		}},
	{memcached("current_bytes", "Bytes of items."), prometheus.GaugeValue,
		func(t *told) float64 { return float64(t.Bytes) }},
	{memcached("limit_bytes", "Bytes that items may take."), prometheus.GaugeValue,
		func(t *told) float64 { return float64(t.LimitBytes) }},
	{memcached("current_items", "Items, locks included."), prometheus.GaugeValue,
		func(t *told) float64 { return float64(t.Items) }},
	{memcached("items_total", "Items stored since the start."), prometheus.CounterValue,
		func(t *told) float64 { return float64(t.TotalItems) }},
	{memcached("items_evicted_total", "Items removed to make room, which held locks never are."), prometheus.CounterValue,
		func(t *told) float64 { return float64(t.Evictions) }},
	{memcached("items_reclaimed_total", "Items removed because they had expired."), prometheus.CounterValue,
		func(t *told) float64 { return float64(t.Reclaimed) }},
	{memcached("item_too_large_total", "Items not stored because they were larger than -I."), prometheus.CounterValue,
		func(t *told) float64 { return float64(t.TooLarge) }},
	{memcached("item_no_memory_total", "Items not stored because there was no room."), prometheus.CounterValue,
		func(t *told) float64 { return float64(t.NoMemory) }},
}

var (
	commands = prometheus.NewDesc("memcached_commands_total", "Requests by command and by what they found.",
		[]string{"command", "status"}, nil)
	version = prometheus.NewDesc("memcached_version", "The memcached whose protocol is spoken.", []string{"version"}, nil)
	build   = prometheus.NewDesc("lockcached_build_info", "The version of lockcached.", []string{"version"}, nil)
)

func memcached(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("memcached_"+name, help, nil, nil)
}

func (memcachedCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, v := range values {
		descs <- v.desc
	}
	descs <- commands
	descs <- version
	descs <- build
}

func (m memcachedCollector) Collect(out chan<- prometheus.Metric) {
	t := &told{m.locks.Totals(), m.server.Snapshot(), time.Now()}
	for _, v := range values {
		out <- prometheus.MustNewConstMetric(v.desc, v.kind, v.of(t))
	}
	out <- prometheus.MustNewConstMetric(version, prometheus.GaugeValue, 1, server.Version)
	out <- prometheus.MustNewConstMetric(build, prometheus.GaugeValue, 1, server.Release)
	collectCommands(&t.Counts, t.Flushes, out)
}

func collectCommands(c *locks.Counts, flushes uint64, out chan<- prometheus.Metric) {
	for _, n := range []struct {
		command, status string
		count           uint64
	}{
		{"get", "hit", c.GetHits}, {"get", "miss", c.GetMisses},
		{"delete", "hit", c.DeleteHits}, {"delete", "miss", c.DeleteMisses},
		{"incr", "hit", c.IncrHits}, {"incr", "miss", c.IncrMisses},
		{"decr", "hit", c.DecrHits}, {"decr", "miss", c.DecrMisses},
		{"cas", "hit", c.CasHits}, {"cas", "miss", c.CasMisses}, {"cas", "badval", c.CasBadval},
		{"touch", "hit", c.TouchHits}, {"touch", "miss", c.TouchMisses},
		{"flush", "hit", flushes},
		// CmdSet includes cas.
		{"set", "hit", c.CmdSet - min(c.CmdSet, c.CasHits+c.CasMisses+c.CasBadval)},
	} {
		out <- prometheus.MustNewConstMetric(commands, prometheus.CounterValue, float64(n.count), n.command, n.status)
	}
}
