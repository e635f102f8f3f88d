// Package admin serves everything that is HTTP: the page with the API behind it, metrics for
// Prometheus, health checks and profiles. It takes snapshots of the packages below only when a request asks for them, so it
// adds nothing to the cost of a lock.
package admin

import (
	"context"
	"encoding/json"
	"errors"
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

// Config says what to report. Locks and Server are required.
type Config struct {
	Locks  *locks.Manager
	Server *server.Server
	// Journal is the journal of the locks, nil if they are in memory only; Recovered is
	// what was found in it.
	Journal   *journal.Journal
	Recovered journal.Recovered
	// Cluster is what this server is a node of, nil for a single server.
	Cluster Cluster
	// Pprof serves profiles below /debug/pprof/. Anyone who can request them can learn keys
	// and slow the server down.
	Pprof bool
	// Hosts are the names by which browsers may open the page, besides the address of the
	// server and, on loopback, localhost.
	Hosts []string
	// Authenticate, if not nil, is asked before the page, the API and profiles are shown.
	Authenticate func(user, password []byte) bool
	// Write lets the page release locks.
	Write bool
	// Warnings returns the warnings and errors that were logged since a moment, the newest
	// first, each as a JSON object; nil for none.
	Warnings func(since time.Time) []json.RawMessage
	// Logger gets the errors of requests, and who has released a lock.
	Logger zerolog.Logger
}

// Server answers HTTP requests.
type Server struct {
	Health Health // what /healthz answers
	http   http.Server
	crowd  crowd
}

// Bounds on a request. Scrapers are few and near, and a slow client must not occupy a
// connection for ever.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 10 * time.Second // for a profile, in addition to the seconds that the request names
	idleTimeout   = 10 * time.Second
	maxHeader     = 16 << 10
	maxScrapes    = 4 // at a time
)

// New returns a Server, which answers no requests until Serve is called.
func New(c Config) *Server {
	s := new(Server)
	s.Health.Watch("locks", c.Locks.JournalErr)
	if c.Cluster != nil {
		s.Health.Watch("cluster", c.Cluster.Health)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics(c))
	mux.Handle("GET /healthz", &s.Health)
	g := newGate(c)
	pageRoutes(mux, g.page)
	(&api{Config: c, snapshots: newSnapshots(), health: &s.Health}).routes(mux, g.page)
	if c.Pprof {
		profiles(mux, g.login)
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

// Serve answers requests until Shutdown, and then returns ErrClosed.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		return ErrClosed
	}
	return err
}

// Shutdown stops accepting and lets requests finish. If the context is done first, it closes
// the remaining connections and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		_ = s.http.Close()
	}
	return err
}

// metrics serves a registry of its own, so that metrics which libraries register by themselves
// do not appear.
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
	gatherers := prometheus.Gatherers{registry}
	if c.Cluster != nil {
		registry.MustRegister(clusterCollector{c.Cluster})
		gatherers = append(gatherers, etcdsOwn{prometheus.DefaultGatherer})
	}
	return promhttp.HandlerFor(gatherers, promhttp.HandlerOpts{
		ErrorLog:            newErrorLog(c.Logger),
		MaxRequestsInFlight: maxScrapes,
	})
}

// profiles serves Go's profiles.
func profiles(mux *http.ServeMux, guard func(http.Handler) http.Handler) {
	for path, serve := range map[string]http.HandlerFunc{
		"":        pprof.Index,
		"cmdline": pprof.Cmdline,
		"profile": pprof.Profile,
		"symbol":  pprof.Symbol,
		"trace":   pprof.Trace,
	} {
		mux.Handle("/debug/pprof/"+path, guard(serve))
	}
}
