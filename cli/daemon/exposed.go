package daemon

import (
	"crypto/tls"
	"net"
)

// sayExposed warns of listeners that other machines can reach without TLS or authentication.
func (s *service) sayExposed(listeners []listener) {
	plain, open := s.config.exposed(listeners)
	if len(plain)+len(open) > 0 {
		s.log.Warn().Strs("without_tls", plain).Strs("without_authentication", open).
			Msg("can be reached from other machines without TLS or authentication")
	}
}

// exposed lists the listeners that other machines can reach without TLS, and those that they can
// reach without authentication.
func (c *config) exposed(listeners []listener) (plain, open []string) {
	for _, l := range listeners {
		addr, isTCP := l.Addr().(*net.TCPAddr)
		if !isTCP || addr.IP.IsLoopback() {
			continue
		}
		config := c.tlsFor(l)
		if config == nil {
			plain = append(plain, addr.String())
		}
		asks := config != nil && config.ClientAuth == tls.RequireAndVerifyClientCert
		if !asks && c.authFile == "" {
			open = append(open, addr.String())
		}
	}
	return plain, open
}
