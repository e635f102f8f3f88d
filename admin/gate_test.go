package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lockcached/lockcached/locks"
)

// ask sends a request with these headers; Host is one of them.
func (i *instance) ask(t *testing.T, method, path, body string, headers ...string) (code int, text string, head http.Header) {
	t.Helper()
	r, err := http.NewRequest(method, i.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(headers); n += 2 {
		if headers[n] == "Host" {
			r.Host = headers[n+1]
		}
		r.Header.Set(headers[n], headers[n+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(all), answer.Header
}

// guarded are the paths behind the gate.
var guarded = []string{"/", "/page/page.js", "/api/v1/locks", "/api/v1/lock?key=k", "/api/v1/classes", "/api/v1/server", "/api/v2/x"}

// A page of another site that has its name resolve to this server's address sees nothing. Metrics and
// health answer as ever.
func TestHost(t *testing.T) {
	i := start(t, Config{Hosts: []string{"Locks.example.com"}}, 1)
	port := i.url[strings.LastIndex(i.url, ":"):]
	for host, want := range map[string]bool{
		"localhost" + port: true, "LOCALHOST" + port: true, "localhost.": true, "127.0.0.1" + port: true, "127.1.2.3": true,
		"[::1]" + port: true, "locks.example.com": true, "locks.example.com.:1": true,
		"evil.example.com" + port: false, "evil.localhost.example.com": false, "localhost.evil.example.com" + port: false, "evil.localhost": false,
		"192.0.2.1" + port: false, "127.0.0.1.evil.example.com": false, "0.0.0.0" + port: false, "[::]": false, "2130706433": false,
	} {
		for _, path := range guarded {
			code, body, _ := i.ask(t, "GET", path, "", "Host", host)
			if (code != http.StatusForbidden) != want || !want && !strings.Contains(body, "--admin-host") {
				t.Errorf("%s as %s: %d %s", path, host, code, body)
			}
		}
		for _, path := range []string{"/metrics", "/healthz"} {
			if code, _, _ := i.ask(t, "GET", path, "", "Host", host); code != http.StatusOK {
				t.Errorf("%s as %s: %d", path, host, code)
			}
		}
	}
}

// On an address that other machines can reach, an IP address counts if it is the one that was
// connected to, and loopback names do not.
func TestHostElsewhere(t *testing.T) {
	g := &gate{hosts: []string{"locks.example.com"}}
	for _, tt := range []struct {
		local, host string
		want        bool
	}{
		{"192.0.2.7:9151", "192.0.2.7:9151", true},
		{"192.0.2.7:9151", "192.0.2.8:9151", false},
		{"192.0.2.7:9151", "localhost:9151", false},
		{"192.0.2.7:9151", "127.0.0.1", false},
		{"192.0.2.7:9151", "locks.example.com:9151", true},
		{"192.0.2.7:9151", "other.example.com", false},
		{"[2001:db8::1]:9151", "[2001:db8::1]:9151", true},
		{"[2001:db8::1]:9151", "[2001:DB8:0::1]", true},
		{"[2001:db8::1]:9151", "[::1]", false},
		{"[::ffff:192.0.2.7]:9151", "192.0.2.7", true},
		{"[::1]:9151", "127.0.0.1", true},
		{"127.0.0.1:9151", "", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = tt.host
		if got := g.isOurs(r.WithContext(localContext(t, tt.local))); got != tt.want {
			t.Errorf("%s at %s: %v", tt.host, tt.local, got)
		}
	}
}

// Another origin's pages can neither ask nor embed; a link to the page works.
func TestOrigin(t *testing.T) {
	i := start(t, Config{}, 1)
	for _, tt := range []struct {
		path    string
		headers string
		want    int
	}{
		{"/api/v1/locks", "", 200},
		{"/api/v1/locks", "Origin: " + i.url, 200},
		{"/api/v1/locks", "Origin: http://evil.example.com", 403},
		{"/api/v1/locks", "Origin: null", 403},
		{"/api/v1/locks", "Origin: " + strings.Replace(i.url, "http", "https", 1), 403},
		{"/api/v1/locks", "Sec-Fetch-Site: same-origin", 200},
		{"/api/v1/locks", "Sec-Fetch-Site: none; Sec-Fetch-Mode: navigate", 200},
		{"/api/v1/locks", "Sec-Fetch-Site: cross-site; Sec-Fetch-Mode: no-cors", 403},
		{"/api/v1/locks", "Sec-Fetch-Site: cross-site; Sec-Fetch-Mode: navigate", 403},
		{"/api/v1/locks", "Sec-Fetch-Site: same-site", 403},
		{"/", "Sec-Fetch-Site: cross-site; Sec-Fetch-Mode: navigate", 200},
		{"/page/page.js", "Sec-Fetch-Site: cross-site; Sec-Fetch-Mode: no-cors", 403},
		{"/metrics", "Origin: http://evil.example.com", 200},
	} {
		var headers []string
		for pair := range strings.SplitSeq(tt.headers, "; ") {
			if name, value, ok := strings.Cut(pair, ": "); ok {
				headers = append(headers, name, value)
			}
		}
		if code, body, head := i.ask(t, "GET", tt.path, "", headers...); code != tt.want || head.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s with %s: %d %s", tt.path, tt.headers, code, body)
		}
	}
}

func TestPolicy(t *testing.T) {
	i := start(t, Config{}, 1)
	for _, path := range guarded {
		_, _, head := i.ask(t, "GET", path, "")
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if !strings.HasPrefix(head.Get(name), want) {
				t.Errorf("%s: %s is %q", path, name, head.Get(name))
			}
		}
		if policy := head.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("%s: %s", path, policy)
		}
	}
}

// The page loads nothing from elsewhere, has no script or style within it, and is small.
func TestPageIsSelfContained(t *testing.T) {
	names, err := files.ReadDir("page")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, name := range names {
		text, err := files.ReadFile("page/" + name.Name())
		if err != nil {
			t.Fatal(err)
		}
		total += len(text)
		for _, wrong := range []string{"https://", "http://", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "<style", " style=", "onclick="} {
			if plain := strings.ReplaceAll(string(text), "http://www.w3.org/2000/svg", ""); strings.Contains(plain, wrong) {
				t.Errorf("%s has %s", name.Name(), wrong)
			}
		}
	}
	if const150 := 150 << 10; total > const150 {
		t.Errorf("the page has %d bytes", total)
	}
}

func TestLogin(t *testing.T) {
	i := start(t, Config{Pprof: true, Authenticate: func(user, password []byte) bool {
		return string(user) == "ann" && string(password) == "right"
	}}, 1)
	right, wrong := []string{"Authorization", "Basic YW5uOnJpZ2h0"}, []string{"Authorization", "Basic YW5uOndyb25n"}
	for _, path := range append(guarded, "/debug/pprof/") {
		if code, _, head := i.ask(t, "GET", path, ""); code != http.StatusUnauthorized || !strings.HasPrefix(head.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s without a password: %d", path, code)
		}
		if code, _, _ := i.ask(t, "GET", path, "", right...); code == http.StatusUnauthorized {
			t.Errorf("%s with a password: %d", path, code)
		}
	}
	for _, path := range []string{"/metrics", "/healthz"} {
		if code, _, _ := i.ask(t, "GET", path, ""); code != http.StatusOK {
			t.Errorf("%s: %d", path, code)
		}
	}
	codes := make(map[int]int)
	for range 20 { // fewer than 20 are looked at
		code, _, _ := i.ask(t, "GET", "/api/v1/server", "", wrong...)
		codes[code]++
	}
	if codes[401]+codes[429] != 20 || codes[401] < 2 {
		t.Errorf("%v", codes)
	}
}

// A request that only reads changes nothing, and one that changes something is a POST of the page
// itself, if the page may write at all.
func TestRelease(t *testing.T) {
	reads, writes := start(t, Config{}, 1), start(t, Config{Write: true}, 1)
	for _, i := range []*instance{reads, writes} {
		i.take(t, "k", "ann")
	}
	body := func(i *instance, token string) string {
		if token == "" {
			token = i.token(t, "k")
		}
		return fmt.Sprintf(`{"key":"k","token":%q}`, token)
	}
	const path, kind, plain = "/api/v1/release", "Content-Type", "application/json"
	for _, tt := range []struct {
		what    string
		i       *instance
		method  string
		body    string
		headers []string
		want    int
	}{
		{"a page that reads", reads, "POST", body(reads, ""), []string{kind, plain}, 403},
		{"GET", writes, "GET", "", nil, 405},
		{"GET with the data", writes, "GET", body(writes, ""), []string{kind, plain}, 405},
		{"a form", writes, "POST", body(writes, ""), []string{kind, "text/plain"}, 415},
		{"no type", writes, "POST", body(writes, ""), nil, 415},
		{"another origin", writes, "POST", body(writes, ""), []string{kind, plain, "Origin", "http://evil.example.com"}, 403},
		{"another site", writes, "POST", body(writes, ""), []string{kind, plain, "Sec-Fetch-Site", "cross-site"}, 403},
		{"another host", writes, "POST", body(writes, ""), []string{kind, plain, "Host", "evil.example.com"}, 403},
		{"no JSON", writes, "POST", "k", []string{kind, plain}, 400},
		{"no token", writes, "POST", `{"key":"k"}`, []string{kind, plain}, 400},
		{"a number", writes, "POST", `{"key":"k","token":17}`, []string{kind, plain}, 400},
		{"no key", writes, "POST", `{"token":"17"}`, []string{kind, plain}, 400},
		{"a long key", writes, "POST", `{"key":"` + strings.Repeat("k", 251) + `","token":"17"}`, []string{kind, plain}, 400},
		{"a bad id", writes, "POST", `{"id":"!","token":"17"}`, []string{kind, plain}, 400},
		{"too much", writes, "POST", `{"key":"` + strings.Repeat("k", 10_000) + `"}`, []string{kind, plain}, 400},
		{"another token", writes, "POST", body(writes, "17"), []string{kind, plain}, 409},
	} {
		code, text, _ := tt.i.ask(t, tt.method, path, tt.body, tt.headers...)
		if code != tt.want || !tt.i.isHeld(t, "k") {
			t.Errorf("%s: %d %s", tt.what, code, text)
		}
	}
	if code, text, _ := writes.ask(t, "POST", path, body(writes, ""), kind, plain, "Origin", writes.url); code != 200 || writes.isHeld(t, "k") {
		t.Errorf("%d %s", code, text)
	}
	if code, _, _ := writes.ask(t, "POST", path, `{"key":"k","token":"17"}`, kind, plain); code != 409 {
		t.Errorf("again: %d", code)
	}
}

// take has a client take a lock.
func (i *instance) take(t *testing.T, key, owner string) {
	t.Helper()
	if _, err := i.locks.Put(&locks.Put{Op: locks.Add, Key: []byte(key), Value: []byte(owner), Lease: 1 << 40, Session: new(locks.Session)}); err != nil {
		t.Fatal(err)
	}
}

// lock is what the API says of a lock.
func (i *instance) lock(t *testing.T, key string) map[string]any {
	t.Helper()
	_, text, _ := i.ask(t, "GET", "/api/v1/lock?key="+key, "")
	var doc struct{ Lock map[string]any }
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return doc.Lock
}

func (i *instance) token(t *testing.T, key string) string { return i.lock(t, key)["token"].(string) }
func (i *instance) isHeld(t *testing.T, key string) bool  { return i.lock(t, key)["held"] == 1.0 }
