package server

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// stats answers the stats commands.
func (c *conn) stats(q *protocol.Request) (goesOn bool) {
	what, args := protocol.NextWord(q.Args)
	name, more := protocol.NextWord(args)
	switch string(what) {
	case "":
		if q.NoReply { // noreply is neither a sub-command nor an option of stats
			c.out.Line(protocol.ErrNoStats.Line)
			return true
		}
		c.fields(q, c.srv.general())
	case "settings":
		c.fields(q, c.srv.settings())
	case "items":
		c.fields(q, c.srv.items())
	case "slabs":
		c.fields(q, c.srv.slabs())
	case "sizes":
		c.fields(q, []field{{Name: "sizes_status", Text: "disabled"}})
	case "conns":
		c.fields(q, c.srv.connections())
	case "reset":
		c.srv.resetStats()
		c.out.EndStats(&q.Head, "RESET")
	case "detail", "cachedump", "held":
		return c.statsOfKeys(q, string(what), name, more)
	default:
		c.lockStats(q, string(what), name)
	}
	return true
}

// statsOfKeys answers the sub-commands that show keys, which an operator can forbid.
func (c *conn) statsOfKeys(q *protocol.Request, what string, arg, more []byte) (goesOn bool) {
	switch {
	case c.srv.config.NoDump:
		c.fault(q, protocol.NoDump(what))
	case what == "held":
		glob, _ := protocol.NextWord(more)
		c.statsHeld(q, arg, glob)
	case what == "detail":
		c.statsDetail(q, string(arg))
	default:
		return c.cachedump(arg, more)
	}
	return true
}

func (s *Server) resetStats() {
	s.locks.ResetCounters()
	s.detail.reset()
	n := &s.counts
	for _, counter := range []interface{ Store(uint64) }{
		&n.total, &n.rejected, &n.idleKicks, &n.unreadKicks, &n.unfinishedKicks, &n.bytesRead, &n.bytesWritten,
		&n.flushes, &n.metas, &n.yields, &n.acceptErrors, &n.acceptStalledUs,
		&n.logins, &n.loginErrors, &n.handshakeErrors, &n.tlsErrors, &n.sessions,
	} {
		counter.Store(0)
	}
	s.eachConn(func(c *conn) {
		c.bytesRead.Store(0)
		c.bytesWritten.Store(0)
	})
}

func cpuTime(t syscall.Timeval) string { return fmt.Sprintf("%d.%06d", t.Sec, t.Usec) }

// general is the answer to "stats": memcached's names in memcached's order, and small enough
// for tools that read at most 4096 bytes.
func (s *Server) general() []field {
	var l sheet
	t := s.locks.Totals()
	s.process(&l)
	s.connectionCounts(&l)
	l.num("cmd_get", t.CmdGet)
	l.num("cmd_set", t.CmdSet)
	l.num("cmd_flush", s.counts.flushes.Load())
	l.num("cmd_touch", t.CmdTouch)
	l.num("cmd_meta", s.counts.metas.Load())
	l.num("get_hits", t.GetHits)
	l.num("get_misses", t.GetMisses)
	l.num("get_expired", t.GetExpired)
	l.num("get_flushed", t.GetFlushed)
	l.num("delete_misses", t.DeleteMisses)
	l.num("delete_hits", t.DeleteHits)
	l.num("incr_misses", t.IncrMisses)
	l.num("incr_hits", t.IncrHits)
	l.num("decr_misses", t.DecrMisses)
	l.num("decr_hits", t.DecrHits)
	l.num("cas_misses", t.CasMisses)
	l.num("cas_hits", t.CasHits)
	l.num("cas_badval", t.CasBadval)
	l.num("touch_hits", t.TouchHits)
	l.num("touch_misses", t.TouchMisses)
	l.num("store_too_large", t.TooLarge)
	l.num("store_no_memory", t.NoMemory)
	l.num("auth_cmds", s.counts.logins.Load())
	l.num("auth_errors", s.counts.loginErrors.Load())
	if s.config.IdleTimeout > 0 {
		l.num("idle_kicks", s.counts.idleKicks.Load())
	}
	s.tlsCounts(&l)
	s.memory(&l, &t)
	return l
}

