package daemon

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v2"

	"github.com/lockcached/lockcached/internal/testcert"
	"github.com/lockcached/lockcached/internal/testenv"
)

// These tests read the examples in scripts/ as their users would have them read.

// documents are those of a file in YAML.
func documents(t *testing.T, path string) (all []map[string]any) {
	t.Helper()
	f, err := os.Open("../../scripts/" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	decoder := yaml.NewDecoder(f)
	decoder.SetStrict(true)
	for {
		var d map[string]any
		err := decoder.Decode(&d)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, d)
	}
}

// at is what is at a place in a document; a number is a place in a list.
func at(t *testing.T, d any, path ...any) any {
	t.Helper()
	for i, p := range path {
		switch x := d.(type) {
		case map[string]any:
			d = x[p.(string)]
		case map[any]any:
			d = x[p]
		case []any:
			d = x[p.(int)]
		default:
			t.Fatalf("nothing at %v", path[:i+1])
		}
	}
	return d
}

// configured is the configuration by variables, which have to be flags'. Files of TLS are replaced by
// some that exist.
func configured(t *testing.T, variables map[string]string) *config {
	t.Helper()
	authority := testcert.NewAuthority(t)
	cert, key := authority.Issue("node")
	files := map[string]string{"LOCKCACHED_CLUSTER_TLS_CERT": cert, "LOCKCACHED_CLUSTER_TLS_KEY": key, "LOCKCACHED_CLUSTER_TLS_CA": authority.File}
	for name, value := range variables {
		isFlag := slices.ContainsFunc(flags, func(f flag) bool { return f.env() == name })
		if !isFlag && name != "LOCKCACHED_SERVER" { // which is for commands
			t.Errorf("%s is no flag's variable", name)
		}
		if file := files[name]; file != "" {
			value = file
		}
		t.Setenv(name, value)
	}
	c := mustConfig(t)
	if len(c.warnings)+len(c.ignored) > 0 || c.cluster.isLoopback() || c.cluster.cert == "" {
		t.Errorf("%q, %q, %+v", c.warnings, c.ignored, c.cluster)
	}
	return c
}

func TestKubernetesExample(t *testing.T) {
	all := documents(t, "kubernetes/lockcached.yml")
	byKind := make(map[string]map[string]any)
	for _, d := range all {
		kind := d["kind"].(string)
		if kind == "Service" && at(t, d, "spec", "clusterIP") == "None" {
			kind = "Headless"
		}
		byKind[kind] = d
	}
	headless, set := byKind["Headless"], byKind["StatefulSet"]
	if len(all) != 4 || headless == nil || set == nil || byKind["PodDisruptionBudget"] == nil || byKind["Service"] == nil {
		t.Fatalf("%d documents", len(all))
	}
	if at(t, headless, "spec", "publishNotReadyAddresses") != true || at(t, set, "spec", "podManagementPolicy") != "Parallel" {
		t.Error("nodes that wait for each other do not find each other")
	}
	service := at(t, set, "spec", "serviceName")
	if service != at(t, headless, "metadata", "name") {
		t.Errorf("pods have no names of service %v", service)
	}
	pod := at(t, set, "spec", "template", "spec")
	container := at(t, pod, "containers", 0)
	variables := make(map[string]string)
	for _, e := range at(t, container, "env").([]any) {
		value, _ := at(t, e, "value").(string)
		variables[at(t, e, "name").(string)] = value
	}
	if at(t, container, "env", 0, "valueFrom", "fieldRef", "fieldPath") != "metadata.name" {
		t.Error("a pod does not know its name")
	}
	variables["LOCKCACHED_NODE"] = at(t, set, "metadata", "name").(string) + "-0"
	clients := "LOCKCACHED_CLUSTER_CLIENTS"
	variables[clients] = strings.ReplaceAll(variables[clients], "$(LOCKCACHED_NODE)", variables["LOCKCACHED_NODE"])
	c := configured(t, variables)
	if replicas := at(t, set, "spec", "replicas"); replicas != len(c.cluster.nodes) {
		t.Errorf("%v replicas, and nodes %v", replicas, c.cluster.nodes)
	}
	for _, n := range c.cluster.nodes {
		if n.Address != n.Name+"."+service.(string)+":7001" {
			t.Errorf("node %+v", n)
		}
	}
	ports := make(map[any]any)
	for _, p := range at(t, container, "ports").([]any) {
		ports[at(t, p, "name")] = at(t, p, "containerPort")
	}
	if ports["memcached"] != c.port || ports["engine"] != 7001 || ports["links"] != 7002 || ports["metrics"] != c.admin.at.port {
		t.Errorf("ports %v", ports)
	}
	ready, alive := at(t, container, "readinessProbe", "httpGet"), at(t, container, "livenessProbe", "tcpSocket")
	if at(t, ready, "path") != "/healthz" || at(t, ready, "port") != "metrics" || at(t, alive, "port") != "memcached" {
		t.Errorf("probes %v, %v", ready, alive)
	}
	pause := at(t, container, "lifecycle", "preStop", "sleep", "seconds").(int)
	grace := at(t, pod, "terminationGracePeriodSeconds").(int)
	if time.Duration(grace-pause)*time.Second <= c.drain {
		t.Errorf("%d s of grace, less %d, for a drain of %v", grace, pause, c.drain)
	}
}

