// Package documents compares what the documents say with what lockcached does: programs,
// commands, flags, fields, error lines, numbers.
package documents_test

import (
	"testing"

	"github.com/lockcached/lockcached/internal/harness"
)

func TestMain(m *testing.M) {
	harness.Main(m)
}

// Short names for what nearly every line says.
var (
	runServer    = harness.RunServer
	newClient    = harness.NewClient
	clientOf     = harness.ClientOf
	is           = harness.Is
	holds        = harness.Holds
	item         = harness.Item
	waitForField = harness.WaitForField
)
