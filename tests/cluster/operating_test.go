package cluster_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/testcert"
	"github.com/lockcached/lockcached/internal/testenv"
)

// prepare prepares nodes with those names, with flags that all of them get, and starts none.
func prepare(t *testing.T, names []string, flags ...string) (n *nodes, list string) {
	t.Helper()
	n = &nodes{t: t, flags: make(map[string][]string), all: make(map[string]*harness.Process)}
	dir := t.TempDir()
	var members []string
	for _, name := range names {
		members = append(members, fmt.Sprintf("%s=127.0.0.1:%d", name, freePair(t)))
	}
	list = strings.Join(members, ",")
	for _, name := range names {
		n.flags[name] = append([]string{
			"--cluster", list, "--node", name, "--data", filepath.Join(dir, name), "--drain", "1m", "--metrics", "127.0.0.1:0",
		}, flags...)
	}
	t.Cleanup(n.stopAll)
	return n, list
}

// startThese starts nodes that wait for each other, and waits until they serve all keys.
func (n *nodes) startThese(names ...string) {
	n.t.Helper()
	var flags [][]string
	for _, name := range names {
		flags = append(flags, n.flags[name])
	}
	for i, p := range harness.StartAll(n.t, flags...) {
		n.all[names[i]] = p
	}
	n.awaitSlots()
}

// command runs lockcached with words, and expects an exit code. It asks the node that is named.
func (n *nodes) command(asked string, code int, words ...string) (said string) {
	n.t.Helper()
	c := harness.Lockcached(append(words, "--server", n.all[asked].Address(), "--within", "2m", "--timeout", "1m")...)
	out, _ := c.CombinedOutput()
	if got := c.ProcessState.ExitCode(); got != code {
		n.t.Fatalf("lockcached %s: exit %d, want %d: %s", strings.Join(words, " "), got, code, out)
	}
	return string(out)
}

// refused starts a node that must not begin, and returns why.
func (n *nodes) refused(name string) string {
	n.t.Helper()
	p := harness.NewProcess(n.t, nil, n.flags[name]...)
	var log strings.Builder
	p.Command.Stderr = &log
	if err := p.Command.Run(); err == nil {
		n.t.Fatalf("node %s has begun: %s", name, log.String())
	}
	return log.String()
}

func (n *nodes) data(name string) string {
	for i, flag := range n.flags[name] {
		if flag == "--data" {
			return n.flags[name][i+1]
		}
	}
	return ""
}

// wipe deletes what a node has on its disk.
func (n *nodes) wipe(name string) {
	n.t.Helper()
	if err := os.RemoveAll(n.data(name)); err != nil {
		n.t.Fatal(err)
	}
}

// address is that of a node in a list.
func address(list, name string) string {
	for word := range strings.SplitSeq(list, ",") {
		if rest, ok := strings.CutPrefix(word, name+"="); ok {
			return rest
		}
	}
	return ""
}