// tlsCounts adds what memcached shows only when TLS is on.
func (s *Server) tlsCounts(l *sheet) {
	if s.config.Certificates == nil {
		return
	}
	if s.config.Settings.TLS.SessionCache {
		l.num("ssl_new_sessions", s.counts.sessions.Load())
	}
	l.num("ssl_handshake_errors", s.counts.handshakeErrors.Load())
	l.num("ssl_proto_errors", s.counts.tlsErrors.Load())
	l.num("time_since_server_cert_refresh", uint64(time.Since(s.config.Certificates.Loaded()).Seconds()))
}

func (s *Server) process(l *sheet) {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	now := time.Now()
	l.num("pid", uint64(os.Getpid()))
	l.num("uptime", uint64(now.Sub(s.started).Seconds()))
	l.num("time", uint64(now.Unix()))
	l.text("version", Version)
	l.text("lockcached_version", Release)
	l.text("libevent", runtime.Version())
	l.num("pointer_size", strconv.IntSize)
	l.text("rusage_user", cpuTime(usage.Utime))
	l.text("rusage_system", cpuTime(usage.Stime))
}

func (s *Server) connectionCounts(l *sheet) {
	s.mu.Lock()
	current := uint64(len(s.conns))
	s.mu.Unlock()
	l.num("max_connections", uint64(s.live.Load().MaxConns))
	l.num("curr_connections", current)
	l.num("total_connections", s.counts.total.Load())
	l.num("rejected_connections", s.counts.rejected.Load())
	l.num("connection_structures", current)
	l.zero("response_obj_oom response_obj_count response_obj_bytes read_buf_count read_buf_bytes " +
		"read_buf_bytes_free read_buf_oom reserved_fds")
}

// memory adds the part of "stats" about traffic, items and memory.
func (s *Server) memory(l *sheet, t *locks.Totals) {
	read, written := s.counts.bytesRead.Load(), s.counts.bytesWritten.Load()
	s.eachConn(func(c *conn) {
		read += c.bytesRead.Load()
		written += c.bytesWritten.Load()
	})
	l.num("bytes_read", read)
	l.num("bytes_written", written)
	l.num("limit_maxbytes", uint64(t.LimitBytes))
	l.num("accepting_conns", 1)
	l.num("listen_disabled_num", s.counts.acceptErrors.Load())
	l.num("time_in_listen_disabled_us", s.counts.acceptStalledUs.Load())
	l.num("threads", uint64(runtime.GOMAXPROCS(0)))
	l.num("conn_yields", s.counts.yields.Load())
	l.num("hash_power_level", log2(t.Buckets))
	l.num("hash_bytes", uint64(t.Buckets)*locks.BucketBytes)
	l.zero("hash_is_expanding slab_reassign_rescues slab_reassign_chunk_rescues slab_reassign_inline_reclaim " +
		"slab_reassign_busy_items slab_reassign_busy_deletes slab_reassign_busy_nomem")
	l.text("slab_reassign_last_busy_status", "none")
	l.zero("slab_reassign_running slabs_moved")
	if s.crawler.Load() {
		l.zero("lru_crawler_running lru_crawler_starts")
	}
	if !s.config.Settings.NoLRUMaintainer {
		l.zero("lru_maintainer_juggles")
	}
	written, dropped := s.config.LogCounts()
	l.zero("malloc_fails")
	l.num("log_worker_dropped", dropped)
	l.num("log_worker_written", written)
	l.zero("log_watcher_skipped log_watcher_sent log_watchers " +
		"unexpected_napi_ids round_robin_fallback")
	l.num("bytes", uint64(t.Bytes))
	l.num("curr_items", uint64(t.Items))
	l.num("total_items", t.TotalItems)
	l.zero("slab_global_page_pool")
	l.num("expired_unfetched", t.ExpiredUnfetched)
	l.num("evicted_unfetched", t.EvictedUnfetched)
	if !s.config.Settings.NoLRUMaintainer {
		l.num("evicted_active", t.EvictedActive)
	}
	l.num("evictions", t.Evictions)
	l.num("reclaimed", t.Reclaimed)
	l.zero("crawler_reclaimed crawler_items_checked lrutail_reflocked")
	if !s.config.Settings.NoLRUMaintainer {
		l.zero("moves_to_cold moves_to_warm moves_within_lru direct_reclaims lru_bumps_dropped")
	}
}

func log2(n int) (bits uint64) {
	for ; n > 1; n /= 2 {
		bits++
	}
	return bits
}

