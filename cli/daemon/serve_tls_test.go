package daemon_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lockcached/lockcached/cli"
	"github.com/lockcached/lockcached/cli/internal/clitest"
	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/internal/testcert"
)

func TestFilesRefused(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"-Y " + dir + "/absent": "-Y: open " + dir + "/absent: no such file or directory",
		"-Y " + bad:             "-Y: " + bad + ": line 1 should be user:password",
		"--tls-cert " + bad:     "-Z: certificate " + bad + " with key " + bad + ": tls: failed to find any PEM data in certificate input",
	} {
		var stderr strings.Builder
		code := cli.Run(append([]string{"lockcached", "-p-1"}, strings.Fields(args)...), &stderr, &stderr, nil)
		if code != exit.Refused || stderr.String() != "lockcached: "+want+"\n" {
			t.Errorf("exit %d, %q, want %q", code, &stderr, want)
		}
	}
}

// secureClient speaks TLS with a running server.
type secureClient struct {
	*tls.Conn
	in *bufio.Reader
}

func dialTLS(t *testing.T, addr string, config *tls.Config) (*secureClient, error) {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, config)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	return &secureClient{conn, bufio.NewReader(conn)}, nil
}

func (c *secureClient) ask(line string) (string, error) {
	fmt.Fprintf(c, "%s\r\n", line)
	return c.in.ReadString('\n')
}

// name returns the name on the server's certificate.
func (c *secureClient) name() string {
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// TestServeTLS replaces the certificate of a running server: by SIGHUP, by
// refresh_certs, and by replacing the file alone.
func TestServeTLS(t *testing.T) {
	ca := testcert.NewAuthority(t)
	cert, key := ca.Issue("first")
	s := clitest.Start(t, "-p-1", "--tls-cert", cert, "--tls-key", key)
	client, err := dialTLS(t, s.Addrs[0], ca.Client(""))
	if err != nil {
		t.Fatal(err)
	}
	wantName := func(want string) {
		t.Helper()
		c, err := dialTLS(t, s.Addrs[0], ca.Client(""))
		if err != nil || c.name() != want {
			t.Errorf("met %v, %v, want %s", c, err, want)
		}
	}
	wantName("first")

	ca.Replace("second", cert, key)
	s.Logged("certificates reloaded")
	wantName("second")
	if err := os.WriteFile(cert, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if line := s.Logged("certificates cannot be reloaded, those from before stay in use"); line["level"] != "error" {
		t.Errorf("%v", line)
	}
	if answer, _ := client.ask("refresh_certs"); !strings.HasPrefix(answer, "Error certificate "+cert) {
		t.Errorf("refresh_certs with nonsense: %q", answer)
	}
	wantName("second")

	ca.Replace("third", cert, key)
	if answer, _ := client.ask("refresh_certs"); answer != "OK\r\n" {
		t.Errorf("refresh_certs: %q", answer)
	}
	wantName("third")
	s.Signals <- syscall.SIGHUP
	s.Logged("certificates reloaded")
	s.Stop(syscall.SIGTERM)
}

func TestServeClientCertificates(t *testing.T) {
	ca := testcert.NewAuthority(t)
	cert, key := ca.Issue("server")
	s := clitest.Start(t, "--tls-cert", cert, "--tls-key", key, "--tls-ca", ca.File, "-l", "127.0.0.1:0,btls:127.0.0.1:0,notls:127.0.0.1:0", "-v")
	defer s.Stop(syscall.SIGTERM)
	answers := func(addr string, name string) bool {
		c, err := dialTLS(t, addr, ca.Client(name))
		if err != nil {
			return false
		}
		_, err = c.ask("version") // TLS 1.3 tells a client only now
		return err == nil
	}
	if !answers(s.Addrs[0], "alice") || answers(s.Addrs[0], "") || !answers(s.Addrs[1], "") {
		t.Error("a certificate is for the first address alone")
	}
	if got := clitest.Ask(t, "tcp", s.Addrs[2], "version"); !strings.HasPrefix(got, "VERSION ") {
		t.Errorf("plain text: %q", got)
	}
	if line := s.Logged("TLS handshake failed"); line["level"] != "warn" {
		t.Errorf("%v", line)
	}
}

func TestServePasswords(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwords")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("foo:bar\n")
	s := clitest.Start(t, "-p-1", "-Y", file, "-v")
	if line := s.Logged("settings"); line["authentication"] != true || line["protocol"] != "auto-negotiate" {
		t.Errorf("%v", line)
	}
	for _, tt := range []struct{ line, want string }{
		{"version", "CLIENT_ERROR unauthenticated\r\n"},
		{"set x 0 0 7\r\nfoo bar", "STORED\r\n"},
		{"set x 0 0 7\r\nfoo new", "CLIENT_ERROR authentication failure\r\n"},
	} {
		if got := clitest.Ask(t, "tcp", s.Addrs[0], tt.line); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.line, got, tt.want)
		}
	}
	write("foo:new\n")
	s.Signals <- syscall.SIGHUP
	s.Logged("passwords reloaded")
	if got := clitest.Ask(t, "tcp", s.Addrs[0], "set x 0 0 7\r\nfoo new"); got != "STORED\r\n" {
		t.Errorf("the new password: %q", got)
	}
	s.Stop(syscall.SIGTERM)
}
