package cluster

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/stats"
)

// Quorum reports whether answers about locks can be confirmed.
func (n *Node) Quorum() bool { return n.journal.Err() == nil }

// Fields implements server.Cluster: the node's own numbers, what it knows of the engine, and a row
// for each node.
func (n *Node) Fields() []stats.Field {
	all, seen := n.nodes()
	owned := n.slots.Slots()
	members, unowned := 0, 0
	for _, count := range owned {
		unowned += count
	}
	for _, x := range all {
		if x.member != nil {
			members++
			unowned -= owned[x.member.Incarnation]
		}
	}
	fields := []stats.Field{
		{Name: "cluster", Text: cmp.Or(n.ID(), "-")},
		{Name: "node", Text: n.config.Name},
		{Name: "quorum", Text: bit(n.Quorum())},
		{Name: "members", Text: strconv.Itoa(members)},
		{Name: "members_missing", Text: strconv.Itoa(missing(all))},
		{Name: "slots_owned", Text: strconv.Itoa(owned[n.slots.Incarnation()])},
		{Name: "slots_without_owner", Text: strconv.Itoa(unowned)},
		{Name: "patience_ms", Text: strconv.FormatInt(n.config.Patience.Milliseconds(), 10)},
		{Name: "suspect_ms", Text: strconv.FormatInt(n.config.Suspect.Milliseconds(), 10)},
	}
	fields = append(fields, n.engineFields(&seen.engine)...)
	for _, x := range all {
		prefix := "node_"
		if x.member == nil { // clients need not know of it
			prefix = "missing_"
		}
		fields = append(fields, stats.Field{Name: prefix + x.name, Text: n.row(x, &seen.engine, owned)})
	}
	return fields
}

func bit(is bool) string {
	if is {
		return "1"
	}
	return "0"
}

// missing counts the nodes that belong to the cluster and are not there.
func missing(all []*expected) (n int) {
	for _, x := range all {
		if x.member == nil {
			n++
		}
	}
	return n
}

func (n *Node) engineFields(s *engine.Status) []stats.Field {
	where := "external"
	if n.config.Embedded {
		where = "embedded"
	}
	number := func(x int64) string { return strconv.FormatInt(x, 10) }
	return []stats.Field{
		{Name: "engine", Text: where},
		{Name: "engine_version", Text: cmp.Or(s.Version, "unknown")},
		{Name: "engine_leader", Text: cmp.Or(s.LeaderName(), "none")},
		{Name: "engine_term", Text: strconv.FormatUint(s.Term, 10)},
		{Name: "engine_bytes", Text: number(s.Bytes)},
		{Name: "engine_bytes_in_use", Text: number(s.InUse)},
		{Name: "engine_bytes_max", Text: number(s.Quota)},
		{Name: "engine_alarms", Text: cmp.Or(strings.Join(s.Alarms, ","), "none")},
	}
}

// row shows a node in one word.
func (n *Node) row(x *expected, s *engine.Status, owned map[string]int) string {
	role := "none"
	switch v := x.voter; {
	case v == nil:
	case v.ID == s.Leader:
		role = "leader"
	case v.Learner:
		role = "learner"
	default:
		role = "voter"
	}
	m := x.member
	if m == nil {
		state := "missing"
		if x.voter != nil && x.voter.Name == "" {
			state = "added"
		}
		return fmt.Sprintf("state=%s,slots=0,engine=%s", state, role)
	}
	state := "member"
	if m.Leaving {
		state = "leaving"
	}
	return fmt.Sprintf("state=%s,slots=%d,heard_ms=%d,clients=%s,link=%s,version=%s,engine=%s",
		state, owned[m.Incarnation], n.silence(m.Incarnation).Milliseconds(), m.Clients, m.Link, m.Version, role)
}

// silence is for how long a member has not been heard; 0 for this node.
func (n *Node) silence(incarnation string) time.Duration {
	n.mu.Lock()
	p := n.peers[incarnation]
	n.mu.Unlock()
	if p == nil {
		return 0
	}
	last, _ := p.Heard()
	return time.Since(last)
}

// ClusterStats is what the node reports for metrics.
func (n *Node) ClusterStats() stats.Cluster {
	all, seen := n.nodes()
	written, lived := n.journal.Counts(), n.slots.Counts()
	c := stats.Cluster{
		Quorum: n.Quorum(), Members: len(all) - missing(all), Missing: missing(all),
		Slots:   n.slots.Slots()[n.slots.Incarnation()],
		Retries: written.Retries, Fenced: lived.Fenced,
		Commits: written.Commits, Confirms: written.Confirms, TakeOvers: lived.TakeOvers, Batches: written.Batches,
		Engine: stats.ClusterEngine{
			Leads: seen.engine.Local && seen.engine.Leader == seen.engine.ID, HasLeader: seen.engine.Leader != 0,
			Bytes: seen.engine.Bytes, InUse: seen.engine.InUse, Quota: seen.engine.Quota, Alarms: seen.engine.Alarms,
		},
	}
	for _, x := range all {
		if x.name != n.config.Name {
			c.Peers = append(c.Peers, n.peerStats(x))
		}
	}
	return c
}

func (n *Node) peerStats(x *expected) stats.ClusterPeer {
	p := stats.ClusterPeer{Name: x.name}
	n.mu.Lock()
	if count := n.forwarded[x.name]; count != nil {
		p.Forwarded = count.Load()
	}
	n.mu.Unlock()
	p.Up = x.member != nil && n.silence(x.member.Incarnation) < n.config.Suspect
	return p
}
