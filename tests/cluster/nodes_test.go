package cluster_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/lan"
	"github.com/lockcached/lockcached/internal/ports"
	"github.com/lockcached/lockcached/internal/testenv"
)

// nodes are the processes of a cluster of three.
type nodes struct {
	t     *testing.T
	flags map[string][]string
	all   map[string]*harness.Process
	lan   *lan.LAN // whose hosts they are; nil for this one
}

var names = []string{"a", "b", "c"}

// patient are flags for tests that do not expect errors: on a busy machine a take-over may take longer
// than the default patience.
var patient = []string{"--cluster-patience", "1m"}

// startNodes starts three nodes, with more flags, and waits until they serve all keys.
func startNodes(t *testing.T, more ...string) *nodes {
	t.Helper()
	n := &nodes{t: t, flags: make(map[string][]string), all: make(map[string]*harness.Process)}
	dir := t.TempDir()
	var members []string
	for _, name := range names {
		members = append(members, fmt.Sprintf("%s=127.0.0.1:%d", name, freePair(t)))
	}
	for _, name := range names {
		n.flags[name] = append([]string{
			"--cluster", strings.Join(members, ","), "--node", name, "--data", filepath.Join(dir, name), "--drain", "1m",
		}, more...)
	}
	t.Cleanup(n.stopAll)
	n.startAll()
	n.awaitSlots()
	return n
}

// startAll starts all nodes, which wait for each other.
func (n *nodes) startAll() {
	n.t.Helper()
	var flags [][]string
	for _, name := range names {
		flags = append(flags, n.flags[name])
	}
	for i, p := range harness.StartEach(n.t, n.within, flags...) {
		n.all[names[i]] = p
	}
}

