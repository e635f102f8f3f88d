package harness

import (
	"crypto/tls"
	"testing"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/internal/testcert"
)

// A TLSServer is a lockcached that wants client certificates, with what its clients need.
type TLSServer struct {
	CA            *testcert.Authority
	Secure, Plain string // its addresses
}

// RunTLSServer starts one and stops it when the test ends.
func RunTLSServer(t *testing.T, flags ...string) *TLSServer {
	t.Helper()
	ca := testcert.NewAuthority(t)
	cert, key := ca.Issue("server")
	flags = append(flags, "-l", "127.0.0.1,notls:127.0.0.1", "--tls-cert", cert, "--tls-key", key, "--tls-ca", ca.File)
	addresses := RunServers(t, flags...)
	return &TLSServer{ca, addresses[0], addresses[1]}
}

// Client is a gomemcache client that shows the certificate of that name.
func (s *TLSServer) Client(t *testing.T, name string) *memcache.Client {
	t.Helper()
	c := ClientOf(t, s.Secure)
	c.DialContext = (&tls.Dialer{Config: s.CA.Client(name)}).DialContext
	return c
}
