package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/client/internal/testhost"
	"github.com/lockcached/lockcached/internal/testenv"
	"github.com/lockcached/lockcached/locks"
)

func TestParseServer(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"cache-1":                    "tcp cache-1:11211",
		"cache-1:11311":              "tcp cache-1:11311",
		"a.b.":                       "tcp a.b.:11211",
		"under_score:1":              "tcp under_score:1",
		"münchen.example":            "tcp münchen.example:11211",
		"127.0.0.1":                  "tcp 127.0.0.1:11211",
		"::1":                        "tcp [::1]:11211",
		"[::1]":                      "tcp [::1]:11211",
		"[fe80::1%eth0]:2":           "tcp [fe80::1%eth0]:2",
		"tcp://cache-1":              "tcp cache-1:11211",
		"TCP://[::1]:2/":             "tcp [::1]:2",
		"memcached://cache-1:011":    "tcp cache-1:11",
		"/run/socket":                "unix /run/socket",
		"run/socket":                 "unix run/socket",
		"unix:/run/socket":           "unix /run/socket",
		"unix:///run/socket":         "unix /run/socket",
		"unix:socket":                "unix ./socket",
		"@abstract":                  "unix @abstract",
		"unix:@abstract":             "unix @abstract",
		"":                           "",
		":11211":                     "", // of a variable that is empty: each host would have a lock of its own
		"host:":                      "",
		"host:0":                     "",
		"host:70000":                 "",
		"host:memcache":              "",
		"host:-1":                    "",
		"*":                          "",
		"a b":                        "",
		"a,b":                        "",
		"[::1":                       "",
		"[::1]x":                     "",
		"[127.0.0.1]:1":              "",
		"[::g]:1":                    "",
		"::1:11211":                  "",
		"1:2:3":                      "",
		"http://cache-1":             "",
		"tls://cache-1":              "",
		"redis://cache-1:6379":       "",
		"memcached://ann:pw@cache-1": "",
		"ann@cache-1":                "",
		"tcp://cache-1/path":         "",
		"tcp://":                     "",
		"unix:":                      "",
		"unix://":                    "",
		"unix://run/socket":          "",
		"unix:/run/":                 "",
		"/run/so\ncket":              "",
	} {
		addr, err := ParseServer(text)
		if want == "" {
			if err == nil || !strings.HasPrefix(err.Error(), "should be host, host:port") {
				t.Errorf("%q is %v, %v", text, addr, err)
			}
			continue
		}
		if err != nil || addr.Network()+" "+addr.String() != want {
			t.Errorf("%q is %v, %v; want %s", text, addr, err, want)
			continue
		}
		if again, err := ParseServer(addr.String()); again != addr {
			t.Errorf("%v is read as %v, %v", addr, again, err)
		}
	}
	_, err := New(Config{Servers: []string{"a:b"}})
	if err == nil || !strings.HasPrefix(err.Error(), `client: Config.Servers: "a:b" should be host, `) {
		t.Error(err)
	}
}

// A key lives where gomemcache has it.
func TestServerListAgrees(t *testing.T) {
	t.Parallel()
	theirs := new(memcache.ServerList)
	for n := 1; n < 6; n++ {
		var byName, byIP []string
		for i := range n {
			byName = append(byName, fmt.Sprintf("no-such-%d.invalid:%d", i, i+1))
			byIP = append(byIP, fmt.Sprintf("127.0.0.1:%d", i+1))
		}
		is(t, "servers", theirs.SetServers(byIP...), nil)
		ours, err := NewServerList(byName...)
		is(t, "names that nobody knows", err, nil)
		for i := range 200 {
			key := fmt.Sprint("lock:", i)
			want, _ := theirs.PickServer(key)
			got, err := ours.PickServer(key)
			if _, port, _ := net.SplitHostPort(want.String()); err != nil || !strings.HasSuffix(got.String(), ":"+port) {
				t.Fatalf("%s of %d is at %v, not %v", key, n, got, want)
			}
		}
	}
}

// names are known to the resolver of the tests, besides those that are known anyway.
var names sync.Map // of []netip.Addr

func init() {
	known := lookupIP
	lookupIP = func(ctx context.Context, network, host string) ([]netip.Addr, error) {
		if ips, found := names.Load(host); found {
			return ips.([]netip.Addr), nil
		}
		return known(ctx, network, host)
	}
}

// know gives a name addresses.
func know(name string, ips ...string) {
	var addrs []netip.Addr
	for _, ip := range ips {
		addrs = append(addrs, netip.MustParseAddr(ip))
	}
	names.Store(name, addrs)
}

func portOf(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	is(t, "address", err, nil)
	return port
}

