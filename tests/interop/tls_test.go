package interop_test

import (
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/testenv"
)

func TestTLSGomemcache(t *testing.T) {
	t.Parallel()
	s := harness.RunTLSServer(t)
	alice, bob, plain := s.Client(t, "alice"), s.Client(t, "bob"), clientOf(t, s.Plain)
	is(t, "add", alice.Add(item("lock", "alice", 60)), nil)
	is(t, "add of a held lock", bob.Add(item("lock", "bob", 60)), memcache.ErrNotStored)
	served := make(chan error, 1)
	go func() { served <- bob.Add(item("lockcached:wait=10s:lock", "bob", 60)) }()
	waitForField(t, plain, "lockcached:lock:lock", "queued=1")
	is(t, "delete", alice.Delete("lock"), nil)
	is(t, "bob's add", <-served, nil)
	holds(t, plain, "lock", "bob")
	if err := s.Client(t, "").Ping(); err == nil {
		t.Error("a client without a certificate has come in")
	}
}

// TestTLSPeers lets other projects' programs speak TLS with lockcached.
func TestTLSPeers(t *testing.T) {
	t.Parallel()
	s := harness.RunTLSServer(t)
	cert, key := s.CA.Issue("carol")
	host, port, _ := net.SplitHostPort(s.Secure)
	t.Run("openssl", func(t *testing.T) {
		for _, version := range []string{"-tls1_2", "-tls1_3"} {
			cmd := exec.Command("openssl", "s_client", "-connect", s.Secure, "-CAfile", s.CA.File, "-verify_return_error",
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
		cmd := exec.Command("openssl", "s_client", "-connect", s.Secure, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
		if cmd.Err != nil {
			testenv.Missing(t, cmd.Err)
		}
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("an old version is spoken: %s", out)
		}
	})
	t.Run("pymemcache", func(t *testing.T) {
		run(t, python("client.py", "pymemcache")(t), host, port, "lockcached", s.CA.File, cert, key)
	})
}
