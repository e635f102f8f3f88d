package documents_test

import (
	"crypto/tls"
	"crypto/x509"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/testenv"
)

func TestGomemcacheLogin(t *testing.T) {
	t.Parallel()
	address := runServer(t, "-Y", "testdata/auth/passwords")
	stranger, wrong, known := clientOf(t, address), clientOf(t, address), clientOf(t, address)
	logIn(wrong, "foo", "quux")
	logIn(known, "foo", "bar")
	if err := stranger.FlushAll(); err == nil || !strings.Contains(err.Error(), "unauthenticated") {
		t.Errorf("flush_all of a stranger: %v", err)
	}
	if err := wrong.Ping(); err == nil || !strings.Contains(err.Error(), "wrong user or password") {
		t.Errorf("ping with a wrong password: %v", err)
	}
	is(t, "add", known.Add(item("lock", "x", 60)), nil)
	holds(t, known, "lock", "x")
}

// TestSecurityExample compares the program in SECURITY.md with the one that is compiled.
func TestSecurityExample(t *testing.T) {
	_, program, _ := strings.Cut(harness.ReadFile(t, "tests/documents/login_example_test.go"), "// SECURITY.md shows this function.\n\n")
	if program == "" || !slices.Contains(fenced(harness.ReadFile(t, "SECURITY.md")), program) {
		t.Error("SECURITY.md does not show the function of login_example_test.go")
	}
}

// TestSecurityCommands makes the certificates of SECURITY.md with its commands, starts
// a server with them as it says, and tries it.
func TestSecurityCommands(t *testing.T) {
	t.Parallel()
	blocks := fenced(harness.ReadFile(t, "SECURITY.md"))
	testenv.Program(t, "openssl")
	dir := t.TempDir()
	inDir := func(commands, input string) (printed string) {
		t.Helper()
		shell := exec.Command("sh", "-ec", commands)
		shell.Dir, shell.Stdin = dir, strings.NewReader(input)
		out, err := shell.Output()
		if err != nil {
			t.Fatalf("%s\n%v", commands, err)
		}
		return string(out)
	}
	inDir(blocks[0], "")
	flags := strings.Fields(blocks[1])[1:]
	for i, word := range flags {
		if strings.HasSuffix(word, ".pem") {
			flags[i] = filepath.Join(dir, word)
		}
	}
	address := runServer(t, flags...)
	if got := inDir(strings.Replace(blocks[2], "127.0.0.1:11211", address, 1), "set a 0 0 1\r\nx\r\nquit\r\n"); got != "STORED\r\n" {
		t.Errorf("openssl s_client: %q", got)
	}

	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "client.pem"), filepath.Join(dir, "client-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(harness.ReadFile(t, filepath.Join(dir, "ca.pem"))))
	config := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, ServerName: "locks.example"}
	mc := clientOf(t, address)
	mc.DialContext = (&tls.Dialer{Config: config}).DialContext
	holds(t, mc, "a", "x")

	inDir(blocks[3], "")
	ping := harness.Lockcached(strings.Fields(blocks[5])[1:]...)
	ping.Dir = dir
	ping.Env = append(ping.Env, "LOCKCACHED_SERVER="+runServer(t, append(flags, "-Y", filepath.Join(dir, "passwords"))...))
	if out, err := ping.CombinedOutput(); err != nil {
		t.Errorf("ping: %v, %s", err, out)
	}
}
