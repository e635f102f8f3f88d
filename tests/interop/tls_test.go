package main_test

import (
	"crypto/tls"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/internal/testcert"
	"github.com/lockcached/lockcached/internal/testenv"
)

// tlsServer is a server that wants client certificates, and how to meet it.
type tlsServer struct {
	ca            *testcert.Authority
	secure, plain string // its addresses
}

func runTLSServer(t *testing.T, flags ...string) *tlsServer {
	t.Helper()
	ca := testcert.NewAuthority(t)
	cert, key := ca.Issue("server")
	flags = append(flags, "-l", "127.0.0.1,notls:127.0.0.1", "--tls-cert", cert, "--tls-key", key, "--tls-ca", ca.File)
	addresses := runServers(t, flags...)
	return &tlsServer{ca, addresses[0], addresses[1]}
}

// client is a gomemcache client that shows the certificate of that name.
func (s *tlsServer) client(t *testing.T, name string) *memcache.Client {
	t.Helper()
	c := clientOf(t, s.secure)
	c.DialContext = (&tls.Dialer{Config: s.ca.Client(name)}).DialContext
	return c
}

func TestTLSGomemcache(t *testing.T) {
	t.Parallel()
	s := runTLSServer(t)
	alice, bob, plain := s.client(t, "alice"), s.client(t, "bob"), clientOf(t, s.plain)
	is(t, "add", alice.Add(item("lock", "alice", 60)), nil)
	is(t, "add of a held lock", bob.Add(item("lock", "bob", 60)), memcache.ErrNotStored)
	served := make(chan error, 1)
	go func() { served <- bob.Add(item("lockcached:wait=10s:lock", "bob", 60)) }()
	waitForField(t, plain, "lockcached:lock:lock", "queued=1")
	is(t, "delete", alice.Delete("lock"), nil)
	is(t, "bob's add", <-served, nil)
	holds(t, plain, "lock", "bob")
	if err := s.client(t, "").Ping(); err == nil {
		t.Error("a client without a certificate has come in")
	}
}

// TestTLSPeers lets programs of others speak TLS with lockcached.
func TestTLSPeers(t *testing.T) {
	t.Parallel()
	s := runTLSServer(t)
	cert, key := s.ca.Issue("carol")
	host, port, _ := net.SplitHostPort(s.secure)
	t.Run("openssl", func(t *testing.T) {
		for _, version := range []string{"-tls1_2", "-tls1_3"} {
			cmd := exec.Command("openssl", "s_client", "-connect", s.secure, "-CAfile", s.ca.File, "-verify_return_error",
				"-cert", cert, "-key", key, "-quiet", version)
			if cmd.Err != nil {
				testenv.Missing(t, cmd.Err)
			}
			cmd.Stdin = strings.NewReader("add " + version + " 0 60 5\r\ncarol\r\nquit\r\n")
			if out, err := cmd.Output(); err != nil || string(out) != "STORED\r\n" {
				t.Errorf("%s: %q, %v", version, out, err)
			}
		}
	})
	t.Run("openssl, TLS 1.1", func(t *testing.T) {
		cmd := exec.Command("openssl", "s_client", "-connect", s.secure, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
		if cmd.Err != nil {
			testenv.Missing(t, cmd.Err)
		}
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("an old version is spoken: %s", out)
		}
	})
	t.Run("pymemcache", func(t *testing.T) {
		cmd := exec.Command(pythonWith(t, "pymemcache"), "testdata/interop/client.py", host, port, s.ca.File, cert, key)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}
