package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/cluster/engine"
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
}

// clusterNode is a node of a cluster. Package cluster has one; binaries that were built without
// have none.
type clusterNode interface {
	server.Cluster
	Journal() locks.Journal
	Owned(key []byte) bool
	Quorum() bool
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
	for _, n := range nodes {
		if strings.HasSuffix(n.Address, ":65535") {
			return fmt.Errorf("%s: each node needs the next port, too", n.Address)
		}
	}
	c.cluster.nodes = nodes
	return nil
}

func setClusterNode(c *config, value string) error {
	if !engine.IsName(value) {
		return errors.New("should be one of the names in --cluster, of letters, digits, dots, - and _")
	}
	c.cluster.node = value
	return nil
}

func setClusterEngine(c *config, value string) error {
	for word := range strings.SplitSeq(value, ",") {
		if u, err := url.Parse(word); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("should be URLs such as http://HOST:2379, not %q", word)
		}
	}
	c.cluster.engine = value
	return nil
}

func setClusterClients(c *config, value string) error {
	if _, _, err := net.SplitHostPort(value); err != nil {
		return fmt.Errorf("should be HOST:PORT, not %q", value)
	}
	c.cluster.clients = value
	return nil
}

// link is the address of this node for other nodes: one port above the engine's.
func (c *clusterConfig) link() (address string, err error) {
	for _, n := range c.nodes {
		if n.Name == c.node {
			host, port, _ := net.SplitHostPort(n.Address)
			number, _ := strconv.Atoi(port)
			return net.JoinHostPort(host, strconv.Itoa(number+1)), nil
		}
	}
	return "", fmt.Errorf("has no node %q; --node says which one this is", c.node)
}

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
		if k.node != "" || k.engine != "" {
			return exit.Refuse("--node and --cluster-engine", "need --cluster, all nodes, such as --cluster a=HOST:PORT,b=HOST:PORT,c=HOST:PORT")
		}
		return nil
	}
	if _, err := k.link(); err != nil {
		return exit.Refuse("--cluster", err.Error())
	}
	switch {
	case k.engine == "" && c.journal.Dir == "":
		return exit.Refuse("--cluster", "needs --data, the directory of this node, such as --data /var/lib/lockcached")
	case k.engine != "" && c.journal.Dir != "":
		return exit.Refuse("--data with --cluster-engine", "the other engine keeps all data; leave --data out")
	case (k.cert == "") != (k.key == "") || (k.cert == "") != (k.ca == ""):
		return exit.Refuse("--cluster-tls-cert", "needs --cluster-tls-key and --cluster-tls-ca, too")
	case k.cert == "" && !k.isLoopback():
		return exit.Refuse("--cluster", "needs --cluster-tls-cert, -key and -ca, because other machines can reach these addresses")
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
	link, _ := c.cluster.link() // checked before
	if s.links, err = net.Listen("tcp", link); err != nil {
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
	s.log.Info().Dur("after_ms", time.Since(began)).Msg("all slots handed over")
}

// clusterLog is the log of the engine.
func clusterLog(log zerolog.Logger) zerolog.Logger { return log.With().Str("part", "cluster").Logger() }
