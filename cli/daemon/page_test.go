package daemon_test

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lockcached/lockcached/cli/internal/clitest"
	"github.com/lockcached/lockcached/internal/testcert"
	"github.com/lockcached/lockcached/internal/testenv"
)

// lockcached ls --json, lockcached show --json and the API say the same of the same locks.
func TestPageAgreesWithCommands(t *testing.T) {
	s := clitest.Start(t, "-p-1", "--admin", "127.0.0.1:0")
	defer s.Stop(syscall.SIGTERM)
	url := "http://" + s.Serving["metrics"].(string)
	for _, key := range []string{"plain", "<script>", "no\xffutf8", "quote\"'"} {
		clitest.Ask(t, "tcp", s.Addrs[0], "add "+key+" 0 600 6\r\na,b =1")
		clitest.Ask(t, "tcp", s.Addrs[0], "add "+key+" 0 600 1\r\nx")
	}
	var page struct{ Locks []map[string]any }
	var list []map[string]any
	_, body := get(t, url+"/api/v1/locks")
	parse(t, body, &page)
	parse(t, clitest.Output(t, "ls", "--json", "--server", s.Addrs[0]), &list)
	if len(list) != 4 || len(page.Locks) != 4 {
		t.Fatalf("%d and %d locks", len(list), len(page.Locks))
	}
	moving := map[string]bool{"server": true, "age_ms": true, "ttl_ms": true, "retry_ms": true, "polling": true, "waiters": true}
	byKey := make(map[any]map[string]any)
	for _, l := range page.Locks {
		byKey[l["key"]] = l
	}
	for _, l := range list {
		for name, value := range l {
			if other, has := byKey[l["key"]][name]; !moving[name] && (!has || other != value) {
				t.Errorf("%s of %s: %v in the list, %v in the API", name, l["key"], value, other)
			}
		}
	}
	var one struct{ Lock map[string]any }
	var shown []map[string]any
	_, body = get(t, url+"/api/v1/lock?key=plain")
	parse(t, body, &one)
	parse(t, clitest.Output(t, "show", "--json", "--server", s.Addrs[0], "plain"), &shown)
	for name, value := range shown[0] {
		if other, has := one.Lock[name]; !moving[name] && name != "rank" && (!has || other != value) {
			t.Errorf("%s: %v as shown, %v in the API", name, value, other)
		}
	}
}

func parse(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// With -X no keys are listed, as over the protocol.
func TestPageWithoutKeys(t *testing.T) {
	s := clitest.Start(t, "-p-1", "--admin", "127.0.0.1:0", "-X")
	defer s.Stop(syscall.SIGTERM)
	url := "http://" + s.Serving["metrics"].(string)
	if code, body := get(t, url+"/api/v1/locks"); code != http.StatusForbidden || !strings.Contains(body, "-X") {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := get(t, url+"/api/v1/classes"); code != http.StatusOK {
		t.Errorf("%d", code)
	}
}

// The page over TLS with a password, which is read again when its file changes.
func TestPageBehindPassword(t *testing.T) {
	authority := testcert.NewAuthority(t)
	cert, key := authority.Issue("localhost")
	file := filepath.Join(t.TempDir(), "passwords")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("ann:right\n")
	s := clitest.Start(t, "-p-1", "--admin", "127.0.0.1:0", "--admin-tls", "--admin-auth", file, "--admin-host", "locks.example.com",
		"--tls-cert", cert, "--tls-key", key)
	defer s.Stop(syscall.SIGTERM)
	address := s.Serving["metrics"].(string)
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	ask := func(path, host, password string) (code int) {
		r, err := http.NewRequest(http.MethodGet, "https://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		if password != "" {
			r.SetBasicAuth("ann", password)
		}
		answer, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		_, _ = io.Copy(io.Discard, answer.Body)
		return answer.StatusCode
	}
	for _, tt := range []struct {
		path, host, password string
		want                 int
	}{
		{"/", "locks.example.com", "right", 200},
		{"/", "localhost", "right", 200},
		{"/", "other.example.com", "right", 403},
		{"/", "locks.example.com", "", 401},
		{"/api/v1/locks", "locks.example.com", "", 401},
		{"/api/v1/locks", "locks.example.com", "right", 200},
		{"/metrics", "other.example.com", "", 200},
		{"/healthz", "other.example.com", "", 200},
	} {
		if got := ask(tt.path, tt.host, tt.password); got != tt.want {
			t.Errorf("%s as %s with %q: %d", tt.path, tt.host, tt.password, got)
		}
	}
	write("ann:new\n")
	s.Signals <- syscall.SIGHUP
	s.Logged("passwords of the page reloaded")
	testenv.Eventually(t, "the new password counts", func() bool { return ask("/", "localhost", "new") == 200 })
}

// The warnings of the log are on the page.
func TestPageShowsWarnings(t *testing.T) {
	s := clitest.Start(t, "-p-1", "--admin", "127.0.0.1:0", "-C")
	defer s.Stop(syscall.SIGTERM)
	var doc struct{ Warnings []map[string]any }
	_, body := get(t, "http://"+s.Serving["metrics"].(string)+"/api/v1/server")
	parse(t, body, &doc)
	for _, line := range doc.Warnings {
		if line["message"] == "accepted as memcached's, but without effect here" && line["level"] == "warn" {
			return
		}
	}
	t.Errorf("%v", doc.Warnings)
}
