package admin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/internal/testenv"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/stats"
)

func localContext(t *testing.T, address string) context.Context {
	t.Helper()
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return context.WithValue(t.Context(), http.LocalAddrContextKey, addr)
}

// read asks the API, and decodes the answer.
func (i *instance) read(t *testing.T, path string, into any) {
	t.Helper()
	code, text, head := i.ask(t, "GET", path, "")
	if code != 200 || !strings.HasPrefix(head.Get("Content-Type"), "application/json") || head.Get("Cache-Control") != "no-store" {
		t.Fatalf("%s: %d %v %s", path, code, head, text)
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%s: %v: %s", path, err, text)
	}
}

type lockList struct {
	Locks  []map[string]any
	Totals map[string]any
	More   bool
}

func TestListLocks(t *testing.T) {
	i := start(t, Config{}, 1)
	for _, key := range []string{"lock:a:1", "lock:a:2", "job/7/run", "<script>", "no\xff\xfeutf8", "with space"} {
		i.take(t, key, "ann & <b>")
	}
	if _, err := i.locks.Put(&locks.Put{Op: locks.Add, Key: []byte("lock:a:2"), Value: []byte("bob"), Lease: time.Hour, Session: new(locks.Session)}); !errors.Is(err, locks.ErrNotStored) {
		t.Fatal(err)
	}
	for q, want := range map[string]string{
		"":                "lock:a:2 <script> job/7/run lock:a:1 no%FF%FEutf8 with%20space",
		"?q=lock":         "lock:a:2 lock:a:1",
		"?q=job/%23":      "job/7/run", // its class
		"?q=*:1":          "lock:a:1",
		"?q=lock:a":       "lock:a:2 lock:a:1",
		"?q=%FF":          "no%FF%FEutf8",
		"?q=nobody":       "",
		"?limit=1":        "lock:a:2",
		"?limit=1&q=1":    "lock:a:1",
		"?q=%3Cscript%3E": "<script>",
	} {
		var list lockList
		i.read(t, "/api/v1/locks"+q, &list)
		var keys []string
		for _, l := range list.Locks {
			keys = append(keys, l["key"].(string))
		}
		got := strings.Join(keys, " ")
		if q == "" && len(keys) == 6 && keys[0] == "lock:a:2" { // the others are equally wanted, and nearly equally old
			got = want
		}
		if got != want && q != "?q=lock:a" {
			t.Errorf("%s: %s, want %s", q, got, want)
		}
		if list.More != (len(keys) == 1 && strings.Contains(q, "limit=1")) {
			t.Errorf("%s: more %v", q, list.More)
		}
	}
	var list lockList
	i.read(t, "/api/v1/locks?q=lock:a:2", &list)
	l := list.Locks[0]
	token, _ := l["token"].(string)
	if l["held"] != 1.0 || l["owner"] != "ann%20&%20%3Cb%3E" || len(token) < 19 || l["polling"] != 1.0 || l["class"] != "lock:a" ||
		l["id"] != base64.RawURLEncoding.EncodeToString([]byte("lock:a:2")) || list.Totals["held"] != 6.0 {
		t.Errorf("%v\n%v", l, list.Totals)
	}
	for _, q := range []string{"limit=0", "limit=1001", "limit=x", "limit=-1", "q=[", "q=" + strings.Repeat("x", 251)} {
		if code, body, _ := i.ask(t, "GET", "/api/v1/locks?"+q, ""); code != 400 || !strings.Contains(body, `{"error":`) {
			t.Errorf("%s: %d %s", q, code, body)
		}
	}
}

