package daemon

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/server"
)

// ignoredSuboptions are the options of memcached's -o for things that do not exist here: slabs, the
// LRU's threads, storage on disk, and OpenSSL. Go chooses ciphers well, and does not offer the weak
// ones that ssl_ciphers is used to exclude.
var ignoredSuboptions = strings.Fields(`
	maxconns_fast no_maxconns_fast hashpower no_hashexpand hash_algorithm modern no_modern
	slab_reassign no_slab_reassign slab_automove no_slab_automove slab_automove_ratio
	slab_automove_window slab_automove_freeratio slab_sizes slab_chunk_max no_chunked_items track_sizes
	tail_repair_time lru_crawler no_lru_crawler lru_crawler_sleep lru_crawler_tocrawl
	lru_maintainer no_lru_maintainer hot_lru_pct warm_lru_pct hot_max_factor warm_max_factor temporary_ttl
	watcher_logbuf_size worker_logbuf_size resp_obj_mem_limit read_buf_mem_limit
	inline_ascii_resp no_inline_ascii_resp
	drop_privileges no_drop_privileges relaxed_privileges sock_cookie_id
	ext_path ext_page_size ext_wbuf_size ext_threads ext_io_depth ext_item_size ext_item_age ext_low_ttl
	ext_recache_rate ext_compact_under ext_drop_under ext_max_frag ext_max_sleep ext_drop_unread
	ssl_ciphers ssl_kernel_tls`)

// setSuboption reads one name or name=value of -o.
func setSuboption(c *config, value string) error {
	name, argument, _ := strings.Cut(value, "=")
	if set, ok := tlsSuboptions[name]; ok {
		return set(c, argument)
	}
	switch {
	case value == "": // a comma too many
		return nil
	case name == "idle_timeout":
		return setIdleTimeout(c, argument)
	case strings.HasPrefix(name, "proxy_"):
		// A server that ignored this would grant locks that a proxy leaves to the servers behind it.
		return errors.New("there is no proxy mode")
	case slices.Contains(ignoredSuboptions, name):
		c.ignored = append(c.ignored, "-o "+value)
		setLRU(&c.server.Settings, name)
		return nil
	}
	return exit.Refuse(
		fmt.Sprintf("Illegal suboption %q", name), // memcached's words
		"use idle_timeout=<seconds> or ssl_...; memcached's other ones are accepted without effect",
	)
}

// setLRU records which of memcached's LRU threads would run: "stats" prints the counters of
// those alone.
func setLRU(s *server.Settings, name string) {
	switch name {
	case "lru_crawler", "no_lru_crawler":
		s.NoLRUCrawler = name == "no_lru_crawler"
	case "lru_maintainer", "no_lru_maintainer":
		s.NoLRUMaintainer = name == "no_lru_maintainer"
	case "no_modern":
		s.NoLRUCrawler, s.NoLRUMaintainer = true, true
	}
}

func setIdleTimeout(c *config, value string) error {
	seconds, err := strconv.Atoi(value)
	if err != nil || seconds < 0 || seconds > math.MaxInt32 {
		return errors.New("idle_timeout is a number of seconds, 0 for none")
	}
	c.server.IdleTimeout = time.Duration(seconds) * time.Second
	return nil
}
