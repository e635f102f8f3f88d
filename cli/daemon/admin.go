package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/admin"
	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/exit"
)

// An adminConfig is what --admin and the flags beside it ask for.
type adminConfig struct {
	at        *endpoint // nil for none
	hosts     []string
	passwords string // file; "" for none
	tls       bool
	write     bool
}

var errAdmin = errors.New("should be a port, host:port, or :port for every address, such as 9151 or 127.0.0.1:9151")

// setAdmin reads a port, host:port or :port. A port alone can be reached from this machine only;
// :port is served on every address.
func setAdmin(c *config, value string) error {
	text := value
	switch {
	case strings.HasPrefix(value, ":"):
		text = "*" + value
	case !strings.Contains(value, ":") && value != "0": // 0 may be meant to turn it off: refuse it
		text = argv.DefaultHost + ":" + value
	}
	e, err := parseEndpoint(text)
	if err != nil || !e.ownPort || e.tls != tlsAsSet {
		return errAdmin
	}
	e.text = value
	c.admin.at = &e
	return nil
}

// hostName is a name as browsers send it.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?$`)

func setAdminHost(c *config, value string) error {
	host := strings.TrimSpace(value)
	_, err := netip.ParseAddr(host)
	if isName := hostName.MatchString(host); err != nil && !isName {
		return errors.New("should be a host name or an IP address as browsers have it in the address, without a port, such as locks.example.com")
	}
	c.admin.hosts = append(c.admin.hosts, host)
	return nil
}

// finishAdmin checks the flags beside --admin.
func (c *config) finishAdmin() error {
	a := &c.admin
	if a.at == nil {
		return c.refuseWithoutAdmin()
	}
	if a.tls && !c.tls.enabled {
		return exit.Refuse("--admin-tls", "needs TLS for clients, too, as in --tls-cert cert.pem --tls-key key.pem")
	}
	c.locks.NamedClasses = c.metricsClasses
	c.locks.Recent = true
	return nil
}

func (c *config) refuseWithoutAdmin() error {
	var needs string
	switch a := &c.admin; {
	case c.pprof:
		return exit.Refuse("--pprof", "needs --admin, the address to serve profiles on, such as --admin 127.0.0.1:9151")
	case len(a.hosts) > 0:
		needs = "--admin-host"
	case a.passwords != "":
		needs = "--admin-auth"
	case a.tls:
		needs = "--admin-tls"
	case a.write:
		needs = "--admin-write"
	default:
		return nil
	}
	return exit.Refuse(needs, "needs --admin, the address of the page, such as --admin 127.0.0.1:9151")
}

// given is how the user has written the address, and the flag to change it with.
func (c *config) adminGiven() (where, flag string) {
	where = "--admin " + c.admin.at.text
	if c.settings != nil && len(c.settings.all["admin"]) > 0 {
		where = c.settings.all["admin"][0].where
	}
	if strings.Contains(strings.ToLower(where), "metrics") {
		return where, "--metrics"
	}
	return where, "--admin"
}

// A web is the HTTP server of --admin. Without a listener it does nothing.
type web struct {
	listener net.Listener
	server   *admin.Server
}

// listen opens the address, if there is one.
func (w *web) listen(c *config) error {
	e := c.admin.at
	if e == nil {
		return nil
	}
	where, flag := c.adminGiven()
	host := e.host
	if host == "*" {
		host = ""
	}
	addr := net.JoinHostPort(host, strconv.Itoa(e.port))
	l, err := net.Listen("tcp", addr)
	if unknown, ok := errors.AsType[*net.DNSError](err); ok {
		return exit.Refuse(where, "cannot resolve: "+unknown.Error())
	}
	if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
		return exit.Refuse(where, noSuchAddress(err))
	}
	if err != nil {
		return cannotListen(where, addr, flag, err)
	}
	w.listener = l
	return nil
}

func (w *web) close() {
	if w.listener != nil {
		w.listener.Close()
	}
}

// serve begins to serve, with TLS if config is not nil. If that fails later, locks are served all the same.
func (w *web) serve(c admin.Config, config *tls.Config) {
	if w.listener == nil {
		return
	}
	w.server = admin.New(c)
	if config != nil {
		w.listener = tls.NewListener(w.listener, config)
	}
	go func() {
		if err := w.server.Serve(w.listener); !errors.Is(err, admin.ErrClosed) {
			c.Logger.Error().Err(err).Msg("the admin address is not served any more")
		}
	}()
}

// adminConfig is what the page and the metrics show.
func (s *service) adminConfig() admin.Config {
	a := &s.config.admin
	c := admin.Config{
		Locks:     s.manager,
		Server:    s.server,
		Journal:   s.journal,
		Recovered: s.recovered,
		Pprof:     s.config.pprof,
		Hosts:     a.hosts,
		Write:     a.write,
		Warnings:  s.warnings,
		Logger:    s.log,
	}
	if s.adminPasswords != nil {
		c.Authenticate = s.adminPasswords.Match
	}
	if s.node != nil {
		c.Cluster = s.node
	}
	return c
}

// adminTLS is how TLS is spoken at the admin address; nil for plain text.
func (s *service) adminTLS() *tls.Config {
	if !s.config.admin.tls {
		return nil
	}
	return s.certificates.Config(s.config.tls.config(tlsAsSet))
}

// sayAdminExposed warns if other machines can read keys and owners without a password.
func (s *service) sayAdminExposed() {
	if s.metrics.listener == nil || s.config.admin.passwords != "" {
		return
	}
	if addr, isTCP := s.metrics.listener.Addr().(*net.TCPAddr); isTCP && !addr.IP.IsLoopback() {
		s.log.Warn().Stringer("admin", addr).
			Msg("keys and owners can be read from other machines without a password: give --admin-auth")
	}
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

// log adds the settings of the admin address to the log line of settings.
func (w *web) log(e *zerolog.Event, c *config) {
	if w.listener != nil {
		e.Int("metrics_classes", c.metricsClasses).Bool("pprof", c.pprof).
			Bool("admin_auth", c.admin.passwords != "").Bool("admin_tls", c.admin.tls).Bool("admin_write", c.admin.write)
	}
}
