package admin

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/lockcached/lockcached/stats"
)

// warningsFor is for how long the page shows warnings of the log.
const warningsFor = time.Hour

// A serverDocument is the answer to GET /api/v1/server.
type serverDocument struct {
	Stats    stats.Object      `json:"stats"`
	Locks    stats.Object      `json:"locks"`
	Settings stats.Object      `json:"settings"`
	Record   stats.Object      `json:"record"`            // of recent events
	Journal  stats.Object      `json:"journal,omitempty"` // with --data
	Cluster  stats.Object      `json:"cluster,omitempty"`
	Fills    stats.Object      `json:"fills,omitempty"`
	Wrong    map[string]string `json:"wrong"`    // what makes /healthz red
	Warnings []json.RawMessage `json:"warnings"` // lines of the log
	Write    bool              `json:"write"`    // locks can be released here
}

// showServer answers GET /api/v1/server.
func (a *api) showServer(w http.ResponseWriter, r *http.Request) {
	a.shared(w, r, "server", func() any { return a.serverDocument(time.Now()) })
}

func (a *api) serverDocument(now time.Time) *serverDocument {
	recorded, bytes := a.Locks.Recorded()
	doc := &serverDocument{
		Stats: a.Server.Stats(), Locks: a.Server.LockTotals(), Settings: a.Server.Settings(),
		Record:  stats.Object{stats.CountField("locks", uint64(recorded)), stats.CountField("bytes", uint64(bytes))},
		Cluster: a.Server.ClusterFields(), Fills: a.Server.FillTotals(),
		Wrong: a.health.Wrong(), Warnings: []json.RawMessage{}, Write: a.Write,
	}
	if a.Journal != nil {
		doc.Journal = a.journalFields()
	}
	if a.Warnings != nil {
		doc.Warnings = append(doc.Warnings, a.Warnings(now.Add(-warningsFor))...)
	}
	return doc
}

// journalFields have the names of the metrics.
func (a *api) journalFields() stats.Object {
	s, failed := a.Journal.Stats(), uint64(0)
	if a.Journal.Err() != nil {
		failed = 1
	}
	mean := 0.0
	if n := s.Fsyncs.Count(); n > 0 {
		mean = s.Fsyncs.Seconds() / float64(n) * float64(time.Second)
	}
	return stats.Object{
		stats.CountField("failed", failed),
		stats.CountField("failures", s.Failures),
		stats.CountField("written_bytes", s.Bytes),
		stats.CountField("fsync_count", s.Fsyncs.Count()),
		stats.MsField("fsync_mean_ms", mean),
		stats.MsField("recovery_ms", float64(a.Recovered.Took)),
		stats.CountField("recovered_locks", uint64(a.Recovered.Locks)),
	}
}
