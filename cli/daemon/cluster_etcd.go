//go:build !nocluster

package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cluster"
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
	link, _ := k.link() // checked before
	node := cluster.New(cluster.Config{
		Engine:   e,
		Prefix:   "/lockcached/",
		Name:     k.node,
		Link:     link,
		Clients:  k.clients,
		Version:  server.Release,
		Nodes:    k.names(),
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

func (k *clusterConfig) startEngine(ctx context.Context, dir string, files etcd.TLS, log zerolog.Logger) (*etcd.Engine, error) {
	if k.engine != "" {
		remote := etcd.RemoteConfig{URLs: strings.Split(k.engine, ","), TLS: files, Logger: log}
		if k.login != "" {
			var err error
			if remote.User, remote.Password, err = credentials.LoadLogin(k.login); err != nil {
				return nil, err
			}
		}
		return etcd.Dial(remote)
	}
	return etcd.Start(ctx, etcd.Config{
		Name: k.node, Dir: filepath.Join(dir, "engine"), Peers: k.nodes, TLS: files, Heartbeat: k.tick, Logger: log,
	})
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
