package etcd

import (
	"errors"
	"os"
	"strings"
	"testing"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"

	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/internal/testenv"
)

// founded is a cluster of the founding members, as they list it before any has run.
func founded(t *testing.T, c Config) (id string, members []*membership.Member) {
	t.Helper()
	urls, err := types.NewURLsMap(c.founding().initial)
	if err != nil {
		t.Fatal(err)
	}
	made, err := membership.NewClusterFromURLsMap(nil, c.Cluster, urls)
	if err != nil {
		t.Fatal(err)
	}
	return made.ID().String(), made.Members()
}

func TestDecide(t *testing.T) {
	t.Parallel()
	c, err := Config{Name: "a", Dir: "d", Peers: []engine.Peer{{Name: "a", Address: "127.0.0.1:1"}, {Name: "b", Address: "127.0.0.1:2"}, {Name: "c", Address: "127.0.0.1:3"}}}.checked()
	if err != nil {
		t.Fatal(err)
	}
	id, members := founded(t, c)
	const own, others, of4 = "http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:4"
	listed := func(url string, change func(m *membership.Member)) answer {
		a := answer{from: "b", state: hasData, cluster: id}
		for _, m := range members {
			m = m.Clone()
			if m.PeerURLs[0] == url {
				change(m)
			}
			a.members = append(a.members, m)
		}
		return a
	}
	waiting := listed(own, func(*membership.Member) {})
	known := listed(own, func(m *membership.Member) { m.ClientURLs = []string{own} })
	unknown := listed(own, func(m *membership.Member) { m.PeerURLs = []string{of4} })
	added := listed(own, func(m *membership.Member) { m.ID, m.Name, m.IsLearner = 0x77, "", true })
	elsewhere := waiting
	elsewhere.cluster = "1"
	empty, data, silent := answer{from: "b", state: isEmpty}, answer{from: "c", state: hasData}, answer{from: "c"}
	for name, test := range map[string]struct {
		answers []answer
		state   string
		err     error
	}{
		"alone":                  {[]answer{silent, silent}, "", errUndecided},
		"all-empty":              {[]answer{empty, empty}, embed.ClusterStateFlagNew, nil},
		"majority-empty":         {[]answer{empty, silent}, embed.ClusterStateFlagNew, nil},
		"others-have-data":       {[]answer{data, data}, "", errUndecided},
		"one-has-data":           {[]answer{data, silent}, "", errUndecided},
		"founded-without-us":     {[]answer{waiting, empty}, embed.ClusterStateFlagNew, nil},
		"lost":                   {[]answer{known, empty}, "", ErrDataLost},
		"lost-all-say-so":        {[]answer{known, known}, "", ErrDataLost},
		"one-has-not-heard":      {[]answer{known, waiting}, "", errUndecided},
		"not-added":              {[]answer{unknown, unknown}, "", ErrNotAdded},
		"one-knows-of-the-place": {[]answer{unknown, added}, "", errUndecided},
		"added":                  {[]answer{added, silent}, embed.ClusterStateFlagExisting, nil},
		"another-cluster":        {[]answer{elsewhere, elsewhere}, embed.ClusterStateFlagExisting, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := c.decide(test.answers)
			if b.state != test.state || !errors.Is(err, test.err) {
				t.Errorf("%v, %v, want %q, %v", b, err, test.state, test.err)
			}
		})
	}
	b, err := c.decide([]answer{added})
	for _, want := range []string{"a=" + own, "b=" + others} {
		if !strings.Contains(b.initial, want) {
			t.Errorf("%s lacks %s (%v)", b.initial, want, err)
		}
	}
}

// TestFounding: two of three found a cluster; the third comes later; one that has lost its
// data is told so, also when all have been away.
func TestFounding(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	c.start(0, 1)
	must(t, c.engines[0], engine.Put("k", []byte("v")))
	c.start(2)
	if got := value(t, c.engines[2], "k"); got != "v" {
		t.Errorf("the third member reads %q", got)
	}
	c.stop(0)
	if err := os.RemoveAll(c.configs[0].Dir); err != nil {
		t.Fatal(err)
	}
	lost := func() {
		t.Helper()
		if _, err := Start(patient(t), c.configs[0]); !errors.Is(err, ErrDataLost) {
			t.Errorf("a member without its data begins with %v", err)
		}
	}
	lost()
	c.stop(1)
	c.stop(2)
	started := make(chan struct{})
	go func() {
		defer close(started)
		lost() // as soon as the others answer
	}()
	c.start(1, 2)
	<-started
	if got := value(t, c.engines[1], "k"); got != "v" {
		t.Errorf("after all were away the second member reads %q", got)
	}
}

// TestJoining: a member is added, catches up, and votes; one that is removed ends.
func TestJoining(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 4, nil)
	all := c.configs[3].Peers
	for i := range 3 {
		c.configs[i].Peers = all[:3]
	}
	c.start(0, 1, 2)
	must(t, c.engines[0], engine.Put("k", []byte("v")))
	if _, err := Start(patient(t), c.configs[3]); !errors.Is(err, ErrNotAdded) {
		t.Fatalf("a member that was not added begins with %v", err)
	}
	ctx := patient(t)
	var added engine.Member
	testenv.Eventually(t, "a member can be added", func() (ok bool) { // not before all have been connected for some seconds
		var err error
		added, err = c.engines[1].AddMember(ctx, all[3].Address)
		return err == nil
	})
	if added.Address != all[3].Address || !added.Learner || added.Name != "" {
		t.Errorf("added %v", added)
	}
	c.start(3)
	if got := value(t, c.engines[3], "k"); got != "v" {
		t.Errorf("the added member reads %q", got)
	}
	members, err := c.engines[0].Members(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if m.Learner || m.Name == "" || len(members) != 4 {
			t.Errorf("members: %v", members)
		}
	}
	c.stop(3)
	c.start(3) // with its data it needs no place
	remove(t, c.engines[0], c.engines[3])
	if got := value(t, c.engines[0], "k"); got != "v" {
		t.Errorf("after the removal the first member reads %q", got)
	}
}

// remove removes a member that runs, and waits until it ends.
func remove(t *testing.T, e, gone *Engine) {
	t.Helper()
	status, err := gone.Status(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "a member can be removed", func() bool { return e.RemoveMember(patient(t), status.ID) == nil })
	<-gone.Done()
	if err := gone.Err(); !errors.Is(err, ErrRemoved) {
		t.Errorf("the removed member ends with %v", err)
	}
	if _, _, err := gone.Get(t.Context(), "k"); !errors.Is(err, engine.ErrRefused) || !errors.Is(err, ErrRemoved) {
		t.Errorf("the removed member reads with %v", err)
	}
}
