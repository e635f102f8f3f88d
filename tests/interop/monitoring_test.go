package interop_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/lockcached/lockcached/internal/harness"
)

// busyServer is a server with items, locks and waiters to report.
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
		told := strings.Join(harness.Ask(t, address, command), "\n") + "\n"
		for name := range strings.FieldsSeq(names) {
			if !strings.Contains(told, "STAT "+name+" ") {
				t.Errorf("%s: no %s", command, name)
			}
		}
	}
}

// memcachedNames are all names that memcached 1.6.45 has there: whatever a tool asks for,
// it must find.
var memcachedNames = map[string]string{
	"stats": `pid uptime time version libevent pointer_size rusage_user rusage_system max_connections curr_connections
		total_connections rejected_connections connection_structures response_obj_oom response_obj_count
		response_obj_bytes read_buf_count read_buf_bytes read_buf_bytes_free read_buf_oom reserved_fds cmd_get cmd_set
		cmd_flush cmd_touch cmd_meta get_hits get_misses get_expired get_flushed delete_misses delete_hits incr_misses
		incr_hits decr_misses decr_hits cas_misses cas_hits cas_badval touch_hits touch_misses store_too_large
		store_no_memory auth_cmds auth_errors bytes_read bytes_written limit_maxbytes accepting_conns
		listen_disabled_num time_in_listen_disabled_us threads conn_yields hash_power_level hash_bytes hash_is_expanding
		slab_reassign_rescues slab_reassign_chunk_rescues slab_reassign_inline_reclaim slab_reassign_busy_items
		slab_reassign_busy_deletes slab_reassign_running slabs_moved lru_crawler_running lru_crawler_starts
		lru_maintainer_juggles malloc_fails log_worker_dropped log_worker_written log_watcher_skipped log_watcher_sent
		log_watchers unexpected_napi_ids round_robin_fallback bytes curr_items total_items slab_global_page_pool
		expired_unfetched evicted_unfetched evicted_active evictions reclaimed crawler_reclaimed crawler_items_checked
		lrutail_reflocked moves_to_cold moves_to_warm moves_within_lru direct_reclaims lru_bumps_dropped`,
	"stats settings": `maxbytes maxconns tcpport udpport inter verbosity oldest evictions domain_socket umask shutdown_command
		growth_factor chunk_size num_threads num_threads_per_udp stat_key_prefix detail_enabled reqs_per_event
		cas_enabled tcp_backlog binding_protocol auth_enabled_sasl auth_enabled_ascii item_size_max maxconns_fast
		hashpower_init slab_reassign slab_automove slab_automove_ratio slab_automove_window slab_chunk_max lru_crawler
		lru_crawler_sleep lru_crawler_tocrawl tail_repair_time flush_enabled dump_enabled hash_algorithm
		lru_maintainer_thread lru_segmented hot_lru_pct warm_lru_pct hot_max_factor warm_max_factor temp_lru
		temporary_ttl idle_timeout watcher_logbuf_size worker_logbuf_size read_buf_mem_limit track_sizes
		inline_ascii_response slab_automove_freeratio num_napi_ids memory_file`,
	"stats items": `items:1:number items:1:number_hot items:1:number_warm items:1:number_cold items:1:age_hot items:1:age_warm
		items:1:age items:1:mem_requested items:1:evicted items:1:evicted_nonzero items:1:evicted_time
		items:1:outofmemory items:1:tailrepairs items:1:reclaimed items:1:expired_unfetched items:1:evicted_unfetched
		items:1:evicted_active items:1:crawler_reclaimed items:1:crawler_items_checked items:1:lrutail_reflocked
		items:1:moves_to_cold items:1:moves_to_warm items:1:moves_within_lru items:1:direct_reclaims items:1:hits_to_hot
		items:1:hits_to_warm items:1:hits_to_cold items:1:hits_to_temp`,
}

func TestMemcachedNames(t *testing.T) {
	t.Parallel()
	address := busyServer(t)
	for command, names := range memcachedNames {
		got := strings.Join(harness.Ask(t, address, command), "\n") + "\n"
		for name := range strings.FieldsSeq(names) {
			if !strings.Contains(got, "STAT "+name+" ") {
				t.Errorf("%s: no %s", command, name)
			}
		}
	}
}

