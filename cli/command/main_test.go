package command_test

import (
	"os"
	"testing"

	"github.com/lockcached/lockcached/cli/internal/clitest"
)

// The exit codes that scripts rely on.
const (
	exitLost     = 74
	exitNotTaken = 75
)

func TestMain(m *testing.M) {
	if how := os.Getenv("CLI_TEST_AS"); how != "" {
		os.Exit(becomeAs(how, os.Args[1:]))
	}
	clitest.Main(m)
}