// health asks a node how it is.
func (n *nodes) health(name string) (status int, body string) {
	n.t.Helper()
	var url string
	for line := range strings.Lines(n.all[name].Log()) {
		var said struct{ Message, Metrics string }
		if json.Unmarshal([]byte(line), &said) == nil && said.Message == "serving" {
			url = "http://" + said.Metrics + "/healthz"
		}
	}
	r, err := http.Get(url)
	if err != nil {
		n.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

// says waits until a command says something, and until it has the exit code.
func (n *nodes) says(asked string, code int, want string, words ...string) {
	n.t.Helper()
	testenv.Eventually(n.t, strings.Join(words, " ")+" says "+want, func() bool {
		c := harness.Lockcached(append(words, "--server", n.all[asked].Address())...)
		out, _ := c.CombinedOutput()
		return c.ProcessState.ExitCode() == code && strings.Contains(string(out), want)
	})
}

// Three nodes are replaced one by one, each in another way, while a lock is held.
func TestReplaceEach(t *testing.T) {
	t.Parallel()
	needsTime(t)
	n, list := prepare(t, names, patient...)
	n.startThese(names...)
	c := n.dial("a")
	c.send("add lock:held 0 600 6", "holder")
	c.gets("STORED")
	token := c.token("lock:held", "holder")
	n.says("b", 0, "quorum    yes", "cluster", "status")

	// One leaves in order.
	if said := n.command("a", 0, "cluster", "remove", "c"); !strings.Contains(said, "handed over") {
		t.Error(said)
	}
	if err := n.all["c"].Command.Wait(); err != nil {
		t.Errorf("the removed node ends with %v: %s", err, n.all["c"].Log())
	}
	delete(n.all, "c")
	n.says("a", 0, "nodes     2\n", "cluster", "status")
	if said := n.refused("c"); !strings.Contains(said, "removed from the cluster") {
		t.Error(said)
	}
	n.wipe("c")
	if said := n.refused("c"); !strings.Contains(said, "lockcached cluster add") {
		t.Error(said)
	}
	n.add("a", list, "c")

	// One loses its disk.
	n.kill("b")
	n.wipe("b")
	if said := n.refused("b"); !strings.Contains(said, "lockcached cluster remove") {
		t.Error(said)
	}
	n.says("a", 1, "node b is missing", "cluster", "status")
	if said := n.command("a", 1, "cluster", "remove", "c"); !strings.Contains(said, "of 2 that remain 1 answer") {
		t.Error(said)
	}
	n.command("a", 0, "cluster", "remove", "b")
	n.wipe("b")
	n.add("c", list, "b")

	// One is away for good while others ask for it by the list alone.
	n.kill("a")
	n.wipe("a")
	n.command("b", 0, "cluster", "remove", "a", "--cluster", list)
	n.add("b", list, "a")

	n.says("a", 0, "nodes     3\n", "cluster", "status")
	n.holds("lock:held", token, names...)
}

// holds checks that a lock has a token, wherever it is asked for.
func (n *nodes) holds(key, token string, at ...string) {
	n.t.Helper()
	for _, name := range at {
		if got := n.dial(name).token(key, "holder"); got != token {
			n.t.Errorf("the token was %s, and at %s it is %s", token, name, got)
		}
	}
}

// add adds a node, and starts it.
func (n *nodes) add(asked, list, name string) {
	n.t.Helper()
	n.command(asked, 0, "cluster", "add", name+"="+address(list, name))
	n.says(asked, 0, "added", "cluster", "status")
	n.start(name)
	n.awaitSlots()
	n.says(asked, 0, name+" ", "cluster", "status")
}

// Without a quorum a node says so to everybody who asks.
func TestRedWithoutQuorum(t *testing.T) {
	t.Parallel()
	n, _ := prepare(t, names)
	n.startThese(names...)
	if status, body := n.health("a"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("health is %d %q", status, body)
	}
	n.kill("b")
	n.kill("c")
	testenv.Eventually(t, "it is red", func() bool {
		status, body := n.health("a")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "cluster: no quorum")
	})
	n.says("a", 1, "no quorum at node a", "cluster", "status")
	var told struct{ Quorum int }
	c := harness.Lockcached("cluster", "status", "--json", "--server", n.all["a"].Address())
	if out, _ := c.Output(); json.Unmarshal(out, &told) != nil || told.Quorum != 0 || c.ProcessState.ExitCode() != 1 {
		t.Errorf("%v: %s", c.ProcessState, out)
	}
	logs := func(want string) {
		testenv.Eventually(t, "it logs "+want, func() bool { return strings.Contains(n.all["a"].Log(), want) })
	}
	logs("quorum lost")
	n.start("b")
	n.awaitSlots()
	testenv.Eventually(t, "it is green", func() bool {
		status, _ := n.health("a")
		return status == http.StatusOK
	})
	for _, want := range []string{"joined the cluster", "node joined", "slots taken over", "quorum back"} {
		logs(want)
	}
}

// Of six nodes, five keep the data. The sixth is a node like the others all the same.
func TestSixNodes(t *testing.T) {
	t.Parallel()
	needsTime(t)
	six := []string{"a", "b", "c", "d", "e", "f"}
	n, list := prepare(t, six, patient...)
	n.startThese(six...)
	status := strings.Fields(n.row("a", "f"))
	if slots, _ := strconv.Atoi(status[2]); status[1] != "member" || slots == 0 || status[5] != "none" {
		t.Errorf("the sixth node: %q", status)
	}
	if _, err := os.Stat(filepath.Join(n.data("f"), "engine")); err == nil {
		t.Error("the sixth node keeps data")
	}
	c, f := n.dial("b"), n.dial("f")
	for i := range 20 {
		key := fmt.Sprint("lock:", i)
		f.send("add "+key+" 0 600 1", "x")
		f.gets("STORED")
		c.token(key, "x")
	}
	if said := n.command("f", 0, "cluster", "add", "g=127.0.0.1:1"); !strings.Contains(said, "needs no place") {
		t.Error(said)
	}
	// Two members of the engine may be lost, and the sixth goes on.
	n.kill("a")
	n.kill("b")
	n.awaitSlots()
	f.token("lock:1", "x")
	n.says("f", 1, "node a is missing", "cluster", "status")
	// The sixth is removed in order, and nobody misses it.
	if said := n.command("c", 0, "cluster", "remove", "f", "--cluster", list); !strings.Contains(said, "Stop it now") {
		t.Error(said)
	}
	n.all["f"].Stop()
	delete(n.all, "f")
	n.awaitSlots()
	testenv.Eventually(t, "nobody misses it", func() bool { return n.row("c", "f") == "" })
	n.dial("c").token("lock:1", "x")
}

// row is what a node says about another one.
func (n *nodes) row(asked, about string) string {
	n.t.Helper()
	out, _ := harness.Lockcached("cluster", "status", "--server", n.all[asked].Address()).Output()
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, about+" ") {
			return line
		}
	}
	return ""
}

