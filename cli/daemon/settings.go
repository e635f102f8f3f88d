package daemon

import (
	"os"
	"runtime/debug"
	"strconv"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// logStart logs that the server serves, and at level debug its settings.
func (s *service) logStart(srv *server.Server, listeners []listener) {
	addrs := make([]string, len(listeners))
	for i, l := range listeners {
		addrs[i] = l.Addr().String()
	}
	e := s.log.Info().Strs("listen", addrs).Str("version", server.Release).Int("pid", os.Getpid())
	if s.metrics.listener != nil {
		e.Stringer("metrics", s.metrics.listener.Addr())
	}
	if dir := s.config.journal.Dir; dir != "" {
		e.Str("data", dir)
	}
	noBatchCalls := srv.BatchCalls()
	if noBatchCalls != nil {
		e.Str("batch_calls", "no: "+noBatchCalls.Error())
	}
	e.Msg("serving")
	s.logSettings(noBatchCalls == nil)
}

// logSettings writes one line with all settings in effect.
func (s *service) logSettings(batchCalls bool) {
	c := s.config
	e := s.log.Debug().
		Str("memcached_version", server.Version).
		Int("threads", c.threads).
		Int64("memory_limit", c.locks.MemoryLimit).
		Int64("process_memory_limit", debug.SetMemoryLimit(-1)).
		Int("max_item_size", c.locks.ItemSizeMax).
		Bool("evictions", !c.locks.NoEvict).
		Int("conn_limit", c.server.MaxConns).
		Dur("idle_timeout_ms", c.server.IdleTimeout).
		Dur("keepalive_ms", c.server.KeepAlive).
		Dur("user_timeout_ms", c.server.UserTimeout).
		Dur("send_timeout_ms", c.server.SendTimeout).
		Dur("request_timeout_ms", c.server.RequestTimeout).
		Int("backlog", c.server.Settings.Backlog).
		Bool("batch_calls", batchCalls).
		Int("reqs_per_event", c.server.Settings.ReqsPerEvent).
		Str("protocol", c.server.Settings.Protocol).
		Bool("flush_all", !c.server.NoFlush).
		Bool("dumps", !c.server.NoDump).
		Bool("shutdown_command", c.shutdownCommand).
		Bool("tls", c.tls.enabled).
		Bool("client_certificates", c.tls.enabled && c.tls.verify > 0).
		Bool("authentication", c.authFile != "").
		Dur("drain_ms", c.drain)
	if c.socket != "" {
		e.Str("unix_mask", strconv.FormatUint(uint64(c.socketMode), 8))
	}
	s.metrics.log(e, c)
	logLocks(e, c)
	logJournal(e, c)
	e.Msg("settings")
}

// logLocks adds the settings of locks.
func logLocks(e *zerolog.Event, c *config) {
	keys := zerolog.Arr()
	for _, pattern := range c.locks.LockKeys {
		keys.Str(pattern.String())
	}
	if len(c.locks.LockKeys) == 0 {
		keys.Str("*")
	}
	waits := zerolog.Dict()
	for _, policy := range c.locks.WaitPolicies {
		waits.Stringer(policy.Pattern.String(), policy.Wait)
	}
	delays := zerolog.Dict()
	for _, d := range c.locks.LockDelays {
		delays.Stringer(d.Pattern.String(), d.Delay)
	}
	logFills(e, c)
	delimiter := c.locks.ClassDelimiter
	if delimiter == 0 {
		delimiter = ':'
	}
	e.Array("lock_keys", keys).
		Dict("wait", waits).
		Dict("lock_delay", delays).
		Dur("settle_ms", c.locks.Settle).
		Dur("max_wait_ms", c.locks.MaxWait).
		Int("max_waiters", c.locks.MaxWaiters).
		Int("max_waiters_total", c.locks.MaxWaitersTotal).
		Float64("retry_rate", c.locks.RetryRate).
		Float64("retry_rate_total", c.locks.TotalRetryRate).
		Bool("retry_by_rank", c.locks.RetryByRank).
		Dur("retry_max_ms", c.locks.RetryMax).
		Int("stats_keys", c.locks.StatsKeys).
		Int("stats_classes", c.locks.StatsClasses).
		Str("delimiter", string(rune(delimiter)))
}

// logFills adds the policies for values that clients compute, and for late releases, if there
// are any.
func logFills(e *zerolog.Event, c *config) {
	logPolicies(e, "coalesce", c.locks.HoldPolicies)
	logPolicies(e, "stale", c.locks.StalePolicies)
	if policies := c.locks.EarlyPolicies; len(policies) > 0 {
		all := zerolog.Dict()
		for _, p := range policies {
			all.Float64(p.Pattern.String(), p.Beta)
		}
		e.Dict("early", all)
	}
	if patterns := c.locks.GuardRelease; len(patterns) > 0 {
		all := zerolog.Arr()
		for _, p := range patterns {
			all.Str(p.String())
		}
		e.Array("guard_release", all)
	}
}

func logPolicies(e *zerolog.Event, name string, policies []locks.FillPolicy) {
	if len(policies) == 0 {
		return
	}
	all := zerolog.Dict()
	for _, p := range policies {
		all.Stringer(p.Pattern.String(), p.For)
	}
	e.Dict(name, all)
}

// logJournal adds the settings of the journal.
func logJournal(e *zerolog.Event, c *config) {
	if c.journal.Dir == "" {
		return
	}
	e.Str("data", c.journal.Dir)
	for name, mode := range fsyncModes {
		if mode == c.journal.Fsync {
			e.Str("fsync", name)
		}
	}
	if c.journal.Fsync == journal.Interval {
		e.Dur("fsync_interval_ms", c.journal.Interval)
	}
}