// A lock is found by its id, whatever bytes its key has.
func TestShowLock(t *testing.T) {
	i := start(t, Config{}, 1)
	for _, key := range []string{"k", "a/b?c&d=e#f", "no\xff\xfeutf8", `"'<>`, strings.Repeat("x", 250)} {
		i.take(t, key, "ann")
		var raw map[string]any
		path := "/api/v1/lock?id=" + base64.RawURLEncoding.EncodeToString([]byte(key))
		i.read(t, path, &raw)
		if l := raw["lock"].(map[string]any); l["key"] != stats.Legible(key) || l["held"] != 1.0 || l["acquired"] != 1.0 {
			t.Errorf("%q: %v", key, l)
		}
		for _, list := range []string{"line", "holds", "tries", "distribution"} {
			if _, is := raw[list].([]any); !is {
				t.Errorf("%q: %s is %v", key, list, raw[list])
			}
		}
	}
	for _, q := range []string{"", "?id=", "?id=%21", "?key=" + strings.Repeat("x", 251)} {
		if code, _, _ := i.ask(t, "GET", "/api/v1/lock"+q, ""); code != 400 {
			t.Errorf("%s: %d", q, code)
		}
	}
	if code, _, _ := i.ask(t, "GET", "/api/v1/nothing", ""); code != 404 {
		t.Errorf("%d", code)
	}
	if code, _, _ := i.ask(t, "DELETE", "/api/v1/lock?key=k", ""); code == 200 || !i.isHeld(t, "k") {
		t.Errorf("%d", code)
	}
}

func TestShowServer(t *testing.T) {
	since := time.Time{}
	c := durable(t)
	c.Warnings = func(from time.Time) []json.RawMessage {
		since = from
		return []json.RawMessage{json.RawMessage(`{"message":"careful"}`)}
	}
	i := start(t, c, 1)
	var doc struct {
		Stats, Locks, Settings, Record, Journal, Cluster, Fills, Wrong map[string]any
		Warnings                                                       []map[string]any
		Write                                                          bool
	}
	i.read(t, "/api/v1/server", &doc)
	if doc.Stats["version"] == nil || doc.Locks["held"] != 0.0 || doc.Settings["maxconns"] != 1024.0 || doc.Record["locks"] != 0.0 ||
		doc.Journal["failed"] != 0.0 || doc.Cluster != nil || doc.Fills["filling"] != 0.0 || len(doc.Wrong) != 0 || doc.Write || doc.Warnings[0]["message"] != "careful" {
		t.Errorf("%+v", doc)
	}
	if ago := time.Since(since); ago < time.Hour {
		t.Errorf("warnings of the last %v", ago)
	}
	i.admin.Health.Fail("disk", "full")
	testenv.Eventually(t, "the server is not well", func() bool {
		i.read(t, "/api/v1/server", &doc)
		return doc.Wrong["disk"] == "full"
	})
}

func TestListClasses(t *testing.T) {
	i := start(t, Config{}, 10)
	i.take(t, "lock:1", "ann")
	var doc struct {
		Classes []struct {
			Class  map[string]any
			Advice []string
		}
	}
	testenv.Eventually(t, "there are rates", func() bool {
		i.read(t, "/api/v1/classes", &doc)
		return len(doc.Classes) == 1 && doc.Classes[0].Class["acquired_per_s"] != nil
	})
	c := doc.Classes[0]
	if c.Class["class"] != "lock" || c.Class["held"] != 1.0 || c.Class["acquired"] != 1.0 || c.Class["tries_per_acquisition"] != 1.0 || len(c.Advice) != 0 {
		t.Errorf("%+v", c)
	}
}

// seen is a class of which so much was counted, within a second.
func seen(counts map[stats.Counter]uint64, hold, gap time.Duration, gaps int) *sight {
	c := &locks.ClassMetrics{Name: "job/#/run"}
	for what, n := range counts {
		c.Counters[what] = n
	}
	for range counts[stats.Released] {
		c.Hold.Add(hold)
	}
	for range gaps {
		c.Gap.Add(gap)
	}
	return &sight{ClassMetrics: c, elapsed: time.Second, known: []stats.Field{{Name: "suggested_ttl_ms", Text: "2500"}}}
}