func TestComposeExample(t *testing.T) {
	file := documents(t, "docker/cluster.yml")[0]
	services := file["services"].(map[any]any)
	for name, service := range services {
		t.Run(name.(string), func(t *testing.T) {
			variables := make(map[string]string)
			for k, v := range at(t, service, "environment").(map[any]any) {
				variables[k.(string)] = v.(string)
			}
			c := configured(t, variables)
			if c.cluster.node != name || len(c.cluster.nodes) != len(services) || c.cluster.nodes[c.cluster.self()].Address != name.(string)+":7001" {
				t.Errorf("%+v", c.cluster)
			}
			if at(t, service, "image") != "lockcached" || at(t, service, "volumes", 0) != name.(string)+":/data" || c.journal.Dir != "/data" {
				t.Errorf("%v, data in %s", service, c.journal.Dir)
			}
			if grace, err := time.ParseDuration(at(t, service, "stop_grace_period").(string)); err != nil || grace <= c.drain {
				t.Errorf("%v of grace for a drain of %v (%v)", grace, c.drain, err)
			}
		})
	}
}

// TestSingleServerExamples reads the examples of one server for Kubernetes and Docker.
func TestSingleServerExamples(t *testing.T) {
	all := documents(t, "kubernetes/single.yml")
	service, settings, set := all[0], all[1], all[2]
	if at(t, service, "kind") != "Service" || at(t, settings, "kind") != "ConfigMap" || at(t, set, "kind") != "StatefulSet" || at(t, set, "spec", "replicas") != 1 {
		t.Fatal("other documents")
	}
	path := configFor(t, at(t, settings, "data", "lockcached.toml").(string))
	if faults := CheckConfig(path); len(faults) > 0 {
		t.Error(faults)
	}
	pod := at(t, set, "spec", "template", "spec")
	container := at(t, pod, "containers", 0)
	args := texted(at(t, container, "args"))
	if want := []string{"--config", "/etc/lockcached/lockcached.toml", "--config-watch"}; !slices.Equal(args, want) {
		t.Errorf("args %q", args)
	}
	c := mustConfig(t, "--config", path, args[2])
	if at(t, container, "ports", 0, "containerPort") != c.port || at(t, container, "ports", 1, "containerPort") != c.admin.at.port ||
		at(t, container, "volumeMounts", 0, "mountPath") != "/data" || c.journal.Dir != "/data/lockcached" ||
		at(t, container, "volumeMounts", 1, "mountPath") != filepath.Dir(args[1]) || !c.watch {
		t.Errorf("%+v", c)
	}
	if at(t, container, "readinessProbe", "httpGet", "path") != "/healthz" || texted(at(t, container, "livenessProbe", "exec", "command"))[0] != "/lockcached" {
		t.Error("other probes")
	}

	file := documents(t, "docker/compose.yml")[0]
	one := at(t, file, "services", "lockcached")
	for k, v := range at(t, one, "environment").(map[any]any) {
		t.Setenv(k.(string), v.(string))
	}
	c = mustConfig(t)
	if grace, err := time.ParseDuration(at(t, one, "stop_grace_period").(string)); err != nil || grace <= c.drain || c.journal.Dir != "/data" ||
		at(t, one, "volumes", 0) != "locks:/data" || c.admin.at.port != 9151 {
		t.Errorf("%v, %v, %+v", grace, err, c)
	}
}

