package cluster_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/testenv"
)

// addresses are those of the nodes that run.
func (n *nodes) addresses() (all []string) {
	for _, name := range names {
		if p := n.all[name]; p != nil {
			all = append(all, p.Address())
		}
	}
	return all
}

// A job is a command under a lock, which ends when it is told to.
type job struct {
	*exec.Cmd
	input  io.Closer
	lines  *bufio.Reader
	stderr bytes.Buffer
}

// begin starts a command under a lock of the cluster. It prints its token when it has the lock.
func (n *nodes) begin(key string) *job {
	n.t.Helper()
	j := &job{Cmd: harness.Lockcached("lock", key, "--ttl", "10m", "-v", "--server", strings.Join(n.addresses(), ","),
		"--", "sh", "-c", `echo "$LOCKCACHED_TOKEN"; read line; true`)}
	in, err1 := j.StdinPipe()
	out, err2 := j.StdoutPipe()
	j.Stderr = &j.stderr
	if err := errors.Join(err1, err2, j.Start()); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = j.Process.Kill() })
	j.input, j.lines = in, bufio.NewReader(out)
	return j
}

func (j *job) token(t *testing.T) string {
	t.Helper()
	line, err := j.lines.ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %s", err, &j.stderr)
	}
	return strings.TrimSpace(line)
}

// finish lets the command end, and fails the test if it had not the lock until then.
func (j *job) finish(t *testing.T) {
	t.Helper()
	_ = j.input.Close()
	if err := j.Wait(); err != nil {
		t.Errorf("%v: %s", err, &j.stderr)
	}
}

// awaitQueued waits until somebody waits in line for a lock.
func (n *nodes) awaitQueued(key string) {
	n.t.Helper()
	testenv.Eventually(n.t, "somebody waits in line", func() bool {
		for name := range n.all {
			for _, line := range harness.Ask(n.t, n.all[name].Address(), "stats lock "+key) {
				if line == "STAT queued 1" {
					return true
				}
			}
			break
		}
		return false
	})
}

// The owner of a lock is killed, and then stopped: the command that has the lock runs on, and
// lockcached lock releases it in the end; the one that waits gets it then, and not before.
func TestLockCommand(t *testing.T) {
	t.Parallel()
	n := startNodes(t)
	const key = "lock:job"
	first := n.begin(key)
	token := first.token(t)
	second := n.begin(key)
	n.awaitQueued(key)

	owner := n.owner(key)
	n.kill(owner)
	first.finish(t)
	next := second.token(t)
	if next <= token {
		t.Errorf("after token %s came %s", token, next)
	}

	n.start(owner)
	n.awaitSlots()
	third := n.begin(key)
	n.awaitQueued(key)
	owner = n.owner(key)
	n.signal(owner, syscall.SIGSTOP)
	second.finish(t)
	if got := third.token(t); got <= next {
		t.Errorf("after token %s came %s", next, got)
	}
	n.signal(owner, syscall.SIGCONT)
	third.finish(t)
}

// A client keeps its lock while the nodes are killed one after the other, so that it loses the
// owner, the node that it is connected to, and the leader of the engine. Nobody else gets the lock
// meanwhile.
func TestClientThroughLosses(t *testing.T) {
	t.Parallel()
	n := startNodes(t)
	const key = "lock:job"
	c := n.client(n.all["a"].Address())
	l, err := c.Lock(t.Context(), key, client.TTL(testenv.Patience))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		n.flags[name] = append(n.flags[name], "-p", n.all[name].Port()) // it comes back at its address
		n.kill(name)
		testenv.Eventually(t, "a renewal without node "+name, func() bool {
			err := l.Renew(t.Context(), 0)
			if err != nil && !errors.Is(err, client.ErrUnavailable) {
				t.Fatal(err)
			}
			return err == nil
		})
		if _, err := n.client(n.addresses()...).TryLock(t.Context(), key); !errors.Is(err, client.ErrHeld) && !errors.Is(err, client.ErrUnavailable) {
			t.Errorf("without node %s another client gets %v", name, err)
		}
		n.start(name)
		n.awaitSlots()
	}
	if err := l.Unlock(); err != nil {
		t.Error(err)
	}
}

func (n *nodes) client(addresses ...string) *client.Client {
	n.t.Helper()
	c, err := client.New(client.Config{Cluster: addresses})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = c.Close() })
	return c
}

// lockcached ls finds the locks of all nodes by one of them, and says so if one cannot be asked.
func TestListOfNodes(t *testing.T) {
	t.Parallel()
	n := startNodes(t)
	c := n.dial("a")
	of := make(map[string]string) // a key for each node
	for i := 0; len(of) < len(names); i++ {
		key := "lock:" + strings.Repeat("x", i)
		of[n.owner(key)] = key
	}
	for _, key := range of {
		c.send("add " + key + " 0 600 1\r\nx")
		c.gets("STORED")
	}
	out, err := harness.Lockcached("ls", "--json", "--server", n.all["b"].Address()).Output()
	var list []struct{ Key, Node, Server string }
	if err != nil || json.Unmarshal(out, &list) != nil || len(list) != len(names) {
		t.Fatalf("%v: %s", err, out)
	}
	for _, lock := range list {
		if of[lock.Node] != lock.Key || lock.Server != n.all[lock.Node].Address() {
			t.Errorf("%+v", lock)
		}
	}
	out, err = harness.Lockcached("ls", "--sort", "node", "--server", n.all["b"].Address()).Output()
	lines := strings.Split(string(out), "\n")
	if err != nil || len(lines) != 5 || !strings.HasSuffix(lines[0], "NODE") || !strings.HasSuffix(lines[1], " a") || !strings.HasSuffix(lines[3], " c") {
		t.Errorf("%v: %s", err, out)
	}

	n.signal("c", syscall.SIGSTOP)
	away := n.all["c"].Address()
	ls := harness.Lockcached("ls", "--timeout", "1s", "--json", "--server", strings.Join(n.addresses(), ","))
	var stderr bytes.Buffer
	ls.Stderr = &stderr
	out, _ = ls.Output()
	if code := ls.ProcessState.ExitCode(); code != 1 || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), away) {
		t.Errorf("exit %d: %s", code, &stderr)
	}
	if json.Unmarshal(out, &list) != nil || !slices.ContainsFunc(list, func(l struct{ Key, Node, Server string }) bool { return l.Node == "a" }) {
		t.Errorf("the others' locks are missing: %s", out)
	}
	n.signal("c", syscall.SIGCONT)
}
