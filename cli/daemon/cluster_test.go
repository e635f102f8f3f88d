//go:build !nocluster

package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lockcached/lockcached/internal/testcert"
)

// TestClusterRefused has wrong flags of a cluster with the one line that answers them.
func TestClusterRefused(t *testing.T) {
	t.Parallel()
	const (
		three = "--cluster a=127.0.0.1:7001,b=127.0.0.1:7003,c=127.0.0.1:7005 "
		node  = three + "--node a --data d "
		need  = ": needs --cluster, all nodes, such as --cluster a=HOST:PORT,b=HOST:PORT,c=HOST:PORT"
		tls   = "--cluster-tls-cert: needs --cluster-tls-key and --cluster-tls-ca, too"
	)
	for _, tt := range []struct{ args, want string }{
		{node, ""},
		{"--cluster a", `"a" is not of the form NAME=HOST:PORT`},
		{"--cluster a=127.0.0.1", `"127.0.0.1" is not of the form HOST:PORT`},
		{"--cluster a=127.0.0.1:0", "with a port from 1 to 65535"},
		{"--cluster a=127.0.0.1:65536", "with a port from 1 to 65535"},
		{"--cluster a=127.0.0.1:65535", "127.0.0.1:65535: each node needs the next port, too"},
		{"--cluster =127.0.0.1:1", `"" is no name`},
		{"--cluster a/b=127.0.0.1:1", `"a/b" is no name`},
		{"--cluster a=127.0.0.1:1,a=127.0.0.1:3", "the name a is there twice"},
		{"--cluster a=127.0.0.1:1,b=127.0.0.1:1", "the address 127.0.0.1:1 is there twice"},
		{"--cluster a=127.0.0.1:7001,b=127.0.0.1:7002", "a and b would both use 127.0.0.1:7002: each node uses its port and the next one"},
		{"--cluster a=127.0.0.1:7002,b=127.0.0.1:7001", "a and b would both use 127.0.0.1:7002"},
		{"--cluster a=127.0.0.1:7001,b=127.0.0.2:7002 --node a --data d", ""},
		{three + "--data d", "--cluster: needs --node, which of a, b, c this is"},
		{three + "--node d --data d", "--node d: is not in --cluster, which has a, b, c"},
		{three + "--node a/b", "--node a/b: should be one of the names in --cluster"},
		{three + "--node a", "--cluster: needs --data, the directory of this node, such as --data /var/lib/lockcached"},
		{"--cluster a=127.0.0.1:1,b=127.0.0.1:3,c=127.0.0.1:5,d=127.0.0.1:7,e=127.0.0.1:9,f=127.0.0.1:11 --node f", ""},
		{"--cluster a=127.0.0.1:1,b=127.0.0.1:3,c=127.0.0.1:5,d=127.0.0.1:7,e=127.0.0.1:9,f=127.0.0.1:11 --node e", "--cluster: needs --data"},
		{"--cluster a=10.0.0.1:7001,b=10.0.0.2:7001,c=10.0.0.3:7001 --node a --data d", "--cluster: needs --cluster-tls-cert, -key and -ca, because other machines can reach these addresses"},
		{"--cluster a=localhost:7001,b=[::1]:7001 --node a --data d", ""},
		{node + "--cluster-tls-cert x", tls}, {node + "--cluster-tls-key x", tls}, {node + "--cluster-tls-ca x", tls},
		{node + "--cluster-tls-cert x --cluster-tls-key y --cluster-tls-ca z", "--cluster-tls-cert: "},
		{node + "--cluster-engine http://127.0.0.1:2379", "--data with --cluster-engine: the other engine keeps all data; leave --data out"},
		{three + "--node a --cluster-engine http://127.0.0.1:2379", ""},
		{three + "--cluster-engine 127.0.0.1:2379", "should be URLs such as http://HOST:2379"},
		{node + "--cluster-login f", "--cluster-login: needs --cluster-engine, the etcd that it is for"},
		{node + "--fsync always", "--fsync with --cluster: a majority of the nodes has every change on its disk"},
		{node + "--cluster-suspect 100ms", "--cluster-suspect 100ms: should be at least 500ms"},
		{node + "--cluster-ticks 1ms", "--cluster-ticks 1ms: should be from 10ms to 5s"},
		{node + "--cluster-ticks 6s", "--cluster-ticks 6s: should be from 10ms to 5s"},
		{node + "--cluster-ticks 100", "a duration needs a unit"},
		{node + "--cluster-patience 0s", "should be longer than 0"},
		{node + "--cluster-clients x", `should be HOST:PORT, not "x"`},
		{"--node a", "--node" + need}, {"--cluster-engine http://x", "--cluster-engine" + need}, {"--cluster-login f", "--cluster-login" + need},
		{"--cluster-clients a:1", "--cluster-clients" + need}, {"--cluster-tls-cert f", "--cluster-tls-cert" + need},
		{"--cluster-tls-key f", "--cluster-tls-key" + need}, {"--cluster-tls-ca f", "--cluster-tls-ca" + need},
		{"--cluster-patience 1s", "--cluster-patience" + need}, {"--cluster-suspect 1s", "--cluster-suspect" + need},
		{"--cluster-ticks 100ms", "--cluster-ticks" + need},
	} {
		_, err := readConfig(strings.Fields(tt.args))
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.args, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%s: %v, want %s", tt.args, err, tt.want)
		}
	}
}

