//go:build nocluster

package daemon

import (
	"context"
	"errors"

	"github.com/rs/zerolog"
)

func newClusterNode(context.Context, *config, zerolog.Logger) (clusterNode, error) {
	return nil, errors.New("this binary was built without clusters (tag nocluster)")
}
