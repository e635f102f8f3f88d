package daemon

import (
	"context"
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/admin"
	"github.com/lockcached/lockcached/credentials"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
	"github.com/lockcached/lockcached/store/journal"
)

// A service is a server between its start and its end.
type service struct {
	config    *config
	log       zerolog.Logger
	signals   <-chan os.Signal
	commanded chan string // why a client's "shutdown" stops us
	failed    chan error  // what Serve returned, one per listener
	metrics   web

	certificates *credentials.Certificates // nil without TLS
	secrets      []*secret

	journal   *journal.Journal // nil if locks are kept in memory alone
	recovered journal.Recovered
}

// serve runs the server until a signal or the shutdown command ends it. It calls ready
// when clients are accepted.
func serve(c *config, log zerolog.Logger, signals <-chan os.Signal, ready func()) error {
	s := &service{config: c, log: log, signals: signals, commanded: make(chan string, 1)}
	runtime.GOMAXPROCS(c.threads + 1) // the loops wait in system calls: one for all else
	raiseFileLimit(c)
	if err := s.loadSecrets(); err != nil {
		return err
	}
	boundMemory(c)
	// As in memcached, the user of -u owns the socket and the pid file.
	if err := becomeUser(c); err != nil {
		return err
	}
	listeners, err := listen(c)
	if err != nil {
		return err
	}
	defer closeAll(listeners) // also removes the Unix socket
	if err := s.metrics.listen(c.metrics); err != nil {
		return err
	}
	defer s.metrics.close()
	manager, err := s.recoverLocks() // clients that connect meanwhile have to wait
	if err != nil {
		return err
	}
	defer s.run(manager)()
	s.sayWarnings()
	s.sayExposed(listeners)
	if name := os.Getenv("MEMCACHED_PORT_FILENAME"); name != "" && c.socket == "" {
		if err := writePorts(name, listeners); err != nil {
			log.Warn().Err(err).Msg("cannot write the ports to MEMCACHED_PORT_FILENAME")
		}
	}
	defer writePID(c.pidFile, log)()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	srv := s.start(ctx, manager, listeners)
	s.notify(systemd.SdNotifyReady)
	ready()
	if err := s.wait(); err != nil {
		return err
	}
	s.notify(systemd.SdNotifyStopping)
	s.drain(srv)
	return nil
}

// sayWarnings logs what the flags and the start gave reason to. It comes when
// the start has succeeded: one that fails prints the failure alone.
func (s *service) sayWarnings() {
	if ignored := s.config.ignored; len(ignored) > 0 {
		s.log.Warn().Strs("ignored", ignored).Msg("accepted as memcached's, but without effect here")
	}
	for _, warning := range s.config.warnings {
		s.log.Warn().Msg(warning)
	}
}

// start puts the layers together and begins to accept.
func (s *service) start(ctx context.Context, manager *locks.Manager, listeners []listener) *server.Server {
	c := s.config
	c.server.Logger = s.log
	c.server.Locks = manager
	if c.shutdownCommand {
		c.server.Shutdown = s.command
	}
	srv := server.New(c.server)
	s.failed = make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { s.failed <- s.accept(srv, l) }()
	}
	go s.feedWatchdog(ctx, manager, srv)
	s.metrics.serve(admin.Config{
		Locks:     manager,
		Server:    srv,
		Journal:   s.journal,
		Recovered: s.recovered,
		Pprof:     c.pprof,
		Logger:    s.log,
	})
	s.logStart(listeners)
	return srv
}

// accept serves a listener, with TLS if that is what its clients have to speak.
func (s *service) accept(srv *server.Server, l listener) error {
	if config := s.config.tlsFor(l); config != nil {
		return srv.ServeTLS(l.Listener, s.certificates.Config(config))
	}
	return srv.Serve(l.Listener)
}

// command is what a client's "shutdown" calls; only the first one counts.
func (s *service) command(graceful bool) {
	why := "shutdown"
	if graceful {
		why = "shutdown graceful"
	}
	select {
	case s.commanded <- why:
	default:
	}
}

// wait returns nil when it is time to stop, or why the server cannot go on.
func (s *service) wait() error {
	var look <-chan time.Time // never, if there is nothing to look at
	if len(s.secrets) > 0 {
		look = time.Tick(lookInterval)
	}
	for {
		select {
		case sig := <-s.signals:
			if stops(sig) {
				s.log.Info().Stringer("signal", sig).Msg("stopping")
				return nil
			}
			s.reloadNotified()
		case <-look:
			s.reloadChanged()
		case why := <-s.commanded:
			s.log.Info().Str("command", why).Msg("stopping")
			return nil
		case err := <-s.failed:
			if !errors.Is(err, server.ErrClosed) {
				return err
			}
		}
	}
}

// stops tells the signals that end the server from SIGHUP, which makes
// memcached read its files again and must not end anything.
func stops(sig os.Signal) bool { return sig != syscall.SIGHUP }

// drain lets open requests finish until --drain is over or a second signal comes.
func (s *service) drain(srv *server.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), s.config.drain)
	defer cancel()
	go func() {
		for {
			select {
			case sig := <-s.signals:
				if stops(sig) {
					cancel()
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	began := time.Now()
	s.metrics.stopping()
	defer s.metrics.stop(ctx)
	if err := srv.Shutdown(ctx); err != nil {
		s.log.Warn().Err(err).Dur("after_ms", time.Since(began)).Msg("stopped with requests unfinished")
		return
	}
	s.log.Info().Dur("after_ms", time.Since(began)).Msg("stopped")
}

// logStart says that the server serves, and at debug with which settings.
func (s *service) logStart(listeners []listener) {
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
	e.Msg("serving")
	s.logSettings()
}

// logSettings writes one line with all that is in effect.
func (s *service) logSettings() {
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

// logLocks adds what is in effect for locks.
func logLocks(e *zerolog.Event, c *config) {
	keys := c.locks.LockKeys
	if len(keys) == 0 {
		keys = []string{"*"}
	}
	waits := zerolog.Dict()
	for _, policy := range c.server.WaitPolicies {
		waits.Stringer(policy.Pattern, policy.Wait)
	}
	delays := zerolog.Dict()
	for _, d := range c.locks.LockDelays {
		delays.Stringer(d.Pattern, d.Delay)
	}
	delimiter := c.locks.ClassDelimiter
	if delimiter == 0 {
		delimiter = ':'
	}
	e.Strs("lock_keys", keys).
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
