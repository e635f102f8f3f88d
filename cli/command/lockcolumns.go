package command

import (
	"strings"

	"github.com/lockcached/lockcached/cli/internal/term"
)

// If a list is too wide, dispensable columns are left out, in this order. Then the cells of elastic
// columns are cut.
var (
	dispensableColumns = []string{"TOKEN", "RETRY", "POLLING", "SERVER", "NODE", "QUEUED", "TTL", "AGE", "OWNER"}
	elasticColumns     = []elastic{{"KEY", 16}, {"OWNER", 12}, {"SERVER", 12}, {"NODE", 4}}
)

// table returns a table of locks for people, at most so many characters wide; 0 means no limit.
func (r *remote) table(locks []fields, columns int) *table {
	t := newTable()
	place := "server"
	if r.isCluster() {
		place = "node"
	}
	t.row(r.columns("KEY", "OWNER", "AGE", "TTL", "QUEUED", "POLLING", "RETRY", "TOKEN", strings.ToUpper(place))...)
	for _, lock := range locks {
		owner, age, ttl, token := "-", "-", "-", "-"
		if lock.text("held") == "1" {
			owner, token = term.Printable(lock.text("owner")), lock.text("token")
			age, ttl = about(lock.ms("age_ms")), lease(lock)
		} else if left, flag := closed(lock); left > 0 {
			owner, ttl = "(closed: "+strings.TrimPrefix(flag, "--")+")", about(left)
		}
		t.row(r.columns(term.Printable(lock.text("key")), owner, age, ttl, lock.text("queued"), lock.text("polling"),
			about(lock.ms("retry_ms")), token, lock.text(place))...)
	}
	if columns > 0 {
		t.fit(columns, dispensableColumns, elasticColumns)
	}
	return t
}

// columns leaves out the last column, the server or node, if there is only one server.
func (r *remote) columns(list ...string) []string {
	if len(r.servers) == 1 {
		return list[:len(list)-1]
	}
	return list
}

// lease says how much is left of a lease.
func lease(lock fields) string {
	if lock.text("ttl_ms") == "-1" {
		return "no end"
	}
	return about(lock.ms("ttl_ms"))
}
