//go:build nocluster

package command

import (
	"context"
	"errors"

	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/cluster/membership"
)

var errNoCluster = errors.New("this binary was built without clusters (tag nocluster)")

type clusterEngine interface{ membership.Engine }

func (c *clusterCommand) withEngine(context.Context, []engine.Peer, func(clusterEngine) error) error {
	return errNoCluster
}

func save(context.Context, clusterEngine, string) (int64, error) { return 0, errNoCluster }

func (c *clusterCommand) restoreEngine(string) error { return errNoCluster }
