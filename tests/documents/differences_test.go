package documents_test

import (
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/internal/harness"
)

// TestDeliberateDifferences tries what protocol.md says differs from memcached, where the
// transcripts do not show it, against a server with default flags.
func TestDeliberateDifferences(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(harness.ReadFile(t, "protocol/protocol.md"), "\n## Deliberate differences\n")
	section = strings.Join(strings.Fields(section), " ")
	differences := []struct {
		name, says string
		try        func(t *testing.T, address string, c *memcache.Client)
	}{
		{"failed-set", "A failed set leaves a held lock alone.", failedSet},
		{"reserved-gets", "Gets of such keys are in no counter.", reservedGets},
		{"first-id", "They begin at the clock in nanoseconds instead of at 1", firstID},
		{"slabs", "All items are of class 1; its chunk size is the item limit.", slabs},
		{"item-bytes", "`bytes` counts what items take in this server, about 120 bytes beside key and value.", itemBytes},
		{"verbosity", "`verbosity` is shown by stats settings", verbosity},
		{"libevent", "`libevent` in stats is the version of Go", libevent},
	}
	for _, d := range differences {
		t.Run(d.name, func(t *testing.T) {
			if !strings.Contains(section, d.says) {
				t.Errorf("protocol.md does not say %q", d.says)
			}
			address := runServer(t)
			d.try(t, address, clientOf(t, address))
		})
	}
	t.Run("-C", func(t *testing.T) {
		if !strings.Contains(section, "**`-C` has no effect**") {
			t.Error("protocol.md does not say that -C has no effect")
		}
		address := runServer(t, "-C")
		firstID(t, address, clientOf(t, address))
	})
}

func failedSet(t *testing.T, _ string, c *memcache.Client) {
	is(t, "add", c.Add(item("lock", "alice", 60)), nil)
	is(t, "set", c.Set(item("item", "x", 0)), nil)
	tooLarge := strings.Repeat("x", 1<<20)
	for _, key := range []string{"lock", "item"} {
		if err := c.Set(item(key, tooLarge, 0)); err == nil {
			t.Errorf("a set of %d bytes is accepted", len(tooLarge))
		}
	}
	holds(t, c, "lock", "alice")
	_, err := c.Get("item")
	is(t, "get of an item after a failed set", err, memcache.ErrCacheMiss)
}

func reservedGets(t *testing.T, address string, c *memcache.Client) {
	_, err := c.Get("lockcached:version")
	is(t, "get", err, nil)
	stats := harness.StatsOf(t, address)
	for _, name := range []string{"cmd_get", "get_hits", "get_misses"} {
		if stats[name] != "0" {
			t.Errorf("%s is %s after a get of a reserved key", name, stats[name])
		}
	}
}

func firstID(t *testing.T, _ string, c *memcache.Client) {
	is(t, "set", c.Set(item("k", "x", 0)), nil)
	began := time.Unix(0, int64(holds(t, c, "k", "x").CasID))
	if age := time.Since(began); age < 0 || age > time.Hour {
		t.Errorf("the first id, read as nanoseconds, is %v", began)
	}
}

func slabs(t *testing.T, address string, c *memcache.Client) {
	is(t, "set", c.Set(item("small", "x", 0)), nil)
	is(t, "set", c.Set(item("large", strings.Repeat("x", 100_000), 0)), nil)
	told := strings.Join(harness.Ask(t, address, "stats slabs"), "\n")
	for _, want := range []string{"STAT active_slabs 1", "STAT 1:used_chunks 2", "STAT 1:chunk_size 1048576"} {
		if !strings.Contains(told, want) {
			t.Errorf("stats slabs: no %q in\n%s", want, told)
		}
	}
}

// itemBytes checks how many bytes an item takes, over so many items that the steps in which
// a table grows even out.
func itemBytes(t *testing.T, address string, c *memcache.Client) {
	const items, size = 1000, len("key:1000") + 20
	before := bytesOf(t, address)
	for i := range items {
		is(t, "set", c.Set(item("key:"+strconv.Itoa(1000+i), strings.Repeat("x", 20), 0)), nil)
	}
	if each := (bytesOf(t, address)-before)/items - size; each < 110 || each > 130 {
		t.Errorf("an item takes %d bytes beside key and value", each)
	}
}

func bytesOf(t *testing.T, address string) int {
	t.Helper()
	n, err := strconv.Atoi(harness.StatsOf(t, address)["bytes"])
	is(t, "bytes", err, nil)
	return n
}

func verbosity(t *testing.T, address string, _ *memcache.Client) {
	told := strings.Join(harness.Ask(t, address, "verbosity 2\r\nstats settings"), "\n")
	if !strings.Contains(told, "STAT verbosity 2") {
		t.Errorf("stats settings: %s", told)
	}
}

func libevent(t *testing.T, address string, _ *memcache.Client) {
	if got := harness.StatsOf(t, address)["libevent"]; got != runtime.Version() {
		t.Errorf("libevent is %s, want %s", got, runtime.Version())
	}
}
