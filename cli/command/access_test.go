package command_test

import (
	"crypto/tls"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lockcached/lockcached/cli/command"
	"github.com/lockcached/lockcached/cli/internal/clitest"
	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/internal/testcert"
)

// A fortress is a server that requires a certificate and a password, and what a client
// needs to log in.
type fortress struct {
	addr      string
	cert, key string   // a client's
	flags     []string // that give access
}

// startFortress runs one until the test ends.
func startFortress(t *testing.T) *fortress {
	ca := testcert.NewAuthority(t)
	cert, key := ca.Issue("server")
	passwords := clitest.SecretFile(t, "ann:se cret:x\nbob:hidden\n")
	s := clitest.Start(t, "-p-1", "--tls-cert", cert, "--tls-key", key, "--tls-ca", ca.File, "-Y", passwords)
	t.Cleanup(func() { s.Stop(testSignal) })
	f := &fortress{addr: s.Addrs[0]}
	f.cert, f.key = ca.Issue("client")
	f.flags = []string{"--server", f.addr, "--tls-ca", ca.File, "--tls-cert", f.cert, "--tls-key", f.key, "--auth-file", passwords}
	return f
}

// with returns the flags with some changes; a flag without a value is left out.
func (f *fortress) with(changes ...string) []string {
	flags := slices.Clone(f.flags)
	for change := range slices.Chunk(changes, 2) {
		at := slices.Index(flags, change[0])
		if flags[at+1] = change[1]; change[1] == "" {
			flags = slices.Delete(flags, at, at+2)
		}
	}
	return flags
}

// dial connects and logs in as a command does.
func (f *fortress) dial(t *testing.T) clitest.Wire {
	t.Helper()
	conn, err := command.Dial(t.Context(), f.flags)
	if err != nil {
		t.Fatal(err)
	}
	return clitest.NewWire(t, conn)
}

// TestAccess: all commands get access if they have what the server requires.
func TestAccess(t *testing.T) {
	t.Parallel()
	f := startFortress(t)
	script := strings.Join(append([]string{`"$0" release k --force`}, f.flags...), " ")
	got := clitest.Finish(t, clitest.Program(append(append([]string{"lock", "k"}, f.flags...), "--", "sh", "-c", script, os.Args[0])...))
	if got.Code != exitLost || !strings.HasPrefix(got.Stdout, "released k  owner ") {
		t.Errorf("lock, and released within: %+v", got)
	}
	for command, want := range map[string]string{
		"ping":        "lockcached 0.1.0\n",
		"ls":          "KEY ",
		"show k":      "1 acquired",
		"top":         "0 held, ",
		"stats locks": "held             0\n",
	} {
		if got := clitest.Output(t, append(strings.Fields(command), f.flags...)...); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
	f.dial(t).Add("lock:x", "ann")
	line := "lockcached show " + strings.Join(f.flags, " ") + " "
	if got := clitest.Output(t, "completion", "--line="+line); got != "lock:x\n" {
		t.Errorf("completion: %q", got)
	}
}

// TestAccessDenied: the error says what is wrong, in one line and without the password. Each
// command meets a server of its own, which has not yet slowed down wrong passwords.
func TestAccessDenied(t *testing.T) {
	t.Parallel()
	for _, words := range []string{"ping", "show k", "release k --force", "lock k -- true"} {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			testDenied(t, words)
		})
	}
}

func testDenied(t *testing.T, words string) {
	f, other := startFortress(t), testcert.NewAuthority(t)
	strangersCert, strangersKey := other.Issue("stranger")
	plain := clitest.Start(t, "-p-1")
	t.Cleanup(func() { plain.Stop(testSignal) })
	tests := []struct {
		name, want string
		flags      []string
	}{
		{"wrong password", "server refuses the connection: user ann at " + f.addr + ": CLIENT_ERROR authentication failure",
			f.with("--auth-file", clitest.SecretFile(t, "ann:wr0ng"))},
		{"no password", "wants a user and a password: --auth-file is missing", f.with("--auth-file", "")},
		{"unknown authority", "tls: failed to verify certificate: x509: certificate signed by unknown authority",
			f.with("--tls-ca", other.File)},
		{"no certificate", "server refuses the connection: " + f.addr + ": tls: certificate required",
			f.with("--tls-cert", "", "--tls-key", "")},
		{"a stranger's certificate", "server refuses the connection: " + f.addr + ": tls: unknown certificate authority",
			f.with("--tls-cert", strangersCert, "--tls-key", strangersKey)},
		{"wrong name", "tls: failed to verify certificate: x509: certificate is valid for server, not locks.example (--tls-name says",
			append(f.with(), "--tls-name", "locks.example")},
		{"no TLS", "EOF (does the server speak TLS? then --tls is missing)", []string{"--server", f.addr}},
		{"TLS in vain", "tls: first record does not look like a TLS handshake", []string{"--tls", "--server", plain.Addrs[0]}},
	}
	for _, tt := range tests {
		command, behind, _ := strings.Cut(words, " -- ")
		args := append(strings.Fields(command), tt.flags...)
		code := exit.Failed
		if behind != "" {
			args, code = append(args, "--", behind), exitNotTaken
		}
		got := clitest.Finish(t, clitest.Program(args...))
		if got.Code != code || !strings.Contains(got.Stderr, tt.want) || strings.Count(got.Stderr, "\n") != 1 ||
			strings.Contains(got.Stderr+got.Stdout, "wr0ng") {
			t.Errorf("%s, %s: %+v, want %d, %q", tt.name, words, got, code, tt.want)
		}
	}
}

