package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/testenv"
	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// instance is a lock server with its metrics, both on loopback.
type instance struct {
	locks *locks.Manager
	admin *Server
	addr  string // of the lock server
	url   string
}

func start(t *testing.T, c Config, classes int) *instance {
	t.Helper()
	page := locks.MustPattern("page:*")
	config := locks.Config{
		NamedClasses:  classes,
		HoldPolicies:  []locks.FillPolicy{{Pattern: page, For: time.Minute}},
		StalePolicies: []locks.FillPolicy{{Pattern: page, For: time.Minute}},
		GuardRelease:  []locks.Pattern{locks.MustPattern("late:*")},
	}
	if c.Journal != nil {
		config.Journal = c.Journal
	}
	m := locks.NewManager(config)
	go m.Run(t.Context())
	c.Locks, c.Server = m, server.New(server.Config{Locks: m})
	i := &instance{locks: m, admin: New(c)}
	front, web := listen(t), listen(t)
	i.addr, i.url = front.Addr().String(), "http://"+web.Addr().String()
	served := make(chan error, 2)
	go func() { served <- c.Server.Serve(front) }()
	go func() { served <- i.admin.Serve(web) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
		defer cancel()
		if err := c.Server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := i.admin.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-served; err != ErrClosed && err != server.ErrClosed {
				t.Error(err)
			}
		}
	})
	return i
}