// While a name is not known, the locks of the others are where they were.
func TestNameNotKnown(t *testing.T) {
	t.Parallel()
	h := newHost(t, locks.Config{})
	c := newClient(t, Config{Tries: 1}, h.addr, "no-such.invalid")
	found, missing := 0, 0
	for i := range 20 {
		key := fmt.Sprint("lock:", i)
		addr, _ := c.selector.PickServer(key)
		l, err := c.Lock(t.Context(), key)
		if addr.String() == h.addr {
			is(t, "lock", err, nil)
			is(t, "unlock", l.Unlock(), nil)
			found++
			continue
		}
		is(t, "lock at a name that nobody knows", err, ErrUnavailable)
		if dns, ok := errors.AsType[*net.DNSError](err); !ok || dns.Name != "no-such.invalid" {
			t.Error(err)
		}
		missing++
	}
	if found == 0 || missing == 0 {
		t.Errorf("%d locks at one server, %d at the other", found, missing)
	}
	know("comes-late.test", "127.0.0.1")
	c = newClient(t, Config{}, "comes-late.test:"+portOf(t, h.addr))
	is(t, "unlock", take(t, c, "k").Unlock(), nil)
}

// Every address of a name is tried, also behind one that does not answer at all.
func TestEveryAddress(t *testing.T) {
	t.Parallel()
	h := newHost(t, locks.Config{})
	port := portOf(t, h.addr)
	// 192.0.2.0/24 is for documents: where there is a route, nothing comes back.
	know("many.test", "::1", "192.0.2.1", "127.0.0.1")
	for _, name := range []string{"many.test", "localhost"} {
		c := newClient(t, Config{Tries: maxTries}, name+":"+port)
		is(t, "unlock", take(t, c, "k").Unlock(), nil)
	}
	know("none.test", "127.0.0.1", "::1")
	_, err := newClient(t, Config{Tries: 1}, "none.test:1").TryLock(t.Context(), "k")
	is(t, "where nobody listens", err, ErrUnavailable)
	is(t, "where nobody listens", err, syscall.ECONNREFUSED)
	if strings.Count(err.Error(), ":1: ") < 2 || strings.Contains(err.Error(), "\n") {
		t.Errorf("not one line about both: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = connectToAny(ctx, "tcp", []string{"192.0.2.1:1", "192.0.2.2:1"})
	if op, ok := errors.AsType[*net.OpError](err); !ok || !isUnsent(err) || !isAway(err) || op.Op != "dial" {
		t.Errorf("where nothing comes back: %v", err)
	}
}

// A server that moves behind its name is found again.
func TestServerMoves(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		testenv.Missing(t, fmt.Errorf("there is no 127.0.0.2: %w", err))
	}
	_ = l.Close()
	h := newHost(t, locks.Config{})
	var old *testhost.Relay
	var moved net.Listener
	var port string
	for range 100 { // until a port is free on both addresses
		old = newRelay(t, "tcp", h.addr, 0)
		port = portOf(t, old.Addr())
		if moved, err = net.Listen("tcp", "127.0.0.2:"+port); err == nil {
			break
		}
	}
	is(t, "listen on the second address", err, nil)
	know("moves.test", "127.0.0.1")
	c := newClient(t, Config{Tries: maxTries}, "moves.test:"+port)
	held := take(t, c, "k")
	testhost.RelayOn(t, moved, "tcp", h.addr)
	know("moves.test", "127.0.0.2")
	old.Away.Store(true)
	old.HangUp()
	is(t, "unlock", held.Unlock(), nil)
	is(t, "unlock", take(t, c, "k").Unlock(), nil)
}

// A certificate is for the name by which the server is known.
func TestTLSByName(t *testing.T) {
	t.Parallel()
	h := newHost(t, locks.Config{})
	addr, cert := guarded(t, h)
	know("example.com", "127.0.0.1")
	know("another.test", "127.0.0.1")
	config := Config{TLS: &tls.Config{RootCAs: rootsOf(cert)}, User: "ann", Password: "secret"}
	port := portOf(t, addr)

	c := newClient(t, config, "example.com:"+port)
	is(t, "unlock", take(t, c, "k").Unlock(), nil)
	_, err := newClient(t, config, "another.test:"+port).Lock(t.Context(), "k")
	if wrong, ok := errors.AsType[x509.HostnameError](err); !ok || wrong.Host != "another.test" || errors.Is(err, ErrUnavailable) {
		t.Errorf("by another name: %v", err)
	}
	config.TLS.ServerName = "example.com"
	is(t, "unlock", take(t, newClient(t, config, "another.test:"+port), "k").Unlock(), nil)
}