// typed are the values that are not whole numbers. Some tools read nothing else, and no
// tool reads a duration with more or fewer than six decimals.
var typed = []struct {
	command string
	names   string // a pattern
	value   string
}{
	{"stats", `(lockcached_)?version|libevent`, `\S+`},
	{"stats", `rusage_(user|system)`, `\d+\.\d{6}`},
	{"stats", `slab_reassign_last_busy_status`, `none`},
	{"stats", `accepting_conns|hash_is_expanding|slab_reassign_running|lru_crawler_running`, `[01]`},
	{"stats settings", `evictions`, `on|off`},
	{"stats settings", `tcpport`, `-?\d+`}, // -1 is any port
	{"stats settings", `.*_enabled|.*_enabled_(sasl|ascii)|shutdown_command|maxconns_fast|slab_reassign|lru_crawler|` +
		`lru_maintainer_thread|lru_segmented|temp_lru|track_sizes|inline_ascii_response|ext_drop_unread|` +
		`ssl_session_cache|ssl_kernel_tls|batch_calls|retry_by_rank`, `yes|no`},
	{"stats settings", `max_wait|retry_max|drain`, `(\d+h)?(\d+m)?\d+(\.\d+)?m?s`}, // as their flags are given
	{"stats settings", `wait|lock_delay|guard_release|coalesce|stale|early|log_level|config_file`, `\S+`},
	{"stats settings", `growth_factor|.*_factor|slab_automove_ratio|ext_max_frag|slab_automove_freeratio`, `\d+\.\d+`},
	{"stats settings", `inter|domain_socket|stat_key_prefix|binding_protocol|hash_algorithm|ssl_.*|memory_file`, `\S+`},
	{"stats sizes", `sizes_status`, `disabled`},
	{"stats locks", `.*_ms`, `\d+(\.\d+)?`},
}

func TestMonitoringTypes(t *testing.T) {
	t.Parallel()
	address := busyServer(t)
	for _, command := range []string{"stats", "stats settings", "stats items", "stats slabs", "stats sizes", "stats locks"} {
		for _, line := range harness.Ask(t, address, command) {
			words := strings.Fields(line) // three, as TestMonitoringFormat checks
			pattern := `\d+`
			for _, tt := range typed {
				if tt.command == command && regexp.MustCompile(`^(`+tt.names+`)$`).MatchString(words[1]) {
					pattern = tt.value
					break
				}
			}
			if !regexp.MustCompile(`^(` + pattern + `)$`).MatchString(words[2]) {
				t.Errorf("%s: %s is %q, which is not like %s", command, words[1], words[2], pattern)
			}
		}
	}
}

// TestMonitoringTraffic: the counters that every tool shows move as memcached's do.
func TestMonitoringTraffic(t *testing.T) {
	t.Parallel()
	address := busyServer(t)
	got := harness.StatsOf(t, address)
	for name, want := range map[string]string{
		"cmd_set": "11", "cmd_get": "0", "delete_hits": "1", "curr_items": "7", "total_items": "8", "evictions": "0",
	} {
		if got[name] != want {
			t.Errorf("%s is %s, want %s", name, got[name], want)
		}
	}
}

// TestMonitoringFormat checks every list as the strictest readers do: a line is STAT NAME
// VALUE in three words and not an error, and a name has a colon only where memcached's has
// one. (ask checks for the END.)
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
			for _, got := range harness.Ask(t, server, tt.command) {
				if !line.MatchString(got) {
					t.Errorf("%s: %q", tt.command, got)
				}
			}
		}
	}
}

// TestMonitoringSize: all of stats fits a reader's buffer of 4096 bytes, however large the
// numbers have grown.
func TestMonitoringSize(t *testing.T) {
	t.Parallel()
	told := strings.Join(harness.Ask(t, runServer(t, "-o", "idle_timeout=60"), "stats"), "\r\n") + "\r\nEND\r\n"
	grown := regexp.MustCompile(` \d+\r`).ReplaceAllLiteralString(told, " 18446744073709551615\r")
	if len(grown) >= 4096 {
		t.Errorf("%d bytes can become %d", len(told), len(grown))
	}
}
