package admin

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lockcached/lockcached/internal/testenv"
)

const monitoring = "../scripts/monitoring/"

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(monitoring + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// queries returns the queries of the dashboard.
func queries(t *testing.T) (list []string) {
	t.Helper()
	var dashboard struct {
		Inputs     []struct{ Name, Type, PluginID string } `json:"__inputs"`
		Templating struct {
			List []struct{ Name, Type, Definition string }
		}
		Panels []struct {
			ID          int
			Title, Type string
			GridPos     struct{ X, Y, W, H int }
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	if in := dashboard.Inputs; len(in) != 1 || in[0].Type != "datasource" || in[0].PluginID != "prometheus" {
		t.Errorf("inputs %v", in)
	}
	for _, v := range dashboard.Templating.List {
		if v.Type == "query" {
			list = append(list, v.Definition)
		}
	}
	ids, places := make(map[int]bool), make(map[[2]int]bool)
	for _, p := range dashboard.Panels {
		if ids[p.ID] || places[[2]int{p.GridPos.X, p.GridPos.Y}] || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d, %q, is in another's place", p.ID, p.Title)
		}
		ids[p.ID], places[[2]int{p.GridPos.X, p.GridPos.Y}] = true, true
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			list = append(list, target.Expr)
		}
	}
	return list
}

// TestMonitoringAsksForWhatThereIs checks that a server in use has every metric that the
// dashboard and the alerts name, and that they name every metric of lockcached.
func TestMonitoringAsksForWhatThereIs(t *testing.T) {
	i := start(t, everything(t), 100)
	traffic(t, i)
	_, told := i.get(t, "/metrics")
	asked := append(queries(t), regexp.MustCompile(`(?m)^ *#.*`).ReplaceAllString(read(t, "alerts.yml"), ""),
		read(t, "alerts_test.yml"))
	name := regexp.MustCompile(`\b(?:lockcached|memcached|go|process)_[a-z_]+`)
	var names []string
	for _, query := range asked {
		names = append(names, name.FindAllString(query, -1)...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for _, name := range names {
		if !strings.Contains(told, "\n"+name+"{") && !strings.Contains(told, "\n"+name+" ") {
			t.Errorf("nobody tells of %s", name)
		}
	}
	// The other way round: every metric of lockcached is used.
	family := regexp.MustCompile(`(?m)^# TYPE (lockcached_\w+)`)
	for _, f := range family.FindAllStringSubmatch(told, -1) {
		if !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, f[1]) }) {
			t.Errorf("nobody asks for %s", f[1])
		}
	}
}

// TestPromtool has Prometheus' own tool check the alerts, the configuration and the metrics.
func TestPromtool(t *testing.T) {
	testenv.Program(t, "promtool")
	i := start(t, everything(t), 100)
	traffic(t, i)
	_, told := i.get(t, "/metrics")
	for _, args := range []string{"check rules alerts.yml", "check config prometheus.yml", "test rules alerts_test.yml", "check metrics"} {
		tool := exec.Command("promtool", strings.Fields(args)...)
		tool.Dir = monitoring
		tool.Stdin = strings.NewReader(told)
		out, err := tool.CombinedOutput()
		if err != nil || args == "check metrics" && len(out) > 0 {
			t.Errorf("promtool %s: %v\n%s", args, err, out)
		}
	}
}

// TestQueries has promtool read the dashboard's queries, as rules.
func TestQueries(t *testing.T) {
	testenv.Program(t, "promtool")
	rules := "groups:\n- name: dashboard\n  rules:\n"
	for i, q := range queries(t) {
		if strings.HasPrefix(q, "label_values(") {
			continue // Grafana's
		}
		q = strings.ReplaceAll(q, "$__rate_interval", "1m")
		text, _ := json.Marshal(q)
		rules += fmt.Sprintf("  - record: query_%d\n    expr: %s\n", i, text)
	}
	file := t.TempDir() + "/rules.yml"
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("promtool", "check", "rules", "--lint=none", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
