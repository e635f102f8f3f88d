package cli

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lockcached/lockcached/internal/testcert"
)

// TestTLSSettings reads memcached's flags and ours into what "stats settings" shows.
func TestTLSSettings(t *testing.T) {
	tests := []struct{ args, want string }{
		{"-p 1", "false {Chain: Key: CA: VerifyMode:0 WriteBuffer:0 SessionCache:false MinVersion:0} []"},
		{"-Z -o ssl_chain_cert=c -o ssl_key=k", "true {Chain:c Key:k CA: VerifyMode:0 WriteBuffer:0 SessionCache:false MinVersion:0} []"},
		{"--tls-cert c --tls-key k", "true {Chain:c Key:k CA: VerifyMode:0 WriteBuffer:0 SessionCache:false MinVersion:0} []"},
		{"--tls-cert c --tls-ca a", "true {Chain:c Key: CA:a VerifyMode:3 WriteBuffer:0 SessionCache:false MinVersion:0} []"},
		{"-Z -o ssl_chain_cert=c,ssl_ca_cert=a,ssl_verify_mode=1,ssl_min_version=3,ssl_wbuf_size=64,ssl_session_cache,ssl_keyformat=1",
			"true {Chain:c Key: CA:a VerifyMode:1 WriteBuffer:65536 SessionCache:true MinVersion:772} []"},
		{"--tls-cert c -o ssl_verify_mode=3 -o ssl_ca_cert=a", "true {Chain:c Key: CA:a VerifyMode:7 WriteBuffer:0 SessionCache:false MinVersion:0} []"},
		{"-o ssl_chain_cert=c", "false {Chain:c Key: CA: VerifyMode:0 WriteBuffer:0 SessionCache:false MinVersion:0} " +
			"[there are certificates, but TLS is off; turn it on with -Z]"},
		{"--tls-cert c -o ssl_min_version=1", "true {Chain:c Key: CA: VerifyMode:0 WriteBuffer:0 SessionCache:false MinVersion:0} " +
			"[-o ssl_min_version=1: TLS 1.0 and 1.1 are broken and not spoken; the least is 1.2]"},
		{"--tls-cert c -l mtls:127.0.0.1", "true {Chain:c Key: CA: VerifyMode:0 WriteBuffer:0 SessionCache:false MinVersion:0} " +
			"[client certificates are asked for, and none can be verified; name their authority with --tls-ca]"},
		{"--tls-cert c -s /tmp/x", "true {Chain:c Key: CA: VerifyMode:0 WriteBuffer:0 SessionCache:false MinVersion:0} " +
			"[-Z: a Unix socket speaks plain text all the same]"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			c := mustConfig(t, words(tt.args)...)
			if got := fmt.Sprintf("%v %+v %v", c.tls.enabled, c.server.Settings.TLS, c.warnings); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestTLSByAddress: an address of -l may differ from the others.
func TestTLSByAddress(t *testing.T) {
	c := mustConfig(t, words("--tls-cert c --tls-ca a -l notls:127.0.0.1:1,btls:[::1]:2;mtls:h:3,h:4")...)
	if got := c.server.Settings.Inter; got != "notls:127.0.0.1:1,btls:[::1]:2,mtls:h:3,h:4" {
		t.Errorf("inter %s", got)
	}
	if got := fmt.Sprint(c.listen[1:3]); got != "[{btls:[::1]:2 ::1 2 true btls:} {mtls:h:3 h 3 true mtls:}]" {
		t.Error(got)
	}
}

func TestTwoFlagsRefused(t *testing.T) {
	for args, want := range map[string]string{
		"--tls-cert c -p 0": "-Z with -p 0: you cannot enable SSL without a TCP port",
		"-Y f -B binary":    "-Y with -B binary: you cannot allow the BINARY protocol while using ascii authentication tokens",
	} {
		if _, err := readConfig(words(args)); message(err) != want {
			t.Errorf("got  %q\nwant %q", message(err), want)
		}
	}
}

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
		code := run(append([]string{"lockcached", "-p-1"}, words(args)...), &stderr, &stderr, nil)
		if code != exitRefused || stderr.String() != "lockcached: "+want+"\n" {
			t.Errorf("exit %d, %q, want %q", code, &stderr, want)
		}
	}
}

// secureClient speaks TLS with a server that runs.
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

// name is what the server's certificate says.
func (c *secureClient) name() string {
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// TestServeTLS replaces the certificate of a running server: by SIGHUP, by
// refresh_certs, and by doing nothing but that.
func TestServeTLS(t *testing.T) {
	ca := testcert.NewAuthority(t)
	cert, key := ca.Issue("first")
	s := start(t, "-p-1", "--tls-cert", cert, "--tls-key", key)
	client, err := dialTLS(t, s.addrs[0], ca.Client(""))
	if err != nil {
		t.Fatal(err)
	}
	wantName := func(want string) {
		t.Helper()
		c, err := dialTLS(t, s.addrs[0], ca.Client(""))
		if err != nil || c.name() != want {
			t.Errorf("met %v, %v, want %s", c, err, want)
		}
	}
	wantName("first")

	ca.Replace("second", cert, key)
	s.logged("certificates reloaded")
	wantName("second")
	if err := os.WriteFile(cert, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if line := s.logged("certificates cannot be reloaded, those from before stay in use"); line["level"] != "error" {
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
	s.signals <- syscall.SIGHUP
	s.logged("certificates reloaded")
	s.stop(syscall.SIGTERM)
}

func TestServeClientCertificates(t *testing.T) {
	ca := testcert.NewAuthority(t)
	cert, key := ca.Issue("server")
	s := start(t, "--tls-cert", cert, "--tls-key", key, "--tls-ca", ca.File, "-l", "127.0.0.1:0,btls:127.0.0.1:0,notls:127.0.0.1:0", "-v")
	defer s.stop(syscall.SIGTERM)
	answers := func(addr string, name string) bool {
		c, err := dialTLS(t, addr, ca.Client(name))
		if err != nil {
			return false
		}
		_, err = c.ask("version") // TLS 1.3 tells a client only now
		return err == nil
	}
	if !answers(s.addrs[0], "alice") || answers(s.addrs[0], "") || !answers(s.addrs[1], "") {
		t.Error("a certificate is for the first address alone")
	}
	if got := ask(t, "tcp", s.addrs[2], "version"); !strings.HasPrefix(got, "VERSION ") {
		t.Errorf("plain text: %q", got)
	}
	if line := s.logged("TLS handshake failed"); line["level"] != "warn" {
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
	s := start(t, "-p-1", "-Y", file, "-v")
	if line := s.logged("settings"); line["authentication"] != true || line["protocol"] != "ascii" {
		t.Errorf("%v", line)
	}
	for _, tt := range []struct{ line, want string }{
		{"version", "CLIENT_ERROR unauthenticated\r\n"},
		{"set x 0 0 7\r\nfoo bar", "STORED\r\n"},
		{"set x 0 0 7\r\nfoo new", "CLIENT_ERROR authentication failure\r\n"},
	} {
		if got := ask(t, "tcp", s.addrs[0], tt.line); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.line, got, tt.want)
		}
	}
	write("foo:new\n")
	s.signals <- syscall.SIGHUP
	s.logged("passwords reloaded")
	if got := ask(t, "tcp", s.addrs[0], "set x 0 0 7\r\nfoo new"); got != "STORED\r\n" {
		t.Errorf("the new password: %q", got)
	}
	s.stop(syscall.SIGTERM)
}

// TestExposed: what other machines can reach without TLS or authentication is said.
func TestExposed(t *testing.T) {
	ca := testcert.NewAuthority(t)
	cert, key := ca.Issue("server")
	passwords := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(passwords, []byte("foo:bar"), 0o600); err != nil {
		t.Fatal(err)
	}
	tls := []string{"--tls-cert", cert, "--tls-key", key}
	tests := []struct {
		name        string
		args        []string
		plain, open bool
	}{
		{"loopback", []string{"-l", "127.0.0.1:0"}, false, false},
		{"nothing", []string{"-l", "0.0.0.0:0"}, true, true},
		{"TLS", append(tls, "-l", "0.0.0.0:0"), false, true},
		{"TLS beside plain text", append(tls, "-l", "127.0.0.1:0,notls:0.0.0.0:0"), true, true},
		{"client certificates", append(tls, "-l", "0.0.0.0:0", "--tls-ca", ca.File), false, false},
		{"passwords", []string{"-Y", passwords, "-l", "0.0.0.0:0"}, true, false},
		{"TLS and passwords", append(tls, "-Y", passwords, "-l", "0.0.0.0:0"), false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustConfig(t, tt.args...)
			list, err := listen(c)
			if err != nil {
				t.Fatal(err)
			}
			defer closeAll(list)
			if plain, open := c.exposed(list); (len(plain) > 0) != tt.plain || (len(open) > 0) != tt.open {
				t.Errorf("without TLS %v, without authentication %v", plain, open)
			}
		})
	}
}
