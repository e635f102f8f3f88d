package membership

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/cluster/engine/enginetest"
	"github.com/lockcached/lockcached/cluster/slots"
)

// store is an engine in memory with members that can be changed.
type store struct {
	*enginetest.Node
	members []engine.Member
	away    []string // addresses that do not answer
	refuses int      // how many changes fail first
	loses   bool     // the first change is carried out, and its answer lost
}

var errTooSoon = errors.New("unhealthy cluster")

func (s *store) Members(context.Context) ([]engine.Member, error) {
	return slices.Clone(s.members), nil
}

func (s *store) fails() (err error, lost bool) {
	if s.refuses > 0 {
		s.refuses--
		return errTooSoon, false
	}
	lost, s.loses = s.loses, false
	return nil, lost
}

func (s *store) AddMember(_ context.Context, address string) (m engine.Member, err error) {
	err, lost := s.fails()
	if err != nil {
		return m, err
	}
	m = engine.Member{ID: uint64(100 + len(s.members)), Address: address, Learner: true}
	s.members = append(s.members, m)
	if lost {
		err = errTooSoon
	}
	return m, err
}

func (s *store) RemoveMember(_ context.Context, id uint64) error {
	err, lost := s.fails()
	if err != nil {
		return err
	}
	s.members = slices.DeleteFunc(s.members, func(m engine.Member) bool { return m.ID == id })
	if lost {
		return errTooSoon
	}
	return nil
}

func (s *store) Answers(_ context.Context, address string) bool {
	return !slices.Contains(s.away, address)
}

const prefix = "/test/"

// withCluster runs a test with nodes that are members of the engine, of which those that live own
// slots.
func withCluster(t *testing.T, voters string, living string, test func(t *testing.T, c *Cluster, s *store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &store{Node: enginetest.New().Node("operator")}
		for i, name := range strings.Fields(voters) {
			s.members = append(s.members, engine.Member{ID: uint64(i + 1), Name: name, Address: "at-" + name})
		}
		var then []engine.Op
		for _, name := range strings.Fields(living) {
			m, _ := json.Marshal(slots.Member{Name: name})
			then = append(then, engine.Put(prefix+"member/inc-"+name, m))
		}
		if len(then) > 0 {
			put(t, s, then...)
			own(t, s, strings.Fields(living)...)
		}
		test(t, &Cluster{Engine: s, Prefix: prefix, Nodes: true}, s)
		_ = s.Close()
	})
}

func put(t *testing.T, s *store, ops ...engine.Op) {
	t.Helper()
	if _, err := s.Txn(t.Context(), engine.Txn{Then: ops}); err != nil {
		t.Fatal(err)
	}
}

// own gives the slots to nodes in turn.
func own(t *testing.T, s *store, names ...string) {
	t.Helper()
	type link struct {
		Incarnation string `json:"i"`
	}
	var chains [slots.Count][]link
	for slot := range chains {
		chains[slot] = []link{{"inc-" + names[slot%len(names)]}}
	}
	m, _ := json.Marshal(map[string]any{"format": 1, "chains": chains})
	put(t, s, engine.Put(prefix+"map", m))
}

func TestAdd(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		voters, node string
		prepare      func(c *Cluster, s *store)
		err          error
		text         string
	}{
		"ordinary":         {"a b c", "d", nil, nil, ""},
		"refused-at-first": {"a b c", "d", func(_ *Cluster, s *store) { s.refuses = 3 }, nil, ""},
		"answer-lost":      {"a b c", "d", func(_ *Cluster, s *store) { s.loses = true }, nil, ""},
		"added-before": {"a b c", "d", func(_ *Cluster, s *store) {
			s.members = append(s.members, engine.Member{ID: 9, Address: "at-d", Learner: true})
		}, nil, ""},
		"there":     {"a b c", "c", nil, ErrThere, "c, at at-c"},
		"five":      {"a b c d e", "f", nil, ErrNoPlace, ""},
		"elsewhere": {"x", "a", func(c *Cluster, _ *store) { c.Nodes = false }, ErrNoPlace, ""},
		"one-at-a-time": {"a b c", "d", func(_ *Cluster, s *store) {
			s.members = append(s.members, engine.Member{ID: 9, Address: "at-e", Learner: true})
		}, nil, "at-e was added and does not keep data yet"},
		"never": {"a b c", "d", func(_ *Cluster, s *store) { s.refuses = 1e9 }, errTooSoon, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withCluster(t, test.voters, "", func(t *testing.T, c *Cluster, s *store) {
				if test.prepare != nil {
					test.prepare(c, s)
				}
				before := len(s.members)
				ctx, stop := context.WithTimeout(t.Context(), time.Minute)
				defer stop()
				err := c.Add(ctx, engine.Peer{Name: test.node, Address: "at-" + test.node})
				switch {
				case test.err == nil && test.text == "":
					if err != nil || len(s.members) != 4 || s.members[3].Address != "at-d" {
						t.Errorf("%v, members %v", err, s.members)
					}
				case err == nil || test.err != nil && !errors.Is(err, test.err) || !strings.Contains(err.Error(), test.text) || len(s.members) != before:
					t.Errorf("%v, members %v", err, s.members)
				}
			})
		})
	}
}

