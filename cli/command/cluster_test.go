package command_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lockcached/lockcached/cli/internal/clitest"
	"github.com/lockcached/lockcached/cli/internal/exit"
)

func TestClusterCommandRefusals(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"cluster", "cluster: should be followed by status, add, remove, backup or restore"},
		{"cluster stat", "cluster stat: should be status, add, remove, backup or restore"},
		{"cluster status a", "a: is one word too many: lockcached cluster status takes none"},
		{"cluster add", "cluster add: needs one word more: lockcached cluster add NAME=HOST:PORT"},
		{"cluster remove a b", "b: is one word too many: lockcached cluster remove NAME"},
		{"cluster add d", `cluster add d: "d" is not of the form NAME=HOST:PORT`},
		{"cluster add d=127.0.0.1:1,e=127.0.0.1:3", "cluster add d=127.0.0.1:1,e=127.0.0.1:3: takes one node at a time"},
		{"cluster add d=127.0.0.1", `cluster add d=127.0.0.1: "127.0.0.1" is not of the form HOST:PORT`},
		{"cluster remove a --cluster a", `--cluster a: "a" is not of the form NAME=HOST:PORT`},
		{"cluster remove a --cluster-engine x", "--cluster-engine x: should be URLs such as http://HOST:2379"},
		{"cluster remove a --cluster-tls-cert x", "--cluster-tls-cert: needs --cluster-tls-key and --cluster-tls-ca, too"},
		{"cluster remove a --cluster a=192.0.2.1:7001", "--cluster-tls-cert: is needed, as are -key and -ca, because 192.0.2.1:7001 is not on this machine"},
		{"cluster restore f", "cluster restore: needs --cluster, --node and --data, those of the node"},
		{"cluster restore f --cluster-engine http://127.0.0.1:1", "cluster restore: is for the engine within the nodes"},
		{"cluster remove a --within 0", "--within 0: should be longer than 0"},
	} {
		got := clitest.Execute(strings.Fields(tt.args)...)
		if got.Code != exit.Refused || got.Stdout != "" || !strings.HasPrefix(got.Stderr, "lockcached: "+tt.want) || strings.Count(got.Stderr, "\n") != 1 {
			t.Errorf("%s: %+v", tt.args, got)
		}
	}
}

// answers are what a node says to "stats cluster".
const (
	healthy = `STAT node a
STAT quorum 1
STAT members 2
STAT members_missing 0
STAT slots_owned 128
STAT slots_without_owner 0
STAT engine embedded
STAT engine_version 3.7.3
STAT engine_leader a
STAT engine_term 2
STAT engine_bytes 1572864
STAT engine_bytes_in_use 1048576
STAT engine_bytes_max 4294967296
STAT engine_alarms none
STAT node_b state=member,slots=128,heard_ms=40,clients=127.0.0.1:11212,link=127.0.0.1:7004,version=0.1.0,engine=voter
STAT node_a state=member,slots=128,heard_ms=0,clients=127.0.0.1:11211,link=127.0.0.1:7002,version=0.1.0,engine=leader
END
`
	missing = "STAT missing_c state=missing,slots=0,engine=none\nEND\n"
)

// wire makes the lines of an answer as they are sent.
func wire(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

func TestClusterStatus(t *testing.T) {
	good := stranger(t, wire(healthy))
	away := clitest.Nowhere(t)
	want := `quorum    yes
nodes     2
engine    etcd 3.7.3 in the nodes, led by a
database  1.5 MiB, 1 MiB of it in use; at most 4 GiB
alarms    none

NODE  STATE   SLOTS  HEARD     ENGINE  VERSION  CLIENTS          LINK
a     member  128    0s ago    leader  0.1.0    127.0.0.1:11211  127.0.0.1:7002
b     member  128    40ms ago  voter   0.1.0    127.0.0.1:11212  127.0.0.1:7004
`
	for _, servers := range []string{good, away + "," + good} {
		if got := clitest.Execute("cluster", "status", "--server", servers); got.Code != 0 || got.Stdout != want || got.Stderr != "" {
			t.Errorf("%s: %+v", servers, got)
		}
	}
	for name, tt := range map[string]struct{ answer, want string }{
		"no quorum": {strings.Replace(healthy, "quorum 1", "quorum 0", 1), "no quorum at node a: no request about a lock is answered"},
		"missing":   {strings.Replace(healthy, "END\n", missing, 1), "node c is missing"},
		"alarm":     {strings.Replace(healthy, "alarms none", "alarms NOSPACE", 1), "the engine raises an alarm: NOSPACE"},
	} {
		got := clitest.Execute("cluster", "status", "--server", stranger(t, wire(tt.answer)))
		if got.Code != exit.Failed || !strings.Contains(got.Stdout, "NODE  STATE") || got.Stderr != "lockcached: "+tt.want+"\n" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// One that has a quorum is asked rather than one that has none.
	cut := stranger(t, wire(strings.Replace(healthy, "quorum 1", "quorum 0", 1)))
	if got := clitest.Execute("cluster", "status", "--server", cut+","+good); got.Code != 0 {
		t.Errorf("%+v", got)
	}
	if got := clitest.Execute("cluster", "status", "--server", stranger(t, "ERROR\r\n")); got.Code != exit.Failed || !strings.Contains(got.Stderr, "is not a node of a cluster") {
		t.Errorf("%+v", got)
	}
	if got := clitest.Execute("cluster", "remove", "a", "--server", away); got.Code != exit.Failed || !strings.Contains(got.Stderr, "connection refused (--cluster names the nodes") {
		t.Errorf("%+v", got)
	}
}

func TestClusterStatusJSON(t *testing.T) {
	got := clitest.Execute("cluster", "status", "--json", "--server", stranger(t, wire(healthy)))
	var told struct {
		Quorum      int
		EngineBytes int `json:"engine_bytes"`
		Nodes       []struct{ Name, State, Engine, Version string }
	}
	if err := json.Unmarshal([]byte(got.Stdout), &told); err != nil || got.Code != 0 || told.Quorum != 1 || told.EngineBytes != 1572864 ||
		len(told.Nodes) != 2 || told.Nodes[0].Name != "a" || told.Nodes[1].Engine != "voter" {
		t.Errorf("%v: %+v", err, got)
	}
}
