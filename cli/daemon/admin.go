package daemon

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/admin"
	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/exit"
)

var errMetrics = errors.New("should be a port, host:port, or :port for every address, such as 9151 or 127.0.0.1:9151")

// setMetrics reads a port, host:port or :port. A port alone can be reached from this machine only;
// :port is served on every address.
func setMetrics(c *config, value string) error {
	text := value
	switch {
	case strings.HasPrefix(value, ":"):
		text = "*" + value
	case !strings.Contains(value, ":") && value != "0": // 0 may be meant to turn it off: refuse it
		text = argv.DefaultHost + ":" + value
	}
	e, err := parseEndpoint(text)
	if err != nil || !e.ownPort || e.tls != tlsAsSet {
		return errMetrics
	}
	e.text = value
	c.metrics = &e
	return nil
}

// A web is the HTTP server of --metrics. Without a listener it does nothing.
type web struct {
	listener net.Listener
	server   *admin.Server
}

// listen opens the address, if there is one.
func (w *web) listen(e *endpoint) error {
	if e == nil {
		return nil
	}
	host := e.host
	if host == "*" {
		host = ""
	}
	addr := net.JoinHostPort(host, strconv.Itoa(e.port))
	l, err := net.Listen("tcp", addr)
	if unknown, ok := errors.AsType[*net.DNSError](err); ok {
		return exit.Refuse("--metrics "+e.text, "cannot resolve: "+unknown.Error())
	}
	if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
		return exit.Refuse("--metrics "+e.text, noSuchAddress(err))
	}
	if err != nil {
		return cannotListen("--metrics "+e.text, addr, "--metrics", err)
	}
	w.listener = l
	return nil
}

func (w *web) close() {
	if w.listener != nil {
		w.listener.Close()
	}
}

// serve begins to serve. If that fails later, locks are served all the same.
func (w *web) serve(c admin.Config) {
	if w.listener == nil {
		return
	}
	w.server = admin.New(c)
	go func() {
		if err := w.server.Serve(w.listener); !errors.Is(err, admin.ErrClosed) {
			c.Logger.Error().Err(err).Msg("metrics are not served any more")
		}
	}()
}

// stopping makes /healthz say that the server is about to stop.
func (w *web) stopping() {
	if w.server != nil {
		w.server.Health.Fail("shutdown", "the server is shutting down")
	}
}

// webDrain is how long stop waits for a scrape or a profile.
const webDrain = time.Second

// stop ends the HTTP server. It is called last, so that metrics show the server's shutdown.
func (w *web) stop(ctx context.Context) {
	if w.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, webDrain)
	defer cancel()
	_ = w.server.Shutdown(ctx) // only a profile takes long enough to be interrupted
}

// log adds the settings of metrics to the log line of settings.
func (w *web) log(e *zerolog.Event, c *config) {
	if w.listener != nil {
		e.Int("metrics_classes", c.metricsClasses).Bool("pprof", c.pprof)
	}
}