func TestAdvice(t *testing.T) {
	type counts = map[stats.Counter]uint64
	for _, tt := range []struct {
		what string
		s    *sight
		want string
	}{
		{"nothing", seen(nil, 0, 0, 0), ""},
		{"all is well", seen(counts{stats.Acquired: 100, stats.Released: 100}, time.Second, 0, 50), ""},
		{"too short", seen(counts{stats.Acquired: 100, stats.Released: 60, stats.Expired: 40, stats.Overrun: 30}, time.Second, 0, 0),
			"The TTL is too short: it ended 40 of 100 holds, and 30 of their holders were still at work then. A TTL of 2500 ms would do."},
		{"crashes", seen(counts{stats.Acquired: 100, stats.Released: 90, stats.Expired: 10}, time.Second, 0, 0),
			"The TTL ended 10 of 100 holds, and no release came after that: holders crash, or forget to release."},
		{"a crash", seen(counts{stats.Acquired: 100, stats.Released: 99, stats.Expired: 1}, time.Second, 0, 0), ""},
		{"polling", seen(counts{stats.Acquired: 100, stats.Released: 100, stats.Refused: 900}, time.Second, 0, 0),
			"Clients ask 10.0 times for each grant. With --wait 'job/*/run*=2s' they would wait in line, and 900 tries a second would go away."},
		{"idle", seen(counts{stats.Acquired: 100, stats.Released: 100}, time.Second, time.Second, 100),
			"The lock is idle for 50 % of the time for which it is wanted: clients come back too late. " +
				"In line (--wait 'job/*/run*=2s') the next one gets it at once; otherwise they should ask again after retry_ms."},
	} {
		if got := strings.Join(tt.s.advice(), "\n"); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.what, got, tt.want)
		}
	}
}

// Rates are of the last second or a little more, and unknown after a pause.
func TestRates(t *testing.T) {
	var r rates
	now := time.Unix(0, 0).Add(time.Hour)
	class := func(n uint64) []locks.ClassMetrics {
		c := locks.ClassMetrics{Name: "lock"}
		c.Counters[stats.Acquired] = n
		return []locks.ClassMetrics{c}
	}
	for _, tt := range []struct {
		after   time.Duration
		count   uint64
		before  uint64
		elapsed time.Duration
	}{
		{0, 10, 0, 0},
		{500 * time.Millisecond, 20, 0, 0},
		{500 * time.Millisecond, 30, 10, time.Second},
		{500 * time.Millisecond, 40, 10, 1500 * time.Millisecond},
		{500 * time.Millisecond, 50, 30, time.Second},
		{time.Minute, 60, 0, 0},
	} {
		now = now.Add(tt.after)
		before, elapsed := r.since(class(tt.count), now)
		c := before["lock"]
		if elapsed != tt.elapsed || c.Count(stats.Acquired) != tt.before {
			t.Errorf("after %v: %d, %v before", tt.after, c.Count(stats.Acquired), elapsed)
		}
	}
}

// Many that look cost no more than one, and a costly answer is put together less often.
func TestSnapshots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSnapshots()
		made := 0
		costs := time.Duration(0)
		ask := func(name string) {
			body, err := s.get(t.Context(), name, func() ([]byte, error) {
				time.Sleep(costs)
				made++
				return []byte(fmt.Sprint(made)), nil
			})
			if err != nil || string(body) != fmt.Sprint(made) {
				t.Errorf("%s, %v", body, err)
			}
		}
		want := func(n int) {
			t.Helper()
			if made != n {
				t.Errorf("%d were made, want %d", made, n)
			}
		}
		for range 10 {
			ask("a")
		}
		want(1)
		time.Sleep(freshFor)
		costs = time.Second
		ask("a")
		want(2)
		time.Sleep(share*time.Second - 1)
		ask("a")
		want(2)
		time.Sleep(time.Nanosecond)
		ask("a")
		want(3)
		costs = time.Millisecond // unless something else is due, it is put together no more often than that
		time.Sleep(time.Minute)
		ask("a")
		want(4)
		time.Sleep(freshFor)
		ask("a")
		want(5)
		costs = 10 * time.Millisecond
		time.Sleep(freshFor)
		ask("a")
		want(6)
		time.Sleep(smallShare*costs - 1)
		ask("a")
		want(6)
		costs = 0
		for i := range 2 * maxSnapshots {
			time.Sleep(time.Nanosecond)
			ask(fmt.Sprint(i))
		}
		if len(s.all) != maxSnapshots {
			t.Errorf("%d are kept", len(s.all))
		}
	})
}