func TestAccessRefused(t *testing.T) {
	ca := testcert.NewAuthority(t)
	cert, key := ca.Issue("client")
	_, strangersKey := ca.Issue("stranger")
	secret := clitest.SecretFile(t, "s3cret\n")
	tests := []struct{ args, want string }{
		{"--tls-ca absent", "--tls-ca absent: open absent: no such file or directory"},
		{"--tls-ca " + key, "--tls-ca " + key + ": " + key + ": has no certificate in PEM format"},
		{"--tls-cert absent", "--tls-cert: certificate absent with key absent: open absent: no such file or directory"},
		{"--tls-cert=", "--tls-cert: should not be empty"},
		{"--tls-cert " + cert + " --tls-key " + strangersKey,
			"--tls-cert: certificate " + cert + " with key " + strangersKey + ": tls: private key does not match public key"},
		{"--tls-key " + key, "--tls-key " + key + ": needs --tls-cert, the certificate that it belongs to"},
		{"--tls --server /run/socket", "--server /run/socket: a Unix socket speaks no TLS: leave out --tls and the like"},
		{"--auth-file absent", "--auth-file absent: open absent: no such file or directory"},
		{"--auth-file " + secret, "--auth-file " + secret + ": " + secret + ": line 1 should be user:password"},
	}
	for _, tt := range tests {
		for _, command := range []string{"ping", "lock k -- true"} {
			words := strings.Fields(command)
			got := clitest.Execute(slices.Insert(words, 1, strings.Fields(tt.args)...)...)
			if got.Code != exit.Refused || got.Stdout != "" || got.Stderr != "lockcached: "+tt.want+"\n" {
				t.Errorf("%s %s: %+v, want %q", command, tt.args, got, tt.want)
			}
		}
	}
	t.Setenv("LOCKCACHED_CLIENT_TLS", "perhaps")
	if got := clitest.Execute("ping"); got.Code != exit.Refused || got.Stderr != "lockcached: LOCKCACHED_CLIENT_TLS=perhaps: should be true or false\n" {
		t.Errorf("%+v", got)
	}
	if got := clitest.Execute("ping", "--help"); got.Code != 0 {
		t.Errorf("help is refused, too: %+v", got)
	}
}

// TestAccessByVariables: a container's health check has no flags, and an environment
// that is the server's, too.
func TestAccessByVariables(t *testing.T) {
	f := startFortress(t)
	t.Setenv("LOCKCACHED_TLS_CA", "the server's")
	t.Setenv("LOCKCACHED_AUTH_FILE", "the server's")
	t.Setenv(command.ServerEnv, f.addr)
	for pair := range slices.Chunk(f.flags[2:], 2) { // those behind --server
		t.Setenv(command.AccessEnv+strings.ToUpper(strings.ReplaceAll(pair[0][2:], "-", "_")), pair[1])
	}
	clitest.Output(t, "ping")
	got := clitest.Execute("ping", "--auth-file", clitest.SecretFile(t, "ann:wrong"))
	if got.Code != exit.Failed || !strings.Contains(got.Stderr, "authentication failure") {
		t.Errorf("a flag does not come before its variable: %+v", got)
	}
	t.Setenv("LOCKCACHED_CLIENT_AUTH_FILE", "")
	if got := clitest.Execute("ping"); !strings.HasSuffix(got.Stderr, command.ErrNoLogin.Error()+"\n") {
		t.Errorf("an empty variable is one: %+v", got)
	}
}

// TestAccessByName: the certificate may be for a name other than the server's address.
func TestAccessByName(t *testing.T) {
	f := startFortress(t)
	_, port, _ := net.SplitHostPort(f.addr)
	flags := f.with("--server", "localhost:"+port)
	if got := clitest.Execute(append([]string{"ping"}, flags...)...); got.Code != exit.Failed || !strings.Contains(got.Stderr, "(--tls-name says whose it may be instead)") {
		t.Errorf("%+v", got)
	}
	clitest.Output(t, append([]string{"ping", "--tls-name", "127.0.0.1"}, flags...)...)
}

// TestAccessByHostName: a certificate is for a name, and all commands use it to reach the server.
func TestAccessByHostName(t *testing.T) {
	t.Parallel()
	ca := testcert.NewAuthority(t)
	cert, key := ca.Issue("localhost")
	s := clitest.Start(t, "-p-1", "--tls-cert", cert, "--tls-key", key)
	t.Cleanup(func() { s.Stop(testSignal) })
	_, port, _ := net.SplitHostPort(s.Addrs[0])
	flags := []string{"--server", "localhost:" + port, "--tls-ca", ca.File}
	script := strings.Join(append([]string{`"$0" release k --force`}, flags...), " ")
	got := clitest.Finish(t, clitest.Program(append(append([]string{"lock", "k"}, flags...), "--", "sh", "-c", script, os.Args[0])...))
	if got.Code != exitLost || !strings.HasPrefix(got.Stdout, "released k  owner ") {
		t.Errorf("lock, and released within: %+v", got)
	}
	for _, command := range []string{"ping", "ls", "show k", "top", "stats locks"} {
		clitest.Output(t, append(strings.Fields(command), flags...)...)
	}
}

// TestAccessByOldTLS: with TLS 1.2 a certificate is refused in the handshake already.
func TestAccessByOldTLS(t *testing.T) {
	ca := testcert.NewAuthority(t)
	cert, key := ca.Issue("server")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{pair}, MaxVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1)) // shakes hands
			conn.Close()
		}
	}()
	got := clitest.Execute("ping", "--tls-ca", ca.File, "--server", l.Addr().String())
	if got.Code != exit.Failed || !strings.Contains(got.Stderr, "server refuses the connection: "+l.Addr().String()+": tls: ") {
		t.Errorf("%+v", got)
	}
}
