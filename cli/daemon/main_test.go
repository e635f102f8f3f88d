package daemon_test

import (
	"testing"

	"github.com/lockcached/lockcached/cli/internal/clitest"
)

func TestMain(m *testing.M) { clitest.Main(m) }
