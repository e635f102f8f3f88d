package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lockcached/lockcached/journal"
)

// journalCollector has the metrics of the journal.
type journalCollector struct {
	journal   *journal.Journal
	recovered journal.Recovered
}

var (
	journalFailed    = ofJournal("failed", "1 while the journal cannot be written, so that no lock is granted.")
	journalFailures  = ofJournal("failures_total", "Writes and fsyncs of the journal that failed.")
	journalBytes     = ofJournal("written_bytes_total", "Bytes written to the journal.")
	journalFsyncs    = ofJournal("fsync_duration_seconds", "How long forcing the journal to the disk took.")
	journalRecovery  = ofJournal("recovery_seconds", "How long it took to read the journal at the start.")
	journalRecovered = ofJournal("recovered_locks", "Locks that were held when the process before ended.")
)

func ofJournal(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("lockcached_journal_"+name, help, nil, nil)
}

func (journalCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- journalFailed
	descs <- journalFailures
	descs <- journalBytes
	descs <- journalFsyncs
	descs <- journalRecovery
	descs <- journalRecovered
}

func (c journalCollector) Collect(out chan<- prometheus.Metric) {
	value := func(desc *prometheus.Desc, kind prometheus.ValueType, v float64) {
		out <- prometheus.MustNewConstMetric(desc, kind, v)
	}
	failed := 0.0
	if c.journal.Err() != nil {
		failed = 1
	}
	s := c.journal.Stats()
	value(journalFailed, prometheus.GaugeValue, failed)
	value(journalFailures, prometheus.CounterValue, float64(s.Failures))
	value(journalBytes, prometheus.CounterValue, float64(s.Bytes))
	out <- histogram(journalFsyncs, &s.Fsyncs)
	value(journalRecovery, prometheus.GaugeValue, c.recovered.Took.Seconds())
	value(journalRecovered, prometheus.GaugeValue, float64(c.recovered.Locks))
}