// freePair returns a port that is free, and so is the next one.
func freePair(t *testing.T) int {
	t.Helper()
	port, err := ports.Free(2)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// within starts a process on its host.
func (n *nodes) within(i int, start func()) {
	if n.lan == nil {
		start()
	} else if err := n.lan.Enter(i, start); err != nil {
		n.t.Fatal(err)
	}
}

// address is where clients reach a node.
func (n *nodes) address(name string) string {
	if n.lan == nil {
		return n.all[name].Address()
	}
	return net.JoinHostPort(n.lan.Address(slices.Index(names, name)), n.all[name].Port())
}

// stopAll ends what still runs. Without a majority the rest cannot leave in an orderly way.
func (n *nodes) stopAll() {
	for _, p := range n.all {
		_ = p.Command.Process.Signal(syscall.SIGCONT)
		p.Kill()
	}
}

// kill kills a node, and start starts it again.

func (n *nodes) kill(name string) {
	n.all[name].Kill()
	delete(n.all, name)
}

func (n *nodes) start(name string) {
	n.t.Helper()
	n.all[name] = harness.Start(n.t, n.flags[name]...)
}

func (n *nodes) signal(name string, s os.Signal) {
	n.t.Helper()
	p := n.all[name].Command.Process
	if err := p.Signal(s); err != nil {
		n.t.Fatal(err)
	}
	if s == syscall.SIGSTOP {
		testenv.Eventually(n.t, "the node is stopped", func() bool { return isStopped(n.t, p.Pid) })
	}
}

// isStopped reports whether all threads of a process are stopped. On a busy machine they may run
// on for a while after the signal was sent.
func isStopped(t *testing.T, pid int) bool {
	t.Helper()
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(stats) == 0 {
		t.Fatalf("process %d: %v", pid, err)
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		if _, rest, _ := strings.Cut(string(stat), ") "); !strings.HasPrefix(rest, "T") {
			return false
		}
	}
	return true
}

// cluster reads "stats cluster" at a node.
func (n *nodes) cluster(name string) map[string]string {
	n.t.Helper()
	values := make(map[string]string)
	c := n.dial(name)
	defer c.close()
	c.send("stats cluster")
	for {
		words := strings.Fields(c.line())
		if len(words) != 3 {
			return values
		}
		values[words[1]] = words[2]
	}
}

// awaitSlots waits until the nodes that run serve all slots.
func (n *nodes) awaitSlots() {
	n.t.Helper()
	testenv.Eventually(n.t, "every slot has an owner", func() bool {
		owned := 0
		for name := range n.all {
			var here int
			_, _ = fmt.Sscan(n.cluster(name)["slots_owned"], &here)
			owned += here
		}
		return owned == 256
	})
}

// parked is how many connections of a node wait for something.
func (n *nodes) parked(name string) (waiting int) {
	n.t.Helper()
	c := n.dial(name)
	defer c.close()
	c.send("stats conns")
	for line := c.line(); line != "END"; line = c.line() {
		if strings.HasSuffix(line, ":state conn_waiting") {
			waiting++
		}
	}
	return waiting
}

// awaitLoss waits until a node knows that another one is no member any more.
func (n *nodes) awaitLoss(at, lost string) {
	n.t.Helper()
	testenv.Eventually(n.t, lost+" is fenced", func() bool { return n.cluster(at)["node_"+lost] == "" })
}

// awaitReturn waits until a node that was fenced is back and serves slots of its own.
func (n *nodes) awaitReturn(name string) {
	n.t.Helper()
	testenv.Eventually(n.t, name+" is back", func() bool {
		values := n.cluster(name)
		return values["node_"+name] != "" && values["quorum"] == "1" && values["members"] == "3" && n.cluster(n.others(name)[0])["node_"+name] != ""
	})
	n.awaitSlots()
}

// owner returns the node that serves a key.
func (n *nodes) owner(key string) (name string) {
	n.t.Helper()
	testenv.Eventually(n.t, key+" has an owner", func() bool {
		for asked := range n.all {
			c := n.dial(asked)
			c.send("get lockcached:owner:" + key)
			if line := c.line(); strings.HasPrefix(line, "VALUE") {
				name, _, _ = strings.Cut(c.line(), " ")
			}
			c.close()
			break
		}
		return n.all[name] != nil
	})
	return name
}

// others are the nodes beside one.
func (n *nodes) others(name string) (others []string) {
	for _, other := range names {
		if other != name {
			others = append(others, other)
		}
	}
	return others
}

// conn is a connection to a node.
type conn struct {
	net.Conn
	t  *testing.T
	in *bufio.Reader
}

func (n *nodes) dial(name string) *conn {
	n.t.Helper()
	var c net.Conn
	var err error
	dial := func() { c, err = net.Dial("tcp", n.address(name)) }
	if n.lan == nil {
		dial()
	} else if entry := n.lan.Enter(lan.Switch, dial); entry != nil {
		n.t.Fatal(entry)
	}
	if err != nil {
		n.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(testenv.Patience))
	n.t.Cleanup(func() { _ = c.Close() })
	return &conn{c, n.t, bufio.NewReader(c)}
}

func (c *conn) close() { _ = c.Close() }

// send sends lines.
func (c *conn) send(lines ...string) {
	c.t.Helper()
	if _, err := fmt.Fprint(c, strings.Join(lines, "\r\n")+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

func (c *conn) line() string {
	c.t.Helper()
	line, err := c.in.ReadString('\n')
	if err != nil {
		c.t.Fatalf("%v after %q", err, line)
	}
	return strings.TrimSuffix(line, "\r\n")
}

// gets reads lines and compares them.
func (c *conn) gets(want ...string) {
	c.t.Helper()
	for _, w := range want {
		if got := c.line(); got != w {
			c.t.Fatalf("got %q, want %q", got, w)
		}
	}
}

// token reads a lock's holder and token.
func (c *conn) token(key, holder string) (token string) {
	c.t.Helper()
	c.send("gets " + key)
	words := strings.Fields(c.line())
	if len(words) != 5 {
		c.t.Fatalf("gets %s: %q", key, words)
	}
	c.gets(holder, "END")
	return words[4]
}
