package command

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/protocol"
)

// Several servers share the keys among themselves; the nodes of a cluster serve every key together.
// The addresses do not show which of them they are, so a command asks the servers before it begins:
// nobody has to say it, and one node suffices to find the others.

// nodes is the cluster that the servers of a command belong to.
type nodes struct {
	id    string            // of the cluster; "" for single servers
	names map[string]string // of nodes, by address
}

// grace is how long the other servers may take once one has said whether it is a node.
const grace = 500 * time.Millisecond

// discover finds out whether the servers are nodes of a cluster. It refuses servers that do not
// belong together. What it learns from no server it leaves as it was.
func (r *remote) discover() error {
	found := nodes{names: make(map[string]string)}
	node, single := "", "" // a server of each kind
	for x := range r.askUntilKnown("stats cluster") {
		told := parseStats(x.lines)
		id := told.text("cluster")
		switch {
		case x.err == errUnknown:
			single = x.server
		case x.err != nil || id == "" || id == "-": // or it does not know yet
			continue
		case found.id != "" && found.id != id:
			return exit.Refuse("--server "+x.server, "is a node of another cluster than "+node)
		default:
			node, found.id = x.server, id
			found.learn(told, x.server)
		}
	}
	switch {
	case node != "" && single != "":
		return exit.Refuse("--server "+single, "is no node of the cluster that "+node+" belongs to")
	case node != "":
		r.nodes = found
	}
	return nil
}

// askUntilKnown asks all servers, and yields the answers as they come. It waits for all of them only
// until one has answered, and a little longer.
func (r *remote) askUntilKnown(line string) func(yield func(answer) bool) {
	return func(yield func(answer) bool) {
		answers := make(chan answer, len(r.servers))
		asking := *r // which stays as it is for those that are late
		for _, server := range r.servers {
			go func() { answers <- asking.ask(server, line) }()
		}
		var late <-chan time.Time
		for range r.servers {
			select {
			case x := <-answers:
				if late == nil && (x.err == nil || x.err == errUnknown) {
					late = time.After(grace)
				}
				if !yield(x) {
					return
				}
			case <-late:
				return
			}
		}
	}
}

// learn takes over what a node tells. A node that was asked has the address at which it was.
func (n *nodes) learn(told fields, server string) {
	own := told.text("node")
	maps.DeleteFunc(n.names, func(_, name string) bool { return name == own })
	n.names[server] = own
	for _, f := range told {
		name, isNode := strings.CutPrefix(f.name, "node_")
		addr, err := client.ParseServer(parsePairs(f.text, ",").text("clients"))
		if isNode && err == nil && !slices.Contains(slices.Collect(maps.Values(n.names)), name) {
			n.names[addr.String()] = name
		}
	}
}

// all returns the addresses of the nodes in the order of their names.
func (n *nodes) all() (addresses []string) {
	return slices.SortedFunc(maps.Keys(n.names), func(a, b string) int { return cmp.Compare(n.names[a], n.names[b]) })
}

// isCluster reports whether the servers are nodes of a cluster.
func (r *remote) isCluster() bool { return r.nodes.id != "" }

// spread makes a command that has to ask every server ask every node of the cluster, beside the
// servers that were named.
func (r *remote) spread() error {
	if err := r.discover(); err != nil || !r.isCluster() {
		return err
	}
	for _, address := range r.nodes.all() {
		if !slices.Contains(r.servers, address) {
			r.servers = append(r.servers, address)
		}
	}
	return nil
}

// called is what a server is called in messages.
func (r *remote) called(server string) string {
	if name := r.nodes.names[server]; name != "" {
		return "node " + name + " (" + server + ")"
	}
	return server
}

// config is the configuration of a client of the servers.
func (r *remote) config() client.Config {
	c := client.Config{TLS: r.tls, User: r.user, Password: r.password}
	if r.isCluster() {
		c.Cluster = r.servers
	} else {
		c.Servers = r.servers
	}
	return c
}

// inCluster lets a client of the cluster do something.
func (r *remote) inCluster(do func(ctx context.Context, c *client.Client) error) error {
	c, err := client.New(r.config())
	if err != nil {
		return err
	}
	defer c.Close()
	if err := do(context.Background(), c); err != nil {
		return errors.New(r.plainly(err))
	}
	return nil
}

// askOwner asks the node that serves a key, or else another one, which passes the question on.
func (r *remote) askOwner(key, line string) answer {
	servers := r.servers
	if at := r.ownerIn(r.askFirst(servers, "get "+protocol.OwnerKey(key))); at != "" {
		servers = append([]string{at}, servers...)
	}
	return r.askFirst(servers, line)
}

// askFirst asks one server after the other until one answers.
func (r *remote) askFirst(servers []string, line string) (x answer) {
	for _, server := range servers {
		if x = r.ask(server, line); x.err == nil {
			break
		}
	}
	return x
}

// ownerIn is the address of the owner that an answer names, "" if it names none.
func (r *remote) ownerIn(x answer) string {
	if x.err != nil || len(x.lines) != 2 { // the line with VALUE, and the value
		return ""
	}
	name, _, _ := strings.Cut(x.lines[1], " ")
	for address, known := range r.nodes.names {
		if known == name {
			return address
		}
	}
	return ""
}
