//go:build !nocluster

package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/cluster/engine/etcd"
	"github.com/lockcached/lockcached/cluster/membership"
	"github.com/lockcached/lockcached/credentials"
)

// clusterEngine is an engine that can be changed and saved.
type clusterEngine interface {
	membership.Engine
	Snapshot(ctx context.Context, w io.Writer) (bytes int64, err error)
}

func (c *clusterCommand) files() etcd.TLS { return etcd.TLS{Cert: c.cert, Key: c.key, CA: c.ca} }

// withEngine connects to the engine, in some nodes or elsewhere.
func (c *clusterCommand) withEngine(ctx context.Context, nodes []engine.Peer, use func(clusterEngine) error) (err error) {
	remote := etcd.RemoteConfig{URLs: c.external, TLS: c.files(), Logger: zerolog.Nop()}
	if len(c.external) == 0 {
		remote.URLs = etcd.URLs(nodes, c.files())
	}
	if c.login != "" {
		if remote.User, remote.Password, err = credentials.LoadLogin(c.login); err != nil {
			return err
		}
	}
	e, err := etcd.Dial(remote)
	if err != nil {
		return err
	}
	err = use(e)
	if errors.Is(err, context.DeadlineExceeded) {
		hint := ""
		if !c.files().Configured() && len(c.external) == 0 {
			hint = " (do the nodes speak TLS? then --cluster-tls-cert, -key and -ca are missing)"
		}
		err = fmt.Errorf("%w; asked %s%s", err, strings.Join(remote.URLs, ", "), hint)
	}
	return errors.Join(err, e.Close())
}

// save writes a snapshot to a file, which is there as a whole or not at all.
func save(ctx context.Context, e clusterEngine, file string) (n int64, err error) {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name()) // there is none if it was renamed
	n, err = e.Snapshot(ctx, f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return 0, err
	}
	return n, os.Rename(f.Name(), file)
}

func (c *clusterCommand) restoreEngine(file string) error {
	return etcd.Restore(etcd.Config{
		Name: c.node, Dir: filepath.Join(c.data, "engine"), Peers: c.nodes[:min(len(c.nodes), engine.MaxVoters)], TLS: c.files(),
		Logger: zerolog.Nop(),
	}, file)
}
