package admin

import (
	"strings"
	"testing"
)

// TestFillMetrics has one get told a miss, one held and one served stale, and a late release.
func TestFillMetrics(t *testing.T) {
	i := start(t, Config{}, 9)
	alice, bob := i.dial(t), i.dial(t)
	alice.ask("get page:1", "END")
	bob.send("get page:1")
	i.waitFor(t, `lockcached_fill_held_gets{class="page"} 1`)
	alice.ask("set page:1 0 1 1\r\na", "STORED")
	bob.want("VALUE page:1 0 1")
	bob.want("a")
	bob.want("END")
	alice.ask("add late:1 0 1 1\r\na", "STORED")
	i.waitFor(t, `lockcached_lock_expirations_total{class="late"} 1`)
	bob.ask("add late:1 0 60 1\r\na", "STORED")
	alice.ask("delete late:1", "NOT_FOUND")
	alice.ask("get page:1", "END") // it expired before the lock
	bob.send("get page:1")
	bob.want("VALUE page:1 0 1")
	_, all := i.get(t, "/metrics")
	for _, line := range []string{
		`lockcached_fill_started_total{class="page"} 2`,
		`lockcached_fill_early_total{class="page"} 0`,
		`lockcached_fill_coalesced_total{class="page"} 1`,
		`lockcached_fill_stale_total{class="page"} 1`,
		`lockcached_fill_computations_saved_total{class="page"} 2`,
		`lockcached_fill_fell_through_total{class="page"} 0`,
		`lockcached_fill_abandoned_total{class="page"} 0`,
		`lockcached_fill_duration_seconds_count{class="page"} 1`,
		`lockcached_fill_held_gets{class="page"} 0`,
		`lockcached_lock_late_releases_total{class="late"} 1`,
	} {
		if !strings.Contains(all, line+"\n") {
			t.Errorf("%s is not there", line)
		}
	}
}
