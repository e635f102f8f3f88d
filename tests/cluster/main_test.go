// Package cluster runs nodes of a cluster as processes, and takes some of them away.
package cluster_test

import (
	"testing"

	"github.com/lockcached/lockcached/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
