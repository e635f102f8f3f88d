package command

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/cluster/engine"
)

// A clusterCommand is "lockcached cluster".
type clusterCommand struct {
	remote
	nodes         []engine.Peer // of --cluster; none: ask the servers
	external      []string      // URLs of --cluster-engine
	login         string
	cert, key, ca string
	node, data    string // of restore
	wait          time.Duration
}

const clusterNotes = `
  status          ask any node; exit code 1 without a quorum, with an alarm, or if a node is missing
  add NAME=...    make a place for a node; then start it, with an empty --data
  remove NAME     have a node hand its slots over, and remove it; also one that is lost for good
  backup FILE     save what the cluster keeps
  restore FILE    make the --data of a --node from a backup, while no node runs

status asks --server. add, remove and backup ask the nodes of --cluster, which may be some of them, or
those that --server tells of. Off loopback they need --cluster-tls-cert, -key and -ca, as nodes do.
The variables of the server's flags count, too, such as $LOCKCACHED_CLUSTER.
`

const defaultWait = time.Minute

func newCluster() task { return &clusterCommand{remote: newRemote(), wait: defaultWait} }

func (c *clusterCommand) options() []option {
	list := []option{
		{long: "cluster", arg: "nodes", usage: "nodes, NAME=HOST:PORT,... (default: those that --server tells of)", take: c.setNodes},
		{long: "cluster-engine", arg: "urls", usage: "the etcd of the cluster, if it runs elsewhere", take: c.setExternal},
		{long: "cluster-login", arg: "file", usage: "a line user:password for that etcd", take: nonEmpty(&c.login)},
		{long: "cluster-tls-cert", arg: "file", usage: "certificate to show to the nodes", take: nonEmpty(&c.cert)},
		{long: "cluster-tls-key", arg: "file", usage: "its private key", take: nonEmpty(&c.key)},
		{long: "cluster-tls-ca", arg: "file", usage: "the authority that has signed their certificates", take: nonEmpty(&c.ca)},
		{long: "node", arg: "name", usage: "of restore: for which node of --cluster", take: nonEmpty(&c.node)},
		{long: "data", arg: "dir", usage: "of restore: the --data of that node", take: nonEmpty(&c.data)},
	}
	for i := range list {
		list[i].variable = "LOCKCACHED_" + strings.ToUpper(strings.ReplaceAll(list[i].long, "-", "_"))
	}
	return append(append(c.remote.options(), list...), option{
		long: "within", arg: "duration", usage: "how long add and remove may take (default: " + about(defaultWait) + ")", take: positive(&c.wait),
	})
}

func (c *clusterCommand) setNodes(value string) (err error) {
	c.nodes, err = engine.ParsePeers(value)
	return err
}

func (c *clusterCommand) setExternal(value string) (err error) {
	c.external, err = engine.ParseURLs(value)
	return err
}

func (c *clusterCommand) run(a *App, args arguments) error {
	words := args.all()
	if len(words) == 0 {
		return exit.Refuse("cluster", "should be followed by status, add, remove, backup or restore")
	}
	verbs := map[string]struct {
		operand string // what it takes; "" for nothing
		run     func(a *App, operand string) error
	}{
		"status":  {"", c.status},
		"add":     {"NAME=HOST:PORT", c.add},
		"remove":  {"NAME", c.remove},
		"backup":  {"FILE", c.backup},
		"restore": {"FILE", c.restore},
	}
	verb, ok := verbs[words[0]]
	where := "cluster " + words[0]
	switch {
	case !ok:
		return exit.Refuse(where, "should be status, add, remove, backup or restore")
	case verb.operand == "" && len(words) > 1:
		return exit.Refuse(words[1], "is one word too many: lockcached "+where+" takes none")
	case verb.operand != "" && len(words) == 1:
		return exit.Refuse(where, "needs one word more: lockcached "+where+" "+verb.operand)
	case len(words) > 2:
		return exit.Refuse(words[2], "is one word too many: lockcached "+where+" "+verb.operand)
	}
	if (c.cert == "") != (c.key == "") || (c.cert == "") != (c.ca == "") {
		return exit.Refuse("--cluster-tls-cert", "needs --cluster-tls-key and --cluster-tls-ca, too")
	}
	if err := c.finish(); err != nil {
		return err
	}
	return verb.run(a, append(words, "")[1])
}

// errAlone is the error of a server that is no node.
var errAlone = errors.New("is not a node of a cluster")

// look asks the servers one after the other, until one has a quorum. Without one it returns what the
// first node said that answered.
func (c *clusterCommand) look() (told fields, server string, answers []answer) {
	for _, server := range c.servers {
		x := c.ask(server, "stats cluster")
		if x.err == errUnknown {
			x.err = errAlone
		}
		answers = append(answers, x)
		if x.err != nil {
			continue
		}
		f := parseStats(x.lines)
		if told == nil || f.text("quorum") == "1" {
			told, server = f, x.server
		}
		if f.text("quorum") == "1" {
			return told, server, answers
		}
	}
	return told, server, answers
}

// addresses are those of the engine: the nodes' that are members of it, as --cluster or a node tells.
func (c *clusterCommand) addresses() (nodes []engine.Peer, err error) {
	if len(c.nodes) > 0 {
		return c.nodes[:min(len(c.nodes), engine.MaxVoters)], nil
	}
	told, server, answers := c.look()
	if told == nil {
		for _, x := range answers {
			err = cmp.Or(err, fmt.Errorf("%s: %w (--cluster names the nodes, --server where one of them serves clients)", x.server, x.err))
		}
		return nil, err
	}
	if told.text("engine") == "external" {
		return nil, exit.Refuse("--cluster-engine", "is needed, because the engine of this cluster runs elsewhere")
	}
	for _, n := range nodesOf(told) {
		host, port, err := net.SplitHostPort(n.text("link"))
		number, _ := strconv.Atoi(port)
		if err == nil && n.text("engine") != "none" {
			nodes = append(nodes, engine.Peer{Name: n.text("name"), Address: net.JoinHostPort(host, strconv.Itoa(number-1))})
		}
	}
	if len(nodes) == 0 {
		return nil, fmt.Errorf("%s: knows no address of the engine: --cluster names the nodes", server)
	}
	return nodes, nil
}

// nodeName is the name of the node that a field is about, ok if there is one.
func nodeName(field string) (name string, ok bool) {
	if name, ok = strings.CutPrefix(field, "node_"); !ok {
		name, ok = strings.CutPrefix(field, "missing_")
	}
	return name, ok
}

// nodesOf returns a list of fields for each node in an answer to "stats cluster".
func nodesOf(told fields) (nodes []fields) {
	for _, f := range told {
		if name, ok := nodeName(f.name); ok {
			nodes = append(nodes, append(fields{{"name", name}}, parsePairs(f.text, ",")...))
		}
	}
	slices.SortStableFunc(nodes, func(a, b fields) int { return cmp.Compare(a.text("name"), b.text("name")) })
	return nodes
}
