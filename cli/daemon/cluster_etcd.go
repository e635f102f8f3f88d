//go:build !nocluster

package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cluster"
	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/cluster/engine/etcd"
	"github.com/lockcached/lockcached/credentials"
	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/server"
)

// etcdNode is a node and its engine.
type etcdNode struct {
	*cluster.Node
	engine *etcd.Engine
}

// Close implements clusterNode.
func (n *etcdNode) Close() error { return n.engine.Close() }

// Done implements clusterNode.
func (n *etcdNode) Done() <-chan struct{} { return n.engine.Done() }

// newClusterNode starts or finds the engine, which may take until a majority of the nodes is
// there, and returns a node over it.
func newClusterNode(ctx context.Context, c *config, log zerolog.Logger) (clusterNode, error) {
	k := &c.cluster
	log = clusterLog(log)
	files := etcd.TLS{Cert: k.cert, Key: k.key, CA: k.ca}
	links, err := linkTLS(files)
	if err != nil {
		return nil, err
	}
	e, err := k.startEngine(ctx, c.journal.Dir, files, log)
	if err != nil {
		return nil, err
	}
	node := cluster.New(cluster.Config{
		Engine:   e,
		Prefix:   engine.KeyPrefix,
		Name:     k.node,
		Link:     k.link(),
		Clients:  k.clients,
		Version:  server.Release,
		Nodes:    k.names(),
		Status:   e.Status,
		Embedded: k.engine == "",
		TLS:      links,
		Patience: k.patience,
		Suspect:  k.suspect,
		Clock:    func() time.Duration { return journal.Machine().Boot },
		Logger:   log,
	})
	if err := node.Identify(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return &etcdNode{node, e}, nil
}

// startEngine returns the engine when it can be used: a majority is there.
func (k *clusterConfig) startEngine(ctx context.Context, dir string, files etcd.TLS, log zerolog.Logger) (*etcd.Engine, error) {
	switch {
	case k.engine != "":
		return k.dial(ctx, strings.Split(k.engine, ","), files, log)
	case k.keepsData(dir):
		if err := awaitName(ctx, k.nodes[k.self()].Address, log); err != nil {
			return nil, err
		}
		return etcd.Start(ctx, etcd.Config{
			Name: k.node, Dir: engineDir(dir), Peers: k.peers(), TLS: files, Heartbeat: k.tick, Logger: log,
			Fatal: k.beforeExit,
		})
	}
	return k.dial(ctx, etcd.URLs(k.voters(), files), files, log)
}

// engineDir is where the engine's data is, in the directory of --data.
func engineDir(dir string) string { return filepath.Join(dir, "engine") }

// keepsData reports whether this node is a member of the engine: it is one of the first of the list,
// or has been a member before.
func (k *clusterConfig) keepsData(dir string) bool {
	return k.self() < len(k.voters()) || dir != "" && etcd.HasData(engineDir(dir))
}

// peers are the members of the engine that this one begins with.
func (k *clusterConfig) peers() []engine.Peer {
	if k.self() < len(k.voters()) {
		return k.voters()
	}
	return append(slices.Clone(k.voters()), k.nodes[k.self()])
}

// dial uses an engine in other processes.
func (k *clusterConfig) dial(ctx context.Context, urls []string, files etcd.TLS, log zerolog.Logger) (*etcd.Engine, error) {
	remote := etcd.RemoteConfig{URLs: urls, TLS: files, Logger: log}
	if k.login != "" {
		var err error
		if remote.User, remote.Password, err = credentials.LoadLogin(k.login); err != nil {
			return nil, err
		}
	}
	e, err := etcd.Dial(remote)
	if err != nil {
		return nil, err
	}
	// An answer to anything says that there is a majority.
	if _, err := engine.Settle(ctx, e, engine.Txn{Then: []engine.Op{engine.Get(engine.KeyPrefix)}}); err != nil {
		return nil, errors.Join(fmt.Errorf("no majority of %s answers: %w", strings.Join(urls, ", "), err), e.Close())
	}
	return e, nil
}

const (
	namePause  = time.Second
	nameReport = 10 // pauses between two lines in the log
)

// awaitName waits until the name of an address can be looked up. In Kubernetes that is a moment
// after a pod has started.
func awaitName(ctx context.Context, address string, log zerolog.Logger) error {
	host, _, _ := net.SplitHostPort(address) // it was read before
	for i := 0; ; i++ {
		_, err := net.DefaultResolver.LookupHost(ctx, host)
		if err == nil {
			return nil
		}
		if i%nameReport == 0 {
			log.Warn().Err(err).Msg("waiting for the address of this node to be known")
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(namePause):
		}
	}
}

// linkTLS is the configuration for both ends of links; nil without files.
func linkTLS(files etcd.TLS) (*tls.Config, error) {
	if !files.Configured() {
		return nil, nil
	}
	certificate, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(files.CA)
	if err != nil {
		return nil, err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate in PEM", files.CA)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{certificate},
		RootCAs:      authorities,
		ClientCAs:    authorities,
		ClientAuth:   tls.RequireAndVerifyClientCert,
	}, nil
}