// items is the answer to "stats items". There are no slabs here: all items are in class 1.
func (s *Server) items() []field {
	t := s.locks.Totals()
	if t.Items == 0 {
		return nil
	}
	var l sheet
	l.num("number", uint64(t.Items))
	l.zero("number_hot number_warm")
	l.num("number_cold", uint64(t.Items))
	l.zero("age_hot age_warm")
	l.num("age", uint64(t.OldestUse.Seconds()))
	l.num("mem_requested", uint64(t.Bytes))
	l.num("evicted", t.Evictions)
	l.num("evicted_nonzero", t.EvictedNonzero)
	l.zero("evicted_time")
	l.num("outofmemory", t.NoMemory)
	l.zero("tailrepairs")
	l.num("reclaimed", t.Reclaimed)
	l.num("expired_unfetched", t.ExpiredUnfetched)
	l.num("evicted_unfetched", t.EvictedUnfetched)
	l.num("evicted_active", t.EvictedActive)
	l.zero("crawler_reclaimed crawler_items_checked lrutail_reflocked moves_to_cold moves_to_warm " +
		"moves_within_lru direct_reclaims hits_to_hot hits_to_warm")
	l.num("hits_to_cold", t.GetHits)
	l.zero("hits_to_temp")
	for i := range l {
		l[i].Name = "items:1:" + l[i].Name
	}
	return l
}

// slabs is the answer to "stats slabs": one class, with the totals of all items.
func (s *Server) slabs() []field {
	t := s.locks.Totals()
	var l sheet
	if t.Items > 0 {
		l.num("1:chunk_size", uint64(s.locks.Config().ItemSizeMax))
		l.num("1:chunks_per_page", 1)
		l.num("1:total_pages", uint64(t.Items))
		l.num("1:total_chunks", uint64(t.Items))
		l.num("1:used_chunks", uint64(t.Items))
		l.zero("1:free_chunks 1:free_chunks_end")
		l.num("1:get_hits", t.GetHits)
		l.num("1:cmd_set", t.CmdSet)
		l.num("1:delete_hits", t.DeleteHits)
		l.num("1:incr_hits", t.IncrHits)
		l.num("1:decr_hits", t.DecrHits)
		l.num("1:cas_hits", t.CasHits)
		l.num("1:cas_badval", t.CasBadval)
		l.num("1:touch_hits", t.TouchHits)
		l.num("active_slabs", 1)
	} else {
		l.zero("active_slabs")
	}
	l.num("total_malloced", uint64(t.Bytes))
	return l
}

var stateNames = [...]string{stateParse: "conn_parse_cmd", stateNread: "conn_nread", stateWait: "conn_waiting"}

// connections is the answer to "stats conns".
func (s *Server) connections() []field {
	var l sheet
	s.mu.Lock()
	defer s.mu.Unlock()
	for listener := range s.listeners {
		prefix := strconv.Itoa(fdOf(listener)) + ":"
		l.text(prefix+"addr", addrText(listener.Addr()))
		l.text(prefix+"state", "conn_listening")
		l.text(prefix+"secs_since_last_cmd", strconv.Itoa(int(time.Since(s.started).Seconds())))
	}
	for c := range s.conns {
		prefix := strconv.Itoa(c.transport.descriptor()) + ":"
		l.text(prefix+"addr", addrText(c.transport.remote()))
		if c.acceptor != nil {
			l.text(prefix+"listen_addr", addrText(c.acceptor.listener.Addr()))
		}
		l.text(prefix+"state", stateNames[c.state.Load()])
		l.text(prefix+"secs_since_last_cmd", strconv.Itoa(int(c.idleFor().Seconds())))
	}
	return l
}

// addrText shows an address as memcached does. A client of a Unix socket has no name: it
// shows as "unix:".
func addrText(a net.Addr) string {
	if a == nil {
		return "unix:"
	}
	return a.Network() + ":" + a.String()
}

func (c *conn) statsDetail(q *protocol.Request, what string) {
	d := &c.srv.detail
	switch what {
	case "on", "off":
		d.on.Store(what == "on")
		c.out.EndStats(&q.Head, "OK")
	case "dump":
		c.out.Details(&q.Head, d.dump())
	default:
		c.fault(q, protocol.ErrDetailUsage)
	}
}
