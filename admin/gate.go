package admin

import (
	"encoding/json"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lockcached/lockcached/server"
)

// A gate decides who may see the page and the API behind it.
type gate struct {
	hosts        []string // names of this server, besides its address
	authenticate func(user, password []byte) bool
	server       *server.Server
}

func newGate(c Config) *gate {
	g := &gate{authenticate: c.Authenticate, server: c.Server}
	for _, host := range c.Hosts {
		g.hosts = append(g.hosts, hostOf(host))
	}
	return g
}

// policy lets the page load its own files and ask its own server, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page guards what only the page's own origin may see.
func (g *gate) page(next http.Handler) http.Handler {
	next = g.login(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case !g.isOurs(r):
			refuse(w, http.StatusForbidden, "this server does not know itself by the name in the address: open it as localhost, "+
				"or by its IP address, or start it with --admin-host NAME")
		case isForeign(r):
			refuse(w, http.StatusForbidden, "another site's page asks for this")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// isOurs reports whether the Host of a request is a name of this server. A page of another site can
// make its own name resolve to this server's address (DNS rebinding), and then would be of the same
// origin; but that name is in Host. An IP address cannot be made to mean another server.
func (g *gate) isOurs(r *http.Request) bool {
	host := hostOf(r.Host)
	if slices.Contains(g.hosts, host) {
		return true
	}
	local := localAddr(r)
	addr, err := netip.ParseAddr(host)
	switch {
	case local.IsLoopback():
		return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
	case err == nil:
		return addr.Unmap() == local
	}
	return false
}

// hostOf is a host without its port, as it is compared.
func hostOf(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = hostPort
	}
	return strings.Trim(strings.TrimSuffix(strings.ToLower(host), "."), "[]")
}

// localAddr is this end of the connection.
func localAddr(r *http.Request) netip.Addr {
	if tcp, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// isForeign reports whether a page of another origin sends the request. Following a link to the page
// is allowed.
func isForeign(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		return !strings.EqualFold(origin, scheme+"://"+r.Host)
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return false
	}
	return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.URL.Path != "/"
}

// login asks for a user and a password, if there is a file of them. Who fails twice has to wait, as over
// the protocol: until then no password from that address is looked at.
func (g *gate) login(next http.Handler) http.Handler {
	if g.authenticate == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, given := r.BasicAuth()
		from := remoteAddr(r)
		if given {
			if pause := g.server.LoginPause(from); pause > 0 {
				w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(pause.Seconds()))))
				refuse(w, http.StatusTooManyRequests, "too many wrong passwords: try again later")
				return
			}
			if g.authenticate([]byte(user), []byte(password)) {
				next.ServeHTTP(w, r)
				return
			}
			g.server.LoginFailed(from)
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="lockcached", charset="UTF-8"`)
		refuse(w, http.StatusUnauthorized, "a user and a password of --admin-auth are needed")
	})
}

func remoteAddr(r *http.Request) net.Addr {
	addr, _ := netip.ParseAddrPort(r.RemoteAddr)
	return net.TCPAddrFromAddrPort(addr)
}

// refuse answers with an error in JSON, which people can read as well.
func refuse(w http.ResponseWriter, code int, why string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": why})
}
