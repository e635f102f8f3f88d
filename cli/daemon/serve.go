package daemon

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cli/internal/logging"
	"github.com/lockcached/lockcached/credentials"
	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// A service is a server between its start and its end.
type service struct {
	config    *config
	log       zerolog.Logger
	level     *logging.Level // of log
	signals   <-chan os.Signal
	commanded chan string // the client's command that stops us
	failed    chan error  // what Serve returned, one per listener
	metrics   web

	certificates *credentials.Certificates // nil without TLS
	passwords    *credentials.Passwords    // nil without a password file
	secrets      []*secret

	adminPasswords *credentials.Passwords                  // nil without --admin-auth
	warnings       func(since time.Time) []json.RawMessage // that were logged

	manager *locks.Manager
	server  *server.Server
	reloads reloads
	sized   atomic.Pointer[config] // what the process's limit of memory follows

	journal   *journal.Journal // nil if locks are kept in memory alone, or in a cluster
	node      clusterNode      // nil for a single server
	links     net.Listener     // from other nodes
	recovered journal.Recovered
}

// serve runs the server until a signal or the shutdown command ends it. It calls ready
// when clients are accepted.
func serve(c *config, log zerolog.Logger, queue *logging.Queue, level *logging.Level, signals <-chan os.Signal, ready func()) error {
	s := &service{config: c, log: log, level: level, signals: signals, commanded: make(chan string, 1), warnings: queue.Warnings}
	if err := s.prepare(); err != nil {
		return err
	}
	listeners, err := listen(c)
	if err != nil {
		return err
	}
	defer closeAll(listeners) // also removes the Unix socket
	if err := s.metrics.listen(c); err != nil {
		return err
	}
	defer s.metrics.close()
	if err := s.join(context.Background(), listeners); err != nil {
		return err
	}
	manager, err := s.recoverLocks() // clients that connect meanwhile have to wait
	if err != nil {
		return err
	}
	defer s.run(manager)()
	s.report(listeners)
	defer writePID(c.pidFile, log)()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	srv := s.start(ctx, manager, listeners)
	defer s.serveCluster(manager, srv)()
	s.notify(systemd.SdNotifyReady)
	ready()
	if err := s.wait(); err != nil {
		return err
	}
	s.notify(systemd.SdNotifyStopping)
	s.drain(srv)
	return nil
}

// prepare sets up the process. As in memcached, the user of -u owns the socket and the pid file,
// so this comes before they are made.
func (s *service) prepare() error {
	c := s.config
	runtime.GOMAXPROCS(c.threads + 1) // the loops wait in system calls: one more for everything else
	raiseFileLimit(c)
	if err := s.loadSecrets(); err != nil {
		return err
	}
	s.boundMemory()
	return becomeUser(c)
}

// report logs warnings, and writes the ports to the file that the environment names.
func (s *service) report(listeners []listener) {
	s.sayWarnings()
	s.sayExposed(listeners)
	s.sayAdminExposed()
	name := os.Getenv("MEMCACHED_PORT_FILENAME")
	if name == "" || s.config.socket != "" {
		return
	}
	if err := writePorts(name, listeners); err != nil {
		s.log.Warn().Err(err).Msg("cannot write the ports to MEMCACHED_PORT_FILENAME")
	}
}

// sayWarnings logs the warnings about flags and about the start. It is called when the start has
// succeeded: one that fails prints the failure alone.
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
	c.server.Settings.More = s.rows()
	srv := server.New(c.server)
	s.manager, s.server = manager, srv
	s.failed = make(chan error, len(listeners))
	for _, l := range listeners {
		config := c.tlsFor(l)
		go func() { s.failed <- s.accept(srv, l, config) }()
	}
	go s.feedWatchdog(ctx, manager, srv)
	s.metrics.serve(s.adminConfig(), s.adminTLS())
	s.logStart(srv, listeners)
	return srv
}

// accept serves a listener, with TLS if config is not nil.
func (s *service) accept(srv *server.Server, l listener, config *tls.Config) error {
	if config != nil {
		return srv.ServeTLS(l.Listener, s.certificates.Config(config))
	}
	return srv.Serve(l.Listener)
}

// command is called by a client's "shutdown"; only the first call counts.
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
	if read := s.config.settings.file; read != nil {
		s.reloads.seen = read.info
	}
	var check <-chan time.Time // never, if there are no files to check
	if len(s.secrets) > 0 || s.config.watch {
		check = time.Tick(checkInterval)
	}
	var removed <-chan struct{} // never, for a single server
	if s.node != nil {
		removed = s.node.Done()
	}
	for {
		select {
		case <-removed:
			s.log.Warn().Msg("this node was removed from the cluster: stopping")
			return nil
		case sig := <-s.signals:
			if stops(sig) {
				s.log.Info().Stringer("signal", sig).Msg("stopping")
				return nil
			}
			s.reloadNotified()
		case <-check:
			if s.config.watch {
				s.reloadChangedConfig()
			}
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

// stops reports whether a signal ends the server: any but SIGHUP, which makes memcached read its
// files again.
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
	s.leave(ctx)
	began := time.Now()
	s.metrics.stopping()
	defer s.metrics.stop(ctx)
	if err := srv.Shutdown(ctx); err != nil {
		s.log.Warn().Err(err).Dur("after_ms", time.Since(began)).Msg("stopped with requests unfinished")
		return
	}
	s.log.Info().Dur("after_ms", time.Since(began)).Msg("stopped")
}
