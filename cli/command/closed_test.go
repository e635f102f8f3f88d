package command_test

import (
	"strings"
	"testing"

	"github.com/lockcached/lockcached/cli/internal/clitest"
	"github.com/lockcached/lockcached/cli/internal/exit"
)

// Every command that shows a lock says that it is closed after an expiry, and for how long.
func TestClosedByLockDelay(t *testing.T) {
	server := clitest.Start(t, "-p-1", "--lock-delay", "lock:*=10m", "--max-wait", "1h")
	defer server.Stop(testSignal)
	addr := server.Addrs[0]
	holder := clitest.Dial(t, addr)
	holder.Send("add lock:x 0 1 5\r\nalice")
	waitFor(t, func() bool {
		return strings.Contains(clitest.Output(t, "ls", "lock:*", "--server", addr), "(closed: lock-delay)")
	})

	line := strings.Split(clitest.Output(t, "ls", "--server", addr), "\n")[1]
	if words := strings.Fields(line); words[0] != "lock:x" || words[4] != "10m0s" && !strings.HasPrefix(words[4], "9m") {
		t.Errorf("ls: %s", line)
	}
	if got := clitest.Output(t, "show", "lock:x", "--server", addr); !strings.Contains(got, "nobody; it is closed for another ") || !strings.Contains(got, "(--lock-delay)") {
		t.Errorf("show: %s", got)
	}
	if got := clitest.Output(t, "ls", "--json", "--server", addr); !strings.Contains(got, `"delay_ms": `) {
		t.Errorf("ls --json: %s", got)
	}
	got := clitest.Execute("lock", "lock:x", "--no-wait", "--server", addr, "--", "true")
	if got.Code != exitNotTaken || !strings.HasPrefix(got.Stderr, "lockcached: lock:x: lock not obtained: nobody has it, but it is closed for another ") {
		t.Errorf("lock: %+v", got)
	}
	got = clitest.Execute("lock", "lock:x", "--wait", "10ms", "--server", addr, "--", "true")
	if got.Code != exitNotTaken || !strings.Contains(got.Stderr, " (--lock-delay), and the wait of ") {
		t.Errorf("lock: %+v", got)
	}
}

func TestClosedBySettle(t *testing.T) {
	server := clitest.Start(t, "-p-1", "--settle", "10m")
	defer server.Stop(testSignal)
	addr := server.Addrs[0]
	notice := "no lock is granted for another "
	if got := clitest.Execute("ls", "--server", addr); got.Code != 0 || !strings.HasPrefix(got.Stderr, "lockcached: "+addr+": "+notice) {
		t.Errorf("ls: %+v", got)
	}
	if got := clitest.Execute("show", "k", "--server", addr); got.Code != exit.Failed || !strings.Contains(got.Stderr, "has just started and grants no lock for another ") {
		t.Errorf("show of an unknown lock: %+v", got)
	}
	if got := clitest.Execute("top", "--server", addr); got.Code != 0 || !strings.Contains(got.Stdout, notice) {
		t.Errorf("top: %+v", got)
	}
	if got := clitest.Dial(t, addr).Add("k", "alice"); got != "NOT_STORED" {
		t.Errorf("a claim: %s", got)
	}
	if got := clitest.Execute("ls", "--server", addr); !strings.Contains(got.Stdout, "(closed: settle)") {
		t.Errorf("ls: %+v", got)
	}
	if got := clitest.Output(t, "show", "k", "--server", addr); !strings.Contains(got, "(--settle)") {
		t.Errorf("show: %s", got)
	}
	got := clitest.Execute("lock", "k", "--no-wait", "--server", addr, "--", "true")
	if got.Code != exitNotTaken || !strings.Contains(got.Stderr, "nobody has it, but the server has just started") {
		t.Errorf("lock: %+v", got)
	}
}

// TestTopShowsFills: beside the locks, if there are policies for fills.
func TestTopShowsFills(t *testing.T) {
	server := clitest.Start(t, "-p-1", "--coalesce", "page:*=1m")
	defer server.Stop(testSignal)
	addr := server.Addrs[0]
	if got := clitest.Execute("top", "--server", addr); got.Code != 0 || !strings.Contains(got.Stdout, "0 being filled, 0 gets held back") {
		t.Errorf("top: %+v", got)
	}
	if got := clitest.Execute("stats", "fill", "page:1", "--server", addr); got.Code != 0 || !strings.Contains(got.Stdout, "computations_saved") {
		t.Errorf("stats fill: %+v", got)
	}
}