// durable is a Config with a journal.
func durable(t *testing.T) (c Config) {
	t.Helper()
	j, err := journal.Open(journal.Config{Dir: t.TempDir()})
	if err == nil {
		c.Recovered, err = j.Replay(func(*journal.Entry) {})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	c.Journal = j
	return c
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// get returns a page.
func (i *instance) get(t *testing.T, path string) (code int, body string) {
	t.Helper()
	answer, err := http.Get(i.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// client is a connection to the lock server.
type client struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func (i *instance) dial(t *testing.T) *client {
	t.Helper()
	conn, err := net.Dial("tcp", i.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(testenv.Patience))
	return &client{t, conn, bufio.NewReader(conn)}
}

// send sends a request, and want reads the next line of the answer.
func (c *client) send(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.conn, format+"\r\n", args...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) want(answer string) {
	c.t.Helper()
	if got, err := c.in.ReadString('\n'); got != answer+"\r\n" {
		c.t.Fatalf("%q, %v; want %q", got, err, answer)
	}
}

func (c *client) ask(request, answer string) {
	c.t.Helper()
	c.send("%s", request)
	c.want(answer)
}

// traffic causes a little of everything that is counted.
func traffic(t *testing.T, i *instance) {
	t.Helper()
	alice, bob := i.dial(t), i.dial(t)
	alice.ask("add lock:1 0 60 1\r\na", "STORED")
	alice.ask("touch lock:1 60", "TOUCHED")
	bob.ask("add lock:1 0 60 1\r\nb", "NOT_STORED")
	bob.send("add lockcached:wait=20s:lock:1 0 60 1\r\nb")
	i.waitFor(t, `lockcached_waiters{class="lock",state="queued"} 1`)
	alice.ask("delete lock:1", "DELETED")
	bob.want("STORED")
	bob.ask("add lock:2 0 60 1\r\nb", "STORED")
	alice.ask("add lock:1 0 60 1\r\na", "NOT_STORED")
	alice.ask("add job:1 0 60 1\r\na", "STORED")
	alice.ask("delete job:1", "DELETED")
	alice.ask("set item 0 0 1\r\nx", "STORED")
	alice.ask("get nothing", "END")
	alice.ask("incr nothing 1", "NOT_FOUND")
}

// waitFor scrapes until the line is there, and returns the whole page.
func (i *instance) waitFor(t *testing.T, line string) string {
	t.Helper()
	for deadline := time.Now().Add(testenv.Patience); ; {
		_, all := i.get(t, "/metrics")
		if strings.Contains(all, line+"\n") {
			return all
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not in\n%s", line, all)
		}
	}
}

func TestMetrics(t *testing.T) {
	i := start(t, Config{}, 2)
	traffic(t, i)
	_, all := i.get(t, "/metrics")
	for _, want := range []string{
		`lockcached_lock_acquisitions_total{class="job"} 1`,
		`lockcached_lock_acquisitions_total{class="lock"} 3`,
		`lockcached_lock_acquisitions_total{class="other"} 0`,
		`lockcached_lock_refusals_total{class="lock"} 2`,
		`lockcached_lock_handoffs_total{class="lock"} 1`,
		`lockcached_lock_releases_total{class="lock"} 1`,
		`lockcached_lock_expirations_total{class="lock"} 0`,
		`lockcached_lock_renewals_total{class="lock"} 1`,
		`lockcached_lock_wait_timeouts_total{class="lock"} 0`,
		`lockcached_lock_withdrawn_total{class="lock"} 0`,
		`lockcached_lock_overruns_total{class="lock"} 0`,
		`lockcached_lock_hold_duration_seconds_count{class="job"} 1`,
		`lockcached_lock_hold_duration_seconds_bucket{class="lock",le="+Inf"} 1`,
		`lockcached_lock_wait_duration_seconds_count{class="lock"} 1`,
		`lockcached_lock_gap_duration_seconds_bucket{class="lock",le="0.001"} 1`,
		`lockcached_waiters{class="lock",state="polling"} 1`,
		`lockcached_waiters{class="lock",state="queued"} 0`,
		`lockcached_locks_held{class="lock"} 2`,
		`lockcached_locks_held{class="job"} 0`,
		`lockcached_tries_per_acquisition_sum{class="lock"} 5`,
		`lockcached_tries_per_acquisition_count{class="lock"} 3`,
		`memcached_up 1`,
		`memcached_version{version="1.6.45"} 1`,
		`lockcached_build_info{version="0.1.0"} 1`,
		`memcached_commands_total{command="get",status="miss"} 1`,
		`memcached_commands_total{command="delete",status="hit"} 2`,
		`memcached_commands_total{command="incr",status="miss"} 1`,
		`memcached_current_items 3`,
		`memcached_limit_bytes 6.7108864e+07`,
		`memcached_current_connections 2`,
		`memcached_connections_total 2`,
		`memcached_max_connections 1024`,
		`memcached_accepting_connections 1`,
	} {
		if !strings.Contains(all, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if t.Failed() {
		t.Log(all)
	}
}

// TestMetricsAfterManyClasses has more classes than get a name, and one whose name is not valid
// UTF-8.
func TestMetricsAfterManyClasses(t *testing.T) {
	i := start(t, Config{}, 3)
	c := i.dial(t)
	for n := range 10 {
		c.ask("add "+strings.Repeat("x", n+1)+":1 0 60 1\r\na", "STORED")
	}
	c.ask("add \xff\xfe:1 0 60 1\r\na", "STORED")
	_, all := i.get(t, "/metrics")
	found := regexp.MustCompile(`(?m)^lockcached_lock_acquisitions_total\{class="(.*)"\} (\d+)$`).FindAllStringSubmatch(all, -1)
	sum := 0
	for _, line := range found {
		n, _ := strconv.Atoi(line[2])
		sum += n
	}
	if len(found) != 4 || sum != 11 {
		t.Errorf("%d acquisitions in %d classes", sum, len(found))
	}
}

func TestHealth(t *testing.T) {
	i := start(t, Config{}, 1)
	expect := func(code int, body string) {
		t.Helper()
		if gotCode, gotBody := i.get(t, "/healthz"); gotCode != code || gotBody != body {
			t.Errorf("%d %q, want %d %q", gotCode, gotBody, code, body)
		}
	}
	expect(200, "ok\n")
	i.admin.Health.Fail("shutdown", "soon")
	i.admin.Health.Fail("disk", "full")
	i.admin.Health.Fail("shutdown", "now")
	expect(503, "disk: full\nshutdown: now\n")
	i.admin.Health.Recover("disk")
	expect(503, "shutdown: now\n")
	i.admin.Health.Recover("shutdown")
	expect(200, "ok\n")
	err := errors.New("no space")
	i.admin.Health.Watch("locks", func() error { return err })
	expect(503, "locks: no space\n")
	err = nil
	expect(200, "ok\n")
}

func TestPages(t *testing.T) {
	plain, profiled := start(t, Config{}, 1), start(t, Config{Pprof: true}, 1)
	tests := []struct {
		server *instance
		path   string
		code   int
		body   string // a part of it
	}{
		{plain, "/", 200, "/metrics</a> for Prometheus"},
		{plain, "/nothing", 404, ""},
		{plain, "/debug/pprof/", 404, ""},
		{plain, "/debug/pprof/cmdline", 404, ""},
		{plain, "/metrics", 200, "go_goroutines "},
		{plain, "/metrics", 200, "process_open_fds "},
		{profiled, "/debug/pprof/", 200, "goroutine"},
		{profiled, "/debug/pprof/goroutine?debug=1", 200, "goroutine profile"},
		{profiled, "/debug/pprof/cmdline", 200, "admin.test"},
	}
	for _, tt := range tests {
		if code, body := tt.server.get(t, tt.path); code != tt.code || !strings.Contains(body, tt.body) {
			t.Errorf("%s: %d %q", tt.path, code, body)
		}
	}
	answer, err := http.Post(plain.url+"/metrics", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", answer.StatusCode)
	}
}

// TestScrapesDuringUse is for the race detector, and checks that no counter ever decreases.
func TestScrapesDuringUse(t *testing.T) {
	i := start(t, Config{}, 3)
	var users sync.WaitGroup
	for n := range 3 {
		c := i.dial(t)
		users.Go(func() {
			for round := range 200 {
				key := fmt.Sprintf("%s:%d", strings.Repeat("x", round%7+1), n)
				c.ask("add "+key+" 0 60 1\r\na", "STORED")
				c.ask("delete "+key, "DELETED")
			}
		})
	}
	done := make(chan struct{})
	go func() { users.Wait(); close(done) }()
	total, names := regexp.MustCompile(`(?m)^(lockcached_lock_\w+_total\{.*\}) (\d+)$`), make(map[string]int)
	for running := true; running; {
		select {
		case <-done:
			running = false // scrape once more
		default:
		}
		_, all := i.get(t, "/metrics")
		now := make(map[string]int)
		for _, line := range total.FindAllStringSubmatch(all, -1) {
			now[line[1]], _ = strconv.Atoi(line[2])
			if before := names[line[1]]; now[line[1]] < before {
				t.Errorf("%s: %d after %d", line[1], now[line[1]], before)
			}
		}
		names = now
	}
	sum := 0
	for name, n := range names {
		if strings.HasPrefix(name, "lockcached_lock_acquisitions_total") {
			sum += n
		}
	}
	if sum != 600 {
		t.Errorf("%d acquisitions, want 600", sum)
	}
}
