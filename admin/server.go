// Package admin is all that is HTTP: metrics for Prometheus, whether the server is
// well, and profiles. It reads snapshots of the packages below when it is asked,
// and adds nothing to what a lock costs.
package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// ErrClosed is what Serve returns after Shutdown.
var ErrClosed = errors.New("admin: closed")

// Config says what to tell of. Locks and Server are required.
type Config struct {
	Locks  *locks.Manager
	Server *server.Server
	// Journal is where the locks are kept, nil if that is in memory alone, and
	// Recovered what was found in it.
	Journal   *journal.Journal
	Recovered journal.Recovered
	// Pprof serves profiles below /debug/pprof/. Whoever can read them learns keys
	// and can slow the server down.
	Pprof bool
	// Logger gets what goes wrong with a request.
	Logger zerolog.Logger
}

// Server answers HTTP requests. It begins in good health.
type Server struct {
	Health Health // what /healthz answers
	http   http.Server
	crowd  crowd
}

// Bounds on a request: those who scrape are few and near, and a client that dawdles
// is not to take a connection for ever.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 10 * time.Second // for a profile, beyond the seconds it was asked for
	idleTimeout   = 10 * time.Second
	maxHeader     = 16 << 10
	maxScrapes    = 4 // at a time
)

// New returns a Server that serves nobody yet.
func New(c Config) *Server {
	s := new(Server)
	s.Health.Watch("locks", c.Locks.JournalErr)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics(c))
	mux.Handle("GET /healthz", &s.Health)
	mux.HandleFunc("GET /{$}", index)
	if c.Pprof {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	s.crowd.conns = make(map[net.Conn]time.Time)
	s.http = http.Server{
		Handler:           mux,
		ConnState:         s.crowd.note,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          newErrorLog(c.Logger),
	}
	return s
}

// Serve answers requests until Shutdown.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		return ErrClosed
	}
	return err
}

// Shutdown stops accepting and lets requests finish. When the context is done
// first, it breaks off those that are left and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		_ = s.http.Close()
	}
	return err
}

// metrics is a registry of our own: nothing that a library registers by itself
// gets in.
func metrics(c Config) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		newLockCollector(c.Locks),
		newConnectionCollector(c.Server),
		newMemcachedCollector(c.Locks, c.Server),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	if c.Journal != nil {
		registry.MustRegister(journalCollector{c.Journal, c.Recovered})
	}
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:            newErrorLog(c.Logger),
		MaxRequestsInFlight: maxScrapes,
	})
}

func index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, fmt.Sprintf("lockcached %s: /metrics for Prometheus, /healthz for health checks\n", server.Release))
}
