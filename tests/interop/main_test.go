// Package interop lets clients and monitoring tools that were written for memcached talk
// to lockcached as a process.
package interop_test

import (
	"os"
	"testing"

	"github.com/lockcached/lockcached/internal/harness"
)

func TestMain(m *testing.M) {
	if os.Getenv(asFiller) != "" {
		playFiller(os.Args[1:])
	}
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
	wantFields   = harness.WantFields
	waitForField = harness.WaitForField
)
