package main_test

import (
	"bufio"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"
)

// ask sends one command and returns the lines of the answer, which ends with END,
// but for that.
func ask(t *testing.T, address, command string) []string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(conn, "%s\r\n", command)
	var lines []string
	for in := bufio.NewReader(conn); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("%s: %v after %q", command, err, lines)
		}
		if line = strings.TrimSuffix(line, "\r\n"); line == "END" {
			return lines
		}
		lines = append(lines, line)
	}
}

// statsOf reads the general stats.
func statsOf(t *testing.T, address string) map[string]string {
	t.Helper()
	values := make(map[string]string)
	for _, line := range ask(t, address, "stats") {
		if words := strings.Fields(line); len(words) == 3 {
			values[words[1]] = words[2]
		}
	}
	return values
}

// busyServer is a server with items, locks and waiters to tell of.
func busyServer(t *testing.T) string {
	t.Helper()
	address := runServer(t)
	alice, bob := clientOf(t, address), clientOf(t, address)
	for i := range 3 {
		key := fmt.Sprint("lock:", i)
		is(t, "add", alice.Add(item(key, "a lock's owner", 30)), nil)
		_ = bob.Add(item(key, "bob", 30))
		is(t, "set", alice.Set(item(fmt.Sprint("item:", i), "x", 0)), nil)
	}
	is(t, "delete", alice.Delete("lock:0"), nil)
	is(t, "add", alice.Add(item("odd", " two\r\nlines ", 30)), nil)
	is(t, "add", alice.Add(item("empty", "", 30)), nil)
	return address
}

// monitored are the names that the exporters and agents in use ask for.
var monitored = map[string]string{
	"stats": `accepting_conns auth_cmds auth_errors bytes bytes_read bytes_written cas_badval cas_hits cas_misses
		cmd_flush cmd_get cmd_meta cmd_set cmd_touch conn_yields connection_structures crawler_items_checked
		crawler_reclaimed curr_connections curr_items decr_hits decr_misses delete_hits delete_misses direct_reclaims
		evicted_active evicted_unfetched evictions expired_unfetched get_expired get_flushed get_hits get_misses
		hash_bytes hash_is_expanding hash_power_level incr_hits incr_misses limit_maxbytes listen_disabled_num
		lru_crawler_starts max_connections moves_to_cold moves_to_warm moves_within_lru pointer_size reclaimed
		rejected_connections rusage_system rusage_user store_no_memory store_too_large threads time
		total_connections total_items touch_hits touch_misses uptime version`,
	"stats settings": `maxconns lru_crawler`,
	"stats items": `items:1:number items:1:age items:1:evicted items:1:evicted_nonzero items:1:evicted_time
		items:1:outofmemory items:1:tailrepairs items:1:reclaimed items:1:expired_unfetched items:1:evicted_unfetched`,
	"stats slabs": `1:chunk_size 1:chunks_per_page 1:total_pages 1:total_chunks 1:used_chunks 1:free_chunks
		1:free_chunks_end 1:get_hits 1:cmd_set 1:delete_hits 1:incr_hits 1:decr_hits 1:cas_hits 1:cas_badval
		1:touch_hits active_slabs total_malloced`,
}

func TestMonitoredNames(t *testing.T) {
	t.Parallel()
	address := busyServer(t)
	for command, names := range monitored {
		told := strings.Join(ask(t, address, command), "\n") + "\n"
		for name := range strings.FieldsSeq(names) {
			if !strings.Contains(told, "STAT "+name+" ") {
				t.Errorf("%s: no %s", command, name)
			}
		}
	}
}

// TestMonitoringFormat holds every list to what the strictest readers demand: a
// line is STAT NAME VALUE in three words and not an error, and a name has a colon
// only where memcached's has one. (ask sees to the END.)
func TestMonitoringFormat(t *testing.T) {
	t.Parallel()
	address, idle := busyServer(t), runServer(t)
	tests := []struct {
		command string
		name    string // what every name looks like, as a pattern
	}{
		{"stats", `[a-z_]+`},
		{"stats settings", `[a-z_]+`},
		{"stats items", `items:\d+:[a-z_]+`},
		{"stats slabs", `(\d+:)?[a-z_]+`},
		{"stats sizes", `[a-z_]+`},
		{"stats conns", `\d+:[a-z_]+`},
		{"stats locks", `[a-z_]+`},
		{"stats lock lock:1", `[a-z0-9_]+`},
		{"stats lock odd", `[a-z0-9_]+`},
		{"stats lock empty", `[a-z0-9_]+`},
		{"stats lock nobody", `[a-z0-9_]+`},
		{"stats class lock", `[a-z0-9_]+`},
		{"stats class nobody", `[a-z0-9_]+`},
		{"stats classes", `\S+`},   // names are classes
		{"stats contended", `\S+`}, // and keys here
	}
	for _, tt := range tests {
		line := regexp.MustCompile(`^STAT ` + tt.name + ` \S+$`)
		for _, server := range []string{address, idle} {
			for _, got := range ask(t, server, tt.command) {
				if !line.MatchString(got) {
					t.Errorf("%s: %q", tt.command, got)
				}
			}
		}
	}
}

// TestMonitoringSize: a reader with a buffer of 4096 bytes gets all of stats,
// whatever the numbers have grown to.
func TestMonitoringSize(t *testing.T) {
	t.Parallel()
	told := strings.Join(ask(t, runServer(t, "-o", "idle_timeout=60"), "stats"), "\r\n") + "\r\nEND\r\n"
	grown := regexp.MustCompile(` \d+\r`).ReplaceAllLiteralString(told, " 18446744073709551615\r")
	if len(grown) >= 4096 {
		t.Errorf("%d bytes can become %d", len(told), len(grown))
	}
}
