package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/admin"
	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/credentials"
	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// clusterConfig is what --cluster and the flags beside it ask for.
type clusterConfig struct {
	nodes   []engine.Peer // none for a single server
	node    string        // which of them this is
	engine  string        // URLs of an etcd that runs elsewhere; "" for one in this process
	login   string        // file with user:password for that
	clients string        // HOST:PORT at which clients reach this node

	cert, key, ca string // TLS, between nodes

	patience, suspect, tick time.Duration

	beforeExit func() // writes the log; called when the engine cannot go on, and ends the process
}

// clusterNode is a node of a cluster. Package cluster has one; binaries that were built without
// have none.
type clusterNode interface {
	server.Cluster
	admin.Cluster
	Journal() locks.Journal
	Owned(key []byte) bool
	// Done returns a channel that is closed when the node was removed from the cluster.
	Done() <-chan struct{}
	// Run serves the links of other nodes until the context is done.
	Run(ctx context.Context, m *locks.Manager, s *server.Server, links net.Listener)
	// Drain hands all slots over.
	Drain(ctx context.Context) error
	// Close ends the engine.
	Close() error
}

func setClusterNodes(c *config, value string) error {
	nodes, err := engine.ParsePeers(value)
	if err != nil {
		return err
	}
	used := make(map[string]string) // address, to the name of its node
	for _, n := range nodes {
		link, err := linkAddress(n)
		if err != nil {
			return err
		}
		for _, address := range []string{n.Address, link} {
			if used[address] != "" {
				return fmt.Errorf("%s and %s would both use %s: each node uses its port and the next one", used[address], n.Name, address)
			}
			used[address] = n.Name
		}
	}
	c.cluster.nodes = nodes
	return nil
}

// linkAddress is the address of a node for other nodes: one port above the engine's.
func linkAddress(n engine.Peer) (string, error) {
	host, port, _ := net.SplitHostPort(n.Address) // ParsePeers has read it
	number, _ := strconv.Atoi(port)
	if number == maxPort {
		return "", fmt.Errorf("%s: each node needs the next port, too", n.Address)
	}
	return net.JoinHostPort(host, strconv.Itoa(number+1)), nil
}

func setClusterNode(c *config, value string) error {
	if !engine.IsName(value) {
		return errors.New("should be one of the names in --cluster, of letters, digits, dots, - and _")
	}
	c.cluster.node = value
	return nil
}

func setClusterEngine(c *config, value string) error {
	c.cluster.engine = value
	_, err := engine.ParseURLs(value)
	return err
}

func setClusterClients(c *config, value string) error {
	if _, _, err := net.SplitHostPort(value); err != nil {
		return fmt.Errorf("should be HOST:PORT, not %q", value)
	}
	c.cluster.clients = value
	return nil
}

// self is this node's place in the list, -1 if it has none.
func (c *clusterConfig) self() int {
	return slices.IndexFunc(c.nodes, func(n engine.Peer) bool { return n.Name == c.node })
}

// link is the address of this node for other nodes.
func (c *clusterConfig) link() string {
	address, _ := linkAddress(c.nodes[c.self()]) // checked before
	return address
}

// voters are the nodes that keep the engine's data.
func (c *clusterConfig) voters() []engine.Peer { return c.nodes[:min(len(c.nodes), engine.MaxVoters)] }

// names are the names of all nodes.
func (c *clusterConfig) names() (names []string) {
	for _, n := range c.nodes {
		names = append(names, n.Name)
	}
	return names
}

// isLoopback reports whether nothing that --cluster names can be reached from other machines.
func (c *clusterConfig) isLoopback() bool {
	return !slices.ContainsFunc(c.nodes, func(n engine.Peer) bool { return !n.IsLoopback() })
}

// finishCluster checks the flags of a cluster.
func (c *config) finishCluster() error {
	k := &c.cluster
	if len(k.nodes) == 0 {
		if flag := k.beside(); flag != "" {
			return exit.Refuse(flag, "needs --cluster, all nodes, such as --cluster a=HOST:PORT,b=HOST:PORT,c=HOST:PORT")
		}
		return nil
	}
	switch {
	case k.node == "":
		return exit.Refuse("--cluster", "needs --node, which of "+strings.Join(k.names(), ", ")+" this is")
	case k.self() < 0:
		return exit.Refuse("--node "+k.node, "is not in --cluster, which has "+strings.Join(k.names(), ", "))
	case k.engine == "" && c.journal.Dir == "" && k.self() < len(k.voters()):
		return exit.Refuse("--cluster", "needs --data, the directory of this node, such as --data /var/lib/lockcached")
	case k.engine != "" && c.journal.Dir != "":
		return exit.Refuse("--data with --cluster-engine", "the other engine keeps all data; leave --data out")
	case k.engine == "" && k.login != "":
		return exit.Refuse("--cluster-login", "needs --cluster-engine, the etcd that it is for")
	case c.journal.Fsync != journal.Interval || c.journal.Interval != defaultFsyncInterval:
		return exit.Refuse("--fsync with --cluster", "a majority of the nodes has every change on its disk before it is answered; leave --fsync out")
	}
	if err := k.checkTLS(); err != nil {
		return err
	}
	return k.checkTimes(c)
}