// dutiful is a node that hands its slots over when it is told to.
func dutiful(t *testing.T, s *store, name string, heirs ...string) {
	go func() {
		for t.Context().Err() == nil {
			p, _, err := s.Get(t.Context(), prefix+"member/inc-"+name)
			if err == nil && strings.Contains(string(p.Value), `"leaving":true`) {
				own(t, s, heirs...)
				return
			}
			time.Sleep(time.Second)
		}
	}()
}

func TestRemove(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		voters, living, node string
		prepare              func(t *testing.T, c *Cluster, s *store)
		want                 Removed
		err                  error
		text                 string
	}{
		"living": {"a b c", "a b c", "c", func(t *testing.T, _ *Cluster, s *store) { dutiful(t, s, "c", "a", "b") },
			Removed{HandedOver: true, Ends: true, Voters: 2}, nil, ""},
		"dead":             {"a b c", "a b", "c", nil, Removed{Voters: 2}, nil, ""},
		"answer-lost":      {"a b c", "a b", "c", func(_ *testing.T, _ *Cluster, s *store) { s.loses = true }, Removed{Voters: 2}, nil, ""},
		"refused-at-first": {"a b c", "a b", "c", func(_ *testing.T, _ *Cluster, s *store) { s.refuses = 2 }, Removed{Voters: 2}, nil, ""},
		"never-started": {"a b c", "a b c", "at-d", func(_ *testing.T, _ *Cluster, s *store) {
			s.members = append(s.members, engine.Member{ID: 9, Address: "at-d", Learner: true})
		}, Removed{Voters: 3}, nil, ""},
		"sixth": {"a b c d e", "a b c d e f", "f", func(t *testing.T, _ *Cluster, s *store) { dutiful(t, s, "f", "a", "b") },
			Removed{HandedOver: true, Voters: 5}, nil, ""},
		"elsewhere": {"x y z", "a b", "a", func(t *testing.T, c *Cluster, s *store) {
			c.Nodes = false
			dutiful(t, s, "a", "b")
		}, Removed{HandedOver: true}, nil, ""},
		"known": {"a b c", "a b c", "old", func(t *testing.T, _ *Cluster, s *store) {
			put(t, s, engine.Put(prefix+"nodes/old", []byte("{}")))
		}, Removed{Voters: 3}, nil, ""},
		"unknown": {"a b c", "a b c", "d", nil, Removed{}, ErrUnknown, ""},
		"removed": {"a b c", "a b c", "old", func(t *testing.T, _ *Cluster, s *store) {
			put(t, s, engine.Put(prefix+"nodes/old", []byte(`{"removed":true}`)))
		}, Removed{}, ErrUnknown, ""},
		"last":    {"a", "a", "a", nil, Removed{}, ErrLast, ""},
		"no-heir": {"a b c", "a", "a", nil, Removed{}, ErrLast, ""},
		"quorum": {"a b c", "a b", "b", func(_ *testing.T, _ *Cluster, s *store) { s.away = []string{"at-c"} },
			Removed{}, ErrKeepQuorum, "of 2 that remain 1 answer, and a majority is 2"},
		"slow": {"a b c", "a b c", "c", nil, Removed{}, context.DeadlineExceeded, "slots were not handed over in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withCluster(t, test.voters, test.living, func(t *testing.T, c *Cluster, s *store) {
				if test.prepare != nil {
					test.prepare(t, c, s)
				}
				before := len(s.members)
				ctx, stop := context.WithTimeout(t.Context(), time.Minute)
				defer stop()
				done, err := c.Remove(ctx, test.node)
				if test.err != nil {
					if !errors.Is(err, test.err) || !strings.Contains(err.Error(), test.text) || len(s.members) != before {
						t.Errorf("%v, members %v", err, s.members)
					}
					return
				}
				if err != nil || done != test.want || slices.ContainsFunc(s.members, func(m engine.Member) bool { return m.Name == test.node }) && c.Nodes {
					t.Errorf("%+v, %v, members %v", done, err, s.members)
				}
				if _, err := c.Remove(ctx, test.node); !errors.Is(err, ErrUnknown) && !done.HandedOver {
					t.Errorf("once more: %v", err)
				}
			})
		})
	}
}
