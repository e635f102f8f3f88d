package daemon_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lockcached/lockcached/cli"
	"github.com/lockcached/lockcached/cli/internal/clitest"
	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/internal/testenv"
)

// get asks for a page.
func get(t *testing.T, url string) (code int, body string) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Errorf("%s: %v", url, err)
	}
	return answer.StatusCode, string(text)
}

func TestServeMetrics(t *testing.T) {
	s := clitest.Start(t, "-p-1", "--metrics", "127.0.0.1:0", "--metrics-classes", "7", "-v")
	if line := s.Logged("settings"); line["metrics_classes"] != 7.0 || line["pprof"] != false {
		t.Errorf("%v", line)
	}
	url := "http://" + s.Serving["metrics"].(string)
	clitest.Ask(t, "tcp", s.Addrs[0], "add lock:1 0 30 1\r\nx")
	if _, body := get(t, url+"/metrics"); !strings.Contains(body, `lockcached_lock_acquisitions_total{class="lock"} 1`) {
		t.Errorf("no acquisition in\n%s", body)
	}
	if code, body := get(t, url+"/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("%d %q", code, body)
	}
	if code, _ := get(t, url+"/debug/pprof/"); code != 404 {
		t.Errorf("profiles without --pprof: %d", code)
	}
	s.Stop(syscall.SIGTERM)
	if r, err := http.Get(url); err == nil {
		r.Body.Close()
		t.Error("still answers")
	}
}

func TestServeProfiles(t *testing.T) {
	s := clitest.Start(t, "-p-1", "--metrics", "127.0.0.1:0", "--pprof")
	if code, body := get(t, "http://"+s.Serving["metrics"].(string)+"/debug/pprof/"); code != 200 || !strings.Contains(body, "goroutine") {
		t.Errorf("%d %q", code, body)
	}
	s.Stop(syscall.SIGTERM)
}

// TestServeMetricsToTheEnd has a client that does not take its answers: /healthz says
// that the server is shutting down until it has ended.
func TestServeMetricsToTheEnd(t *testing.T) {
	s := clitest.Start(t, "-p-1", "--metrics", "127.0.0.1:0", "--drain", "10m")
	conn, err := net.Dial("tcp", s.Addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	value := strings.Repeat("x", 1_000_000)
	if _, err := io.WriteString(conn, "set k 0 0 1000000 noreply\r\n"+value+"\r\n"+strings.Repeat("get k\r\n", 50)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil { // the answers have begun
		t.Fatal(err)
	}
	s.Signals <- syscall.SIGTERM
	s.Logged("stopping")
	url := "http://" + s.Serving["metrics"].(string)
	code, body := 200, ""
	for deadline := time.Now().Add(testenv.Patience); code == 200 && time.Now().Before(deadline); {
		code, body = get(t, url+"/healthz")
	}
	if code != http.StatusServiceUnavailable || body != "shutdown: the server is shutting down\n" {
		t.Errorf("%d %q", code, body)
	}
	if code, body := get(t, url+"/metrics"); code != 200 || !strings.Contains(body, "memcached_accepting_connections 0") {
		t.Errorf("%d %s", code, body)
	}
	s.Stop(syscall.SIGTERM)
}

func TestServeMetricsPortInUse(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, tt := range []struct {
		addr, want string
		code       int
	}{
		{l.Addr().String(), "cannot listen on --metrics " + l.Addr().String() + ": address already in use" +
			"; another process listens there: stop it, or choose another port with --metrics\n", exit.Failed},
		{"a..b:1", "--metrics a..b:1: cannot resolve: lookup a..b: no such host\n", exit.Refused},
	} {
		var stdout, stderr bytes.Buffer
		code := cli.Run([]string{"lockcached", "-p-1", "--metrics", tt.addr}, &stdout, &stderr, nil)
		if code != tt.code || stderr.String() != "lockcached: "+tt.want {
			t.Errorf("exit %d, %q, want %d, %q", code, &stderr, tt.code, tt.want)
		}
	}
}
