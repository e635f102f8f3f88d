// Package processes tests what only whole processes show: kills, outages, full disks, cut
// links, clients that go away, systemd.
package processes_test

import (
	"os"
	"testing"

	"github.com/lockcached/lockcached/internal/harness"
)

func TestMain(m *testing.M) {
	if os.Getenv(asVictim) != "" {
		claimAll(os.Args[1], os.Args[2:])
	}
	harness.Main(m)
}

// Short names for what nearly every line says.
var (
	runServer    = harness.RunServer
	start        = harness.Start
	clientOf     = harness.ClientOf
	is           = harness.Is
	holds        = harness.Holds
	item         = harness.Item
	wantFields   = harness.WantFields
	waitForField = harness.WaitForField
)