// A backup is restored, in a cluster with TLS, after all disks were lost: what was held then is held, tokens have not
// fallen, and a node of the old cluster cannot take part in the new one.
func TestRestored(t *testing.T) {
	t.Parallel()
	authority := testcert.NewAuthority(t)
	cert, key := authority.Issue("node")
	files := []string{"--cluster-tls-cert", cert, "--cluster-tls-key", key, "--cluster-tls-ca", authority.File}
	n, list := prepare(t, names, append(files, patient...)...)
	n.startThese(names...)
	c := n.dial("a")
	c.send("add lock:1 0 600 3", "old", "add lock:2 0 0 3", "old")
	c.gets("STORED", "STORED")
	first := c.token("lock:1", "old")
	file := filepath.Join(t.TempDir(), "backup")
	if said := run(t, 1, "cluster", "backup", file, "--within", "1s", "--server", n.all["b"].Address()); !strings.Contains(said, "do the nodes speak TLS?") {
		t.Error(said)
	}
	n.command("b", 0, append(files, "cluster", "backup", file)...)
	c.send("add lock:late 0 600 4", "late")
	c.gets("STORED")
	late := c.token("lock:late", "late")
	for _, name := range names {
		n.kill(name)
	}
	old := filepath.Join(t.TempDir(), "old")
	if err := os.Rename(n.data("c"), old); err != nil {
		t.Fatal(err)
	}
	n.wipe("a")
	n.wipe("b")
	for _, name := range names {
		run(t, 0, append(files, "cluster", "restore", file, "--cluster", list, "--node", name, "--data", n.data(name))...)
	}
	if said := run(t, 1, append(files, "cluster", "restore", file, "--cluster", list, "--node", "a", "--data", n.data("a"))...); !strings.Contains(said, "not empty") {
		t.Error(said)
	}
	n.startThese(names...)
	d := n.dial("b")
	if got := d.token("lock:1", "old"); got != first {
		t.Errorf("the token was %s, and is %s", first, got)
	}
	d.token("lock:2", "old")
	d.send("get lock:late")
	d.gets("END") // it was not in the backup
	d.send("add lock:late 0 600 4", "next")
	d.gets("STORED")
	if got := d.token("lock:late", "next"); len(got) < len(late) || len(got) == len(late) && got <= late {
		t.Errorf("after token %s came %s", late, got)
	}
	restored := ""
	for _, name := range names {
		restored += n.all[name].Log()
	}
	if !strings.Contains(restored, "restored from a backup") {
		t.Error("nobody has noticed that the engine was restored")
	}
	// A node with the old data is of another cluster.
	n.kill("c")
	n.wipe("c")
	if err := os.Rename(old, n.data("c")); err != nil {
		t.Fatal(err)
	}
	p := harness.NewProcess(t, nil, n.flags["c"]...)
	if err := p.Command.Start(); err != nil {
		t.Fatal(err)
	}
	n.says("a", 1, "node c is missing", "cluster", "status")
	p.Kill()
	n.dial("a").token("lock:late", "next")
}

// needsTime skips a test of many seconds unless LOCKCACHED_ROUNDS is set, as in .ci/run. One reason
// is that etcd changes its members only when they have been connected for five seconds.
func needsTime(t *testing.T) {
	t.Helper()
	if os.Getenv("LOCKCACHED_ROUNDS") == "" {
		t.Skip("LOCKCACHED_ROUNDS is not set")
	}
}

// run runs lockcached, and expects an exit code.
func run(t *testing.T, code int, words ...string) string {
	t.Helper()
	c := harness.Lockcached(words...)
	out, err := c.CombinedOutput()
	if _, isExit := err.(*exec.ExitError); err != nil && !isExit || c.ProcessState.ExitCode() != code {
		t.Fatalf("%q: %v, want %d: %s", words, err, code, out)
	}
	return string(out)
}
