package cluster_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/lan"
	"github.com/lockcached/lockcached/internal/testenv"
)

// withCuts is set by .ci/run: these tests need root, and take a while.
const withCuts = "LOCKCACHED_CUTS"

// startApart starts three nodes on hosts of a network that can be cut.
func startApart(t *testing.T) *nodes {
	t.Helper()
	if os.Getenv(withCuts) == "" {
		t.Skip("set " + withCuts + " to cut nodes off")
	}
	testenv.Program(t, "ip")
	testenv.Root(t, "only root makes network namespaces")
	l, err := lan.New(len(names))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	n := &nodes{t: t, lan: l, flags: make(map[string][]string), all: make(map[string]*harness.Process)}
	dir := t.TempDir()
	cert, key, err := l.Certificate(dir)
	if err != nil {
		t.Fatal(err)
	}
	var members []string
	for i, name := range names {
		members = append(members, fmt.Sprintf("%s=%s:7001", name, l.Address(i)))
	}
	for i, name := range names {
		n.flags[name] = []string{
			"--cluster", strings.Join(members, ","), "--node", name, "--data", filepath.Join(dir, name), "-l", l.Address(i),
			"--cluster-tls-cert", cert, "--cluster-tls-key", key, "--cluster-tls-ca", cert,
		}
	}
	t.Cleanup(n.stopAll)
	n.startAll()
	n.awaitSlots()
	return n
}

// cut lets neither of two nodes hear the other.
func (n *nodes) cut(a, b string) {
	n.t.Helper()
	for i, one := range names {
		for j, other := range names {
			if one == a && other == b || one == b && other == a {
				if err := n.lan.Deafen(i, j); err != nil {
					n.t.Fatal(err)
				}
			}
		}
	}
}

// A node that is cut off from the others, but not from its clients, answers nothing about locks, soon
// at once; the others serve its locks. When the cut is mended it says what they say.
func TestNodeCutOff(t *testing.T) {
	t.Parallel()
	n := startApart(t)
	const key = "lock:job"
	owner := n.owner(key)
	others := n.others(owner)
	inside, outside := n.dial(owner), n.dial(others[0])
	outside.send("add "+key+" 0 600 5", "alice")
	outside.gets("STORED")
	token := outside.token(key, "alice")
	n.cut(owner, others[0])
	n.cut(owner, others[1])
	n.awaitLoss(others[0], owner)
	if got := n.dial(others[1]).token(key, "alice"); got != token {
		t.Errorf("the token was %s, and is %s", token, got)
	}
	outside.send("md "+key+" C"+token, "add "+key+" 0 600 3", "bob")
	outside.gets("HD", "STORED")
	token = outside.token(key, "bob")
	for _, request := range []string{"gets " + key, "add " + key + " 0 600 1\r\nx", "get " + key, "delete " + key} {
		inside.send(request)
		if line := inside.line(); !strings.HasPrefix(line, "SERVER_ERROR ") {
			t.Errorf("%q: %q", request, line)
		}
	}
	inside.send("version", "mn")
	inside.line()
	inside.gets("MN")
	if err := n.lan.Heal(); err != nil {
		t.Fatal(err)
	}
	n.awaitReturn(owner)
	if got := n.dial(owner).token(key, "bob"); got != token {
		t.Errorf("the token is %s, and at the node that was cut off %s", token, got)
	}
}

// If only two nodes do not hear each other nobody is fenced, since the third hears both.
func TestTwoNodesCut(t *testing.T) {
	t.Parallel()
	n := startApart(t)
	a, b := "a", "b"
	n.cut(a, b)
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); { // twice the suspicion
		if values := n.cluster("c"); values["node_"+a] == "" || values["node_"+b] == "" {
			t.Fatalf("fenced: %q", values)
		}
	}
	if err := n.lan.Heal(); err != nil {
		t.Fatal(err)
	}
	n.awaitSlots()
	c := n.dial(a)
	c.send("add lock:1 0 600 1", "x")
	for line := c.line(); line != "STORED"; line = c.line() {
		if !strings.HasPrefix(line, "SERVER_ERROR ") { // its link may not be there again
			t.Fatal(line)
		}
		c.send("add lock:1 0 600 1", "x")
	}
}