// Numbers of nodes that gain nothing are said, and served.
func TestClusterWarnings(t *testing.T) {
	t.Parallel()
	for nodes, want := range map[string]string{
		"a=127.0.0.1:1":                                                "--cluster has one node: nobody takes over if it is lost",
		"a=127.0.0.1:1,b=127.0.0.1:3":                                  "--cluster: 2 nodes outlive the loss of 0, as 1 do; take an odd number",
		"a=127.0.0.1:1,b=127.0.0.1:3,c=127.0.0.1:5":                    "",
		"a=127.0.0.1:1,b=[::1]:1,c=[::1]:3,d=[::1]:5":                  "--cluster: 4 nodes outlive the loss of 1, as 3 do; take an odd number",
		"a=[::1]:1,b=[::1]:3,c=[::1]:5,d=[::1]:7,e=[::1]:9,f=[::1]:11": "", // the first five count
	} {
		c := mustConfig(t, "--cluster", nodes, "--node", "a", "--data", "d")
		if got := strings.Join(c.warnings, "\n"); got != want {
			t.Errorf("%s: %q", nodes, got)
		}
	}
}

// The first five keep the data, and whoever has some.
func TestWhoKeepsData(t *testing.T) {
	t.Parallel()
	const six = "a=[::1]:1,b=[::1]:3,c=[::1]:5,d=[::1]:7,e=[::1]:9,f=[::1]:11"
	of := func(node, dir string) (keeps bool, peers []string) {
		k := &mustConfig(t, "--cluster", six, "--node", node, "--data", dir).cluster
		for _, p := range k.peers() {
			peers = append(peers, p.Name)
		}
		return k.keepsData(dir), peers
	}
	empty, full := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(full, "engine", "member", "wal"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(full, "engine", "member", "wal", "0000000000000000-0000000000000000.wal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	first := []string{"a", "b", "c", "d", "e"}
	if keeps, peers := of("e", empty); !keeps || !slices.Equal(peers, first) {
		t.Errorf("the fifth: %v, %v", keeps, peers)
	}
	if keeps, _ := of("f", empty); keeps {
		t.Error("the sixth keeps data")
	}
	if keeps, peers := of("f", full); !keeps || !slices.Equal(peers, append(first, "f")) {
		t.Errorf("the sixth, which has data: %v, %v", keeps, peers)
	}
}

// Files of TLS are read when the flags are.
func TestClusterFiles(t *testing.T) {
	t.Parallel()
	authority := testcert.NewAuthority(t)
	cert, key := authority.Issue("a")
	_, strange := authority.Issue("b")
	node := []string{"--cluster", "a=192.0.2.1:7001,b=192.0.2.2:7001,c=192.0.2.3:7001", "--node", "a", "--data", "d"}
	for _, tt := range []struct{ cert, key, ca, want string }{
		{cert, key, authority.File, ""},
		{"nowhere", key, authority.File, "--cluster-tls-cert: "},
		{cert, strange, authority.File, "--cluster-tls-cert: "},
		{cert, key, "nowhere", "--cluster-tls-ca nowhere: "},
		{cert, key, key, "--cluster-tls-ca " + key + ": "},
	} {
		_, err := readConfig(append(slices.Clone(node), "--cluster-tls-cert", tt.cert, "--cluster-tls-key", tt.key, "--cluster-tls-ca", tt.ca))
		if got := message(err); tt.want == "" && got != "" || !strings.HasPrefix(got, tt.want) || strings.Contains(got, "\n") {
			t.Errorf("%q: %q", tt, got)
		}
	}
}
