package command

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/cli/internal/term"
)

// status prints what a node knows of the cluster, and fails if that is not in order.
func (c *clusterCommand) status(a *App, _ string) error {
	told, server, answers := c.look()
	if told == nil {
		return a.complain(answers)
	}
	nodes := nodesOf(told)
	document := clusterDocument{server, summaryOf(told), nodes}
	if err := a.print(c.json, document, func() string { return clusterSummary(told, nodes) + "\n" + clusterTable(nodes).String() }); err != nil {
		return err
	}
	troubles := troublesOf(told, nodes)
	for _, trouble := range troubles {
		fmt.Fprintf(a.Stderr, "lockcached: %s\n", trouble)
	}
	if len(troubles) > 0 {
		return exit.With(exit.Failed, nil)
	}
	return nil
}

// A clusterDocument is what --json prints.
type clusterDocument struct {
	server  string
	summary fields
	nodes   []fields
}

// MarshalJSON writes the server, the fields of the cluster, and the nodes as one object.
func (d clusterDocument) MarshalJSON() ([]byte, error) {
	head, err := append(fields{{"server", d.server}}, d.summary...).MarshalJSON()
	if err != nil {
		return nil, err
	}
	nodes, err := json.Marshal(d.nodes)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, `%s,"nodes":%s}`, head[:len(head)-1], nodes), nil
}

// summaryOf is an answer without the rows of nodes.
func summaryOf(told fields) (summary fields) {
	for _, f := range told {
		if _, ok := nodeName(f.name); !ok {
			summary = append(summary, f)
		}
	}
	return summary
}

// troublesOf returns a sentence for each thing that needs somebody.
func troublesOf(told fields, nodes []fields) (troubles []string) {
	if told.text("quorum") != "1" {
		troubles = append(troubles, "no quorum at node "+term.Printable(told.text("node"))+": no request about a lock is answered")
	}
	for _, n := range nodes {
		if n.text("state") == "missing" {
			troubles = append(troubles, "node "+term.Printable(n.text("name"))+" is missing")
		}
	}
	if alarms := told.text("engine_alarms"); alarms != "none" && alarms != "" {
		troubles = append(troubles, "the engine raises an alarm: "+term.Printable(alarms))
	}
	return troubles
}

// clusterSummary is the text in front of the table.
func clusterSummary(told fields, nodes []fields) string {
	yes := map[string]string{"1": "yes"}
	t := newTable()
	t.row("quorum", cmp.Or(yes[told.text("quorum")], "NO"))
	missing := ""
	if n := told.count("members_missing"); n > 0 {
		missing = fmt.Sprintf(", %d not there", n)
	}
	t.row("nodes", fmt.Sprintf("%d%s", len(nodes), missing))
	if n := told.count("slots_without_owner"); n > 0 {
		t.row("slots", fmt.Sprintf("%d of 256 are served by nobody", n))
	}
	where := "in the nodes"
	if told.text("engine") == "external" {
		where = "elsewhere"
	}
	t.row("engine", term.Printable(fmt.Sprintf("etcd %s %s, led by %s", told.text("engine_version"), where, told.text("engine_leader"))))
	t.row("database", fmt.Sprintf("%s, %s of it in use; at most %s",
		inBytes(told.count("engine_bytes")), inBytes(told.count("engine_bytes_in_use")), inBytes(told.count("engine_bytes_max"))))
	t.row("alarms", term.Printable(cmp.Or(told.text("engine_alarms"), "none")))
	return t.String()
}

// clusterTable is a row for each node.
func clusterTable(nodes []fields) *table {
	t := newTable()
	t.row("NODE", "STATE", "SLOTS", "HEARD", "ENGINE", "VERSION", "CLIENTS", "LINK")
	for _, n := range nodes {
		heard := "-"
		if n.text("heard_ms") != "" {
			heard = about(n.ms("heard_ms")) + " ago"
		}
		row := []string{n.text("name"), n.text("state"), n.text("slots"), heard, n.text("engine"), n.text("version"), n.text("clients"), n.text("link")}
		for i := range row {
			row[i] = cmp.Or(term.Printable(row[i]), "-")
		}
		t.row(row...)
	}
	return t
}

// inBytes is a size as people write it.
func inBytes(n uint64) string {
	const unit = 1 << 10
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	x, i := float64(n), 0
	for ; x >= unit && i < len(units)-1; i++ {
		x /= unit
	}
	return fmt.Sprintf("%.4g %s", x, units[i])
}
