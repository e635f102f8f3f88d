package server

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"runtime"
	"strconv"

	"github.com/lockcached/lockcached/protocol"
)

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func orNull(s string) string {
	if s == "" {
		return "NULL"
	}
	return s
}

// settings is the answer to "stats settings": the settings of this server, and for memcached's
// other settings the values of a memcached that does not use them.
func (s *Server) settings() []field {
	set, conf := &s.config.Settings, s.locks.Config()
	evictions := "on"
	if conf.NoEvict {
		evictions = "off"
	}
	var l sheet
	num := func(name string, n int) { l.text(name, strconv.Itoa(n)) }
	num("maxbytes", int(s.locks.Totals().LimitBytes))
	num("maxconns", s.live.Load().MaxConns)
	num("tcpport", set.TCPPort)
	num("udpport", set.UDPPort)
	l.text("inter", orNull(set.Inter))
	num("verbosity", int(s.verbosity.Load()))
	l.zero("oldest")
	l.text("evictions", evictions)
	l.text("domain_socket", orNull(set.DomainSocket))
	l.text("umask", fmt.Sprintf("%o", set.Umask))
	l.text("shutdown_command", yesNo(s.config.Shutdown != nil))
	l.text("growth_factor", fmt.Sprintf("%.2f", set.GrowthFactor))
	num("chunk_size", set.ChunkSize)
	num("num_threads", runtime.GOMAXPROCS(0))
	num("num_threads_per_udp", 0)
	l.text("stat_key_prefix", string(set.StatKeyPrefix))
	l.text("detail_enabled", yesNo(s.detail.on.Load()))
	num("reqs_per_event", set.ReqsPerEvent)
	l.text("cas_enabled", yesNo(!set.CASDisabled))
	num("tcp_backlog", set.Backlog)
	l.text("binding_protocol", set.Protocol)
	l.text("auth_enabled_sasl", yesNo(s.config.Authenticate != nil && s.config.Dialects != protocol.TextOnly))
	l.text("auth_enabled_ascii", s.textLogin())
	num("item_size_max", conf.ItemSizeMax)
	l.text("maxconns_fast", "yes")
	l.zero("hashpower_init")
	l.text("slab_reassign", "no")
	l.zero("slab_automove")
	l.text("slab_automove_ratio", "0.80")
	l.text("slab_automove_window", "10")
	num("slab_chunk_max", conf.ItemSizeMax)
	l.text("lru_crawler", yesNo(s.crawler.Load()))
	l.text("lru_crawler_sleep", "100")
	l.zero("lru_crawler_tocrawl tail_repair_time")
	l.text("flush_enabled", yesNo(!s.config.NoFlush))
	l.text("dump_enabled", yesNo(!s.config.NoDump))
	l.text("hash_algorithm", "maphash")
	l.text("lru_maintainer_thread", "no")
	l.text("lru_segmented", "no")
	l.text("hot_lru_pct", "20")
	l.text("warm_lru_pct", "40")
	l.text("hot_max_factor", "0.20")
	l.text("warm_max_factor", "2.00")
	l.text("temp_lru", "no")
	l.text("temporary_ttl", "61")
	num("idle_timeout", int(s.config.IdleTimeout.Seconds()))
	l.zero("watcher_logbuf_size worker_logbuf_size read_buf_mem_limit")
	l.text("track_sizes", "no")
	l.text("inline_ascii_response", "no")
	extstoreSettings(&l)
	s.tlsSettings(&l)
	l.zero("num_napi_ids")
	l.text("memory_file", "NULL")
	l.text("client_flags_size", "4")
	l.text("batch_calls", yesNo(s.BatchCalls() == nil))
	return append(l, s.live.Load().Settings.More...)
}

// textLogin is the file with which clients of the text protocol can log in, or no.
func (s *Server) textLogin() string {
	if s.config.Dialects == protocol.BinaryOnly {
		return "no"
	}
	return cmp.Or(s.live.Load().Settings.AuthFile, "no")
}

// extstoreSettings adds the settings of extstore, which this server does not have.
func extstoreSettings(l *sheet) {
	l.zero("ext_item_size ext_item_age ext_low_ttl ext_recache_rate ext_wbuf_size ext_compact_under " +
		"ext_drop_under ext_max_sleep")
	l.text("ext_max_frag", "0.00")
	l.text("slab_automove_freeratio", "0.010")
	l.text("ext_drop_unread", "no")
}

// pemFormat is OpenSSL's number for PEM, the format of all TLS files here.
const pemFormat = "1"

func (s *Server) tlsSettings(l *sheet) {
	set, enabled := &s.live.Load().Settings.TLS, s.config.Certificates != nil
	l.text("ssl_enabled", yesNo(enabled))
	l.text("ssl_chain_cert", orNull(set.Chain))
	l.text("ssl_key", orNull(set.Key))
	l.text("ssl_verify_mode", strconv.Itoa(set.VerifyMode))
	l.text("ssl_keyformat", pemFormat)
	l.text("ssl_ciphers", "NULL") // Go's choice
	l.text("ssl_ca_cert", orNull(set.CA))
	l.text("ssl_wbuf_size", strconv.Itoa(set.WriteBuffer))
	l.text("ssl_session_cache", yesNo(set.SessionCache))
	l.text("ssl_kernel_tls", "no")
	l.text("ssl_min_version", tlsVersion(set.MinVersion))
}

// tlsVersion is a TLS version as memcached writes it. TLS 1.2 is the default minimum.
func tlsVersion(version uint16) string {
	if version == tls.VersionTLS13 {
		return "tlsv1.3"
	}
	return "tlsv1.2"
}
