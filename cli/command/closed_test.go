package cli

import (
	"strings"
	"testing"
)

// A lock that is closed after an expiry says so, and for how long, wherever it is looked at.
func TestClosedByLockDelay(t *testing.T) {
	server := start(t, "-p-1", "--lock-delay", "lock:*=10m", "--max-wait", "1h")
	defer server.stop(testSignal)
	addr := server.addrs[0]
	holder := dial(t, addr)
	holder.send("add lock:x 0 1 5\r\nalice")
	waitFor(t, func() bool {
		return strings.Contains(output(t, "ls", "lock:*", "--server", addr), "(closed: lock-delay)")
	})

	line := strings.Split(output(t, "ls", "--server", addr), "\n")[1]
	if words := strings.Fields(line); words[0] != "lock:x" || words[4] != "10m0s" && !strings.HasPrefix(words[4], "9m") {
		t.Errorf("ls: %s", line)
	}
	if got := output(t, "show", "lock:x", "--server", addr); !strings.Contains(got, "nobody; it is closed for another ") || !strings.Contains(got, "(--lock-delay)") {
		t.Errorf("show: %s", got)
	}
	if got := output(t, "ls", "--json", "--server", addr); !strings.Contains(got, `"delay_ms": `) {
		t.Errorf("ls --json: %s", got)
	}
	got := execute("lock", "lock:x", "--no-wait", "--server", addr, "--", "true")
	if got.code != exitNotTaken || !strings.HasPrefix(got.stderr, "lockcached: lock:x: lock not obtained: nobody has it, but it is closed for another ") {
		t.Errorf("lock: %+v", got)
	}
	got = execute("lock", "lock:x", "--wait", "10ms", "--server", addr, "--", "true")
	if got.code != exitNotTaken || !strings.Contains(got.stderr, " (--lock-delay), and the wait of ") {
		t.Errorf("lock: %+v", got)
	}
}

func TestClosedBySettle(t *testing.T) {
	server := start(t, "-p-1", "--settle", "10m")
	defer server.stop(testSignal)
	addr := server.addrs[0]
	notice := "no lock is granted for another "
	if got := execute("ls", "--server", addr); got.code != 0 || !strings.HasPrefix(got.stderr, "lockcached: "+addr+": "+notice) {
		t.Errorf("ls: %+v", got)
	}
	if got := execute("show", "k", "--server", addr); got.code != exitFailed || !strings.Contains(got.stderr, "has just started and grants no lock for another ") {
		t.Errorf("show of an unknown lock: %+v", got)
	}
	if got := execute("top", "--server", addr); got.code != 0 || !strings.Contains(got.stdout, notice) {
		t.Errorf("top: %+v", got)
	}
	if got := dial(t, addr).add("k", "alice"); got != "NOT_STORED" {
		t.Errorf("a claim: %s", got)
	}
	if got := execute("ls", "--server", addr); !strings.Contains(got.stdout, "(closed: settle)") {
		t.Errorf("ls: %+v", got)
	}
	if got := output(t, "show", "k", "--server", addr); !strings.Contains(got, "(--settle)") {
		t.Errorf("show: %s", got)
	}
	got := execute("lock", "k", "--no-wait", "--server", addr, "--", "true")
	if got.code != exitNotTaken || !strings.Contains(got.stderr, "nobody has it, but the server has just started") {
		t.Errorf("lock: %+v", got)
	}
}

func TestClosed(t *testing.T) {
	for _, tt := range []struct {
		lock fields
		want string
	}{
		{fields{{"held", "1"}, {"settling_ms", "5000"}}, "0s "},
		{fields{{"held", "0"}}, "0s "},
		{fields{{"held", "0"}, {"delay_ms", "0"}, {"settling_ms", "0"}}, "0s "},
		{fields{{"held", "0"}, {"delay_ms", "2000.5"}}, "2s --lock-delay"},
		{fields{{"held", "0"}, {"settling_ms", "3000"}}, "3s --settle"},
		{fields{{"held", "0"}, {"delay_ms", "9000"}, {"settling_ms", "3000"}}, "9s --lock-delay"},
	} {
		left, flag := closed(tt.lock)
		if got := about(left) + " " + flag; got != tt.want {
			t.Errorf("%v: %s, want %s", tt.lock, got, tt.want)
		}
	}
}