func texted(list any) (texts []string) {
	for _, each := range list.([]any) {
		texts = append(texts, each.(string))
	}
	return texts
}

// TestPackagedFile has no faults, whatever is uncommented in it.
func TestPackagedFile(t *testing.T) {
	text, err := os.ReadFile("../../scripts/packages/lockcached.toml")
	if err != nil {
		t.Fatal(err)
	}
	var used strings.Builder
	for line := range strings.Lines(string(text)) {
		name, _, isSetting := strings.Cut(strings.TrimPrefix(line, "#"), " = ")
		switch {
		case strings.HasPrefix(name, "tls-"), name == "auth-file": // there are no such files
		case isSetting, strings.HasPrefix(line, "#["):
			used.WriteString(strings.TrimPrefix(line, "#"))
		}
	}
	if faults := CheckConfig(configFor(t, used.String())); len(faults) > 0 || strings.Count(used.String(), "\n") < 9 {
		t.Errorf("%q in\n%s", faults, used.String())
	}
}

// TestNodeUnit reads the unit of a node, and its default file.
func TestNodeUnit(t *testing.T) {
	unit, err := os.ReadFile("../../scripts/systemd/lockcached-node.service")
	if err != nil {
		t.Fatal(err)
	}
	defaults, err := os.ReadFile("../../scripts/debian/lockcached-node.default")
	if err != nil {
		t.Fatal(err)
	}
	variables := make(map[string]string)
	stop := time.Duration(0)
	for line := range strings.Lines(string(unit) + string(defaults)) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "Environment=")
		name, value, _ := strings.Cut(line, "=")
		switch {
		case strings.HasPrefix(name, "LOCKCACHED_"):
			variables[name] = value
		case name == "TimeoutStopSec":
			stop, _ = time.ParseDuration(value)
		}
	}
	c := configured(t, variables)
	if len(c.cluster.nodes) != 3 || stop <= c.drain {
		t.Errorf("%+v, %v to stop for a drain of %v", c.cluster, stop, c.drain)
	}
}

// TestUnits has systemd check the units.
func TestUnits(t *testing.T) {
	testenv.Program(t, "systemd-analyze")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"lockcached.service", "lockcached-node.service"} {
		text, err := os.ReadFile("../../scripts/systemd/" + name)
		if err != nil {
			t.Fatal(err)
		}
		// It would complain that there is no such program.
		text = []byte(strings.ReplaceAll(string(text), "/usr/local/bin/lockcached", self))
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("systemd-analyze", "verify", file).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestCertificates has certificates made as the documents say, and begins with them.
func TestCertificates(t *testing.T) {
	testenv.Program(t, "openssl")
	testenv.Program(t, "bash")
	dir := t.TempDir()
	for _, nodes := range [][]string{{"a=192.0.2.1", "b=192.0.2.2,b.example"}, {"c=2001:db8::3"}} {
		if out, err := exec.Command("../../scripts/cluster-certificates", append([]string{dir}, nodes...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for _, node := range []string{"a", "b", "c"} {
		mustConfig(t, "--cluster", "a=192.0.2.1:7001,b=192.0.2.2:7001,c=[2001:db8::3]:7001", "--node", node, "--data", "d",
			"--cluster-tls-cert", filepath.Join(dir, node+".pem"), "--cluster-tls-key", filepath.Join(dir, node+"-key.pem"),
			"--cluster-tls-ca", filepath.Join(dir, "ca.pem"))
	}
	if err := exec.Command("../../scripts/cluster-certificates", dir).Run(); err == nil {
		t.Error("certificates for no node")
	}
}