// beside is a flag that was given and means something only beside --cluster; "" for none.
func (k *clusterConfig) beside() string {
	for _, f := range []struct {
		name    string
		isGiven bool
	}{
		{"--node", k.node != ""}, {"--cluster-engine", k.engine != ""}, {"--cluster-login", k.login != ""},
		{"--cluster-clients", k.clients != ""}, {"--cluster-tls-cert", k.cert != ""}, {"--cluster-tls-key", k.key != ""},
		{"--cluster-tls-ca", k.ca != ""}, {"--cluster-patience", k.patience != 0}, {"--cluster-suspect", k.suspect != 0},
		{"--cluster-ticks", k.tick != 0},
	} {
		if f.isGiven {
			return f.name
		}
	}
	return ""
}

func (k *clusterConfig) checkTLS() error {
	switch {
	case (k.cert == "") != (k.key == "") || (k.cert == "") != (k.ca == ""):
		return exit.Refuse("--cluster-tls-cert", "needs --cluster-tls-key and --cluster-tls-ca, too")
	case k.cert == "" && !k.isLoopback():
		return exit.Refuse("--cluster", "needs --cluster-tls-cert, -key and -ca, because other machines can reach these addresses")
	case k.cert == "":
		return nil
	}
	if _, err := credentials.LoadPair(k.cert, k.key); err != nil {
		return exit.Refuse("--cluster-tls-cert", err.Error())
	}
	if _, err := credentials.LoadAuthorities(k.ca); err != nil {
		return exit.Refuse("--cluster-tls-ca "+k.ca, err.Error())
	}
	return nil
}

// Bounds on times. etcd refuses elections longer than 50 s.
const (
	leastSuspect = 500 * time.Millisecond
	leastTick    = 10 * time.Millisecond
	mostTick     = 5 * time.Second
)

// checkTimes refuses times that make no sense, and warns of numbers of nodes that gain nothing.
func (k *clusterConfig) checkTimes(c *config) error {
	switch voters := len(k.voters()); {
	case k.suspect != 0 && k.suspect < leastSuspect:
		return exit.Refuse("--cluster-suspect "+k.suspect.String(), "should be at least "+leastSuspect.String()+": nodes would be taken for dead that are only busy")
	case k.tick != 0 && (k.tick < leastTick || k.tick > mostTick):
		return exit.Refuse("--cluster-ticks "+k.tick.String(), "should be from "+leastTick.String()+" to "+mostTick.String()+"; elections take ten")
	case k.engine != "":
	case voters == 1:
		c.warn("--cluster has one node: nobody takes over if it is lost")
	case voters%2 == 0:
		c.warn("--cluster: %d nodes outlive the loss of %d, as %d do; take an odd number", voters, (voters-1)/2, voters-1)
	}
	return nil
}

// join makes this server a node of the cluster, if it shall be one.
func (s *service) join(ctx context.Context, listeners []listener) error {
	c := s.config
	if len(c.cluster.nodes) == 0 {
		return nil
	}
	c.cluster.clients = c.cluster.clientAddress(listeners)
	s.log.Info().Str("node", c.cluster.node).Msg("waiting for a majority of the cluster")
	ctx, stop := s.untilStopped(ctx)
	defer stop()
	node, err := newClusterNode(ctx, c, s.log)
	if err != nil {
		return fmt.Errorf("--cluster: %w", err)
	}
	if s.links, err = net.Listen("tcp", c.cluster.link()); err != nil {
		return errors.Join(fmt.Errorf("--cluster: %w", err), node.Close())
	}
	s.node = node
	c.server.Cluster, c.server.Pause = node, c.cluster.suspect
	c.locks.Journal, c.locks.Owned, c.locks.Withdraw = node.Journal(), node.Owned, node.Withdraw
	return nil
}

// untilStopped returns a context that a signal to stop ends.
func (s *service) untilStopped(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(ctx)
	go func() {
		for {
			select {
			case sig := <-s.signals:
				if stops(sig) {
					s.log.Info().Stringer("signal", sig).Msg("stopping")
					stop()
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, stop
}

// serveCluster takes part in the cluster until the function that it returns is called.
func (s *service) serveCluster(manager *locks.Manager, srv *server.Server) (end func()) {
	if s.node == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		s.node.Run(ctx, manager, srv, s.links)
		close(done)
	}()
	return func() {
		cancel()
		<-done
		if err := s.node.Close(); err != nil {
			s.log.Warn().Err(err).Msg("the engine was not closed properly")
		}
	}
}

// leave hands over to the other nodes what this one serves.
func (s *service) leave(ctx context.Context) {
	if s.node == nil {
		return
	}
	began := time.Now()
	if err := s.node.Drain(ctx); err != nil {
		s.log.Warn().Err(err).Msg("slots are left that were not handed over")
		return
	}
	s.log.Info().Dur("after_ms", time.Since(began)).Msg("left the cluster: all slots handed over")
}

// clusterLog is the log of the engine.
func clusterLog(log zerolog.Logger) zerolog.Logger { return log.With().Str("part", "cluster").Logger() }
