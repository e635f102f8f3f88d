package client

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/internal/testenv"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/stats"
)

// What is asked about a lock is asked where the lock lives.
func TestSelector(t *testing.T) {
	t.Parallel()
	list := new(memcache.ServerList)
	is(t, "servers", list.SetServers("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"), nil)
	s := NewSelector(list)
	for i := range 100 {
		key := fmt.Sprint("lock:user:", i)
		want, _ := list.PickServer(key)
		for _, asks := range []string{key, "lockcached:wait=2s:" + key, "lockcached:lock:" + key, "lockcached:retry:" + key, "lockcached:version:" + key} {
			if got, _ := s.PickServer(asks); got != want {
				t.Errorf("%s is sent to %v, want %v", asks, got, want)
			}
		}
	}
	for _, key := range []string{"lockcached:", "lockcached:wait=", "lockcached:wait=2s", "lockcached:class:c", "lockcached"} {
		if got := lockOf(key); got != key {
			t.Errorf("%s is taken for %s", key, got)
		}
	}
	n := 0
	is(t, "each", s.Each(func(net.Addr) error { n++; return nil }), nil)
	if n != 3 {
		t.Errorf("%d servers", n)
	}
}

// With several servers, of both kinds, every lock is where its key belongs.
func TestSeveralServers(t *testing.T) {
	t.Parallel()
	first, second := newHost(t, locks.Config{}), newHost(t, locks.Config{})
	servers := []string{first.addr, second.addr, memcached(t)}
	c, other := newClient(t, Config{}, servers...), newClient(t, Config{}, servers...)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			key := fmt.Sprint("lock:", i)
			l, err := c.Lock(t.Context(), key)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := other.Lock(t.Context(), key, Wait(time.Millisecond)); !errors.Is(err, ErrHeld) {
				t.Errorf("%s is not held: %v", key, err)
			}
			if err := l.Unlock(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, h := range []*host{first, second} {
		if h.locks.Totals().Counters[stats.Acquired] == 0 {
			t.Error("a server without locks")
		}
	}
	is(t, "storing", c.Write(t.Context(), &memcache.Item{Key: "a", Value: []byte("x")}), nil)
	is(t, "storing", c.Write(t.Context(), &memcache.Item{Key: "b", Value: []byte("y")}), nil)
	found, err := c.Read(t.Context(), "a", "b", "c", "d")
	is(t, "get", err, nil)
	if len(found) != 2 || string(found["b"].Value) != "y" {
		t.Errorf("found %v", found)
	}
}

// A Memcache that the caller brings does it, too, with waits shorter than its Timeout.
func TestBroughtMemcache(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		mc := memcache.New(addr)
		mc.Timeout = testenv.Patience
		defer mc.Close()
		c := newClient(t, Config{Memcache: mc, Timeout: 50 * time.Millisecond})
		l := take(t, c, "k")
		_, err := newClient(t, Config{Memcache: mc}).TryLock(t.Context(), "k")
		is(t, "trylock", err, ErrHeld)
		_, err = newClient(t, Config{Memcache: mc, Timeout: 50 * time.Millisecond}).Lock(t.Context(), "k", Wait(200*time.Millisecond))
		is(t, "lock", err, ErrHeld)
		is(t, "unlock", l.Unlock(), nil)
	})
}

// A wait that needs several requests is one wait in the server's statistics, and is in
// vain only if it is given up.
func TestWaitInSlicesIsOneWait(t *testing.T) {
	t.Parallel()
	h := newHost(t, locks.Config{})
	const timeout = 200 * time.Millisecond
	inSlices := func() *Client {
		mc := memcache.New(h.addr)
		mc.Timeout = patience
		t.Cleanup(func() { _ = mc.Close() })
		return newClient(t, Config{Memcache: mc, Timeout: timeout})
	}
	l := take(t, newClient(t, Config{}, h.addr), "lock:k")
	var waits, inVain uint64
	eventually(t, "a wait of several slices is in vain", func() bool {
		_, err := inSlices().Lock(t.Context(), "lock:k", Wait(10*timeout))
		var held *HeldError
		if !errors.As(err, &held) || held.Tries < 2 {
			t.Fatalf("not refused after several slices: %v", err)
		}
		waits++
		if inVain = h.locks.Totals().Counters[stats.WaitTimeouts]; inVain > waits {
			t.Fatalf("%d waits in vain of %d, the latest with %d slices", inVain, waits, held.Tries)
		}
		return inVain > 0 // if a slice ends too late, on a busy machine, there is no last one
	})

	granted := make(chan *Lock)
	began := time.Now()
	c := inSlices()
	go func() {
		l, err := c.Lock(t.Context(), "lock:k")
		if err != nil {
			t.Error(err)
		}
		granted <- l
	}()
	h.queued("lock:k", 1)
	eventually(t, "several slices are over", func() bool { return time.Since(began) > 10*timeout })
	is(t, "unlock", l.Unlock(), nil)
	is(t, "unlock", (<-granted).Unlock(), nil)
	r, _ := h.locks.Lookup([]byte("lock:k"), nil)
	if r.Counters[stats.WaitTimeouts] != inVain || r.Wait.Count() != 1 || time.Duration(r.Wait.Mean()) < 5*timeout {
		t.Errorf("%d waits in vain, and %d granted after %v", r.Counters[stats.WaitTimeouts], r.Wait.Count(), time.Duration(r.Wait.Mean()))
	}
}

// A selector that spreads the reserved keys is found out.
func TestMisrouted(t *testing.T) {
	t.Parallel()
	first, second := newHost(t, locks.Config{}), newHost(t, locks.Config{})
	mc := memcache.NewFromSelector(astray{first.addr, second.addr})
	mc.Timeout = patience
	defer mc.Close()
	c := newClient(t, Config{Memcache: mc})
	_, err := c.Lock(t.Context(), "k")
	is(t, "lock", err, ErrMisrouted)
}

// astray sends reserved keys to another server.
type astray [2]string

func (a astray) PickServer(key string) (net.Addr, error) {
	if isReserved(key) {
		return net.ResolveTCPAddr("tcp", a[1])
	}
	return net.ResolveTCPAddr("tcp", a[0])
}

func (astray) Each(func(net.Addr) error) error { return nil }

// Where lockcached was, there may be a memcached the next time, and the other way
// round. What only lockcached understands is never sent to the other.
func TestServersAreSwapped(t *testing.T) {
	t.Parallel()
	h, path := newHost(t, locks.Config{}), memcached(t)
	r := newRelay(t, "tcp", h.addr, 0)
	c := newClient(t, Config{Tries: maxTries}, r.Addr())
	behind := newClient(t, Config{}, path)
	for _, pooled := range []bool{true, false, true} {
		is(t, "unlock on lockcached", take(t, c, "k").Unlock(), nil)
		r.SetTarget("unix", path)
		if pooled {
			r.HangUp() // the next request on an old connection notices
		} else {
			c.lost(c.peers[r.Addr()]) // nothing does, since all connections will be new
		}
		var all sync.WaitGroup
		var holders atomic.Int32
		for range 5 {
			all.Go(func() { use(t, c, "k", &holders) })
		}
		all.Wait()
		r.SetTarget("tcp", h.addr)
		r.HangUp()
	}
	for _, wait := range []time.Duration{0, longestWait} {
		_, err := behind.mc.Get(waiting(&memcache.Item{Key: "k"}, slice{wait: wait}).Key)
		is(t, "a claim that waits, on memcached", err, memcache.ErrCacheMiss)
	}
}

// Encryption and the password are for all connections, those that wait included.
func TestTLSAndPassword(t *testing.T) {
	t.Parallel()
	h := newHost(t, locks.Config{})
	addr, cert := guarded(t, h)
	config := Config{TLS: &tls.Config{RootCAs: rootsOf(cert), ServerName: "example.com"}, User: "ann", Password: "secret"}
	c := newClient(t, config, addr)
	held := take(t, c, "k")
	_, err := c.Lock(t.Context(), "k", Wait(10*time.Millisecond))
	is(t, "lock", err, ErrHeld)
	is(t, "unlock", held.Unlock(), nil)

	config.Password = "wrong"
	_, err = newClient(t, config, addr).Lock(t.Context(), "k")
	is(t, "with a wrong password", err, ErrRefused)
	config.User = "" // so that the answer to the first request says it
	_, err = newClient(t, config, mutual(t, cert.TLS.Certificates)).Lock(t.Context(), "k")
	is(t, "without a certificate of our own", err, ErrRefused)
	config.TLS = &tls.Config{}
	_, err = newClient(t, config, addr).Lock(t.Context(), "k")
	var unknown *tls.CertificateVerificationError
	if !errors.As(err, &unknown) || errors.Is(err, ErrUnavailable) {
		t.Errorf("with an unknown certificate: %v", err)
	}
}

// guarded is a server behind TLS and a password, and whose certificate it has: that of
// example.com.
func guarded(t *testing.T, h *host) (addr string, cert *httptest.Server) {
	t.Helper()
	cert = httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	t.Cleanup(cert.Close)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: cert.TLS.Certificates})
	is(t, "listen", err, nil)
	t.Cleanup(func() { _ = l.Close() })
	go guard(l, h.addr)
	return l.Addr().String(), cert
}

func rootsOf(cert *httptest.Server) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(cert.Certificate())
	return roots
}

// A login that is not answered well is a refusal only if it is one.
func TestLoginAnswers(t *testing.T) {
	t.Parallel()
	for answer, refused := range map[string]bool{
		"CLIENT_ERROR authentication failure": true,
		"ERROR Too many open connections":     false,
		"SERVER_ERROR out of memory":          false,
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		is(t, "listen", err, nil)
		defer l.Close()
		go func() {
			if conn, err := l.Accept(); err == nil {
				defer conn.Close()
				_, _ = io.WriteString(conn, answer+"\r\n")
				_, _ = io.Copy(io.Discard, conn)
			}
		}()
		d := Dialer{Timeout: time.Minute, User: "ann", Password: "secret"}
		if _, err := d.DialContext(t.Context(), "tcp", l.Addr().String()); errors.Is(err, ErrRefused) != refused || isBusy(err) == refused {
			t.Errorf("%s: %v", answer, err)
		}
	}
}

// mutual is a server that wants certificates of its clients.
func mutual(t *testing.T, own []tls.Certificate) (addr string) {
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: own, ClientAuth: tls.RequireAnyClientCert})
	is(t, "listen", err, nil)
	t.Cleanup(func() { _ = l.Close() })
	go guard(l, "")
	return l.Addr().String()
}

// guard lets those through to a server who know the password.
func guard(l net.Listener, addr string) {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer near.Close()
			in := bufio.NewReader(near)
			_, _ = in.ReadString('\n')
			if words, _ := in.ReadString('\n'); words != "ann secret\r\n" {
				_, _ = near.Write([]byte("CLIENT_ERROR authentication failure\r\n"))
				return
			}
			_, _ = near.Write([]byte("STORED\r\n"))
			far, err := net.Dial("tcp", addr)
			if err != nil {
				return
			}
			defer far.Close()
			go func() { _, _ = in.WriteTo(far); _ = far.Close() }()
			_, _ = bufio.NewReader(far).WriteTo(near)
		}()
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	h := newHost(t, locks.Config{})
	c := newClient(t, Config{}, h.addr)
	l := take(t, c, "k", TTL(time.Minute), Owned("bob"))
	info, err := c.Info(t.Context(), "k")
	is(t, "info", err, nil)
	if !info.Held || info.Owner != l.Owner() || !strings.HasPrefix(info.Owner, "bob:") || info.Token != l.Token() || info.TTL <= 0 || info.TTL > time.Minute || info.Fields["acquired"] != "1" {
		t.Errorf("%+v", info)
	}
	is(t, "unlock", l.Unlock(), nil)
	if info, err = c.Info(t.Context(), "k"); info.Held || info.Owner != "-" || err != nil {
		t.Errorf("%+v, %v", info, err)
	}
	_, err = newClient(t, Config{}, memcached(t)).Info(t.Context(), "k")
	is(t, "info from memcached", err, ErrPlain)
	if odd := parseInfo("k", []byte("held=1 token=x rank 7 ttl_ms=-1 =")); !odd.Held || odd.TTL >= 0 || odd.Token != 0 {
		t.Errorf("%+v", odd)
	}
}

// The statistics choose how long a lock lasts and how long to wait for it.
func TestAdaptive(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		c, other := newClient(t, Config{TTL: time.Hour}, addr), newClient(t, Config{}, addr)
		l := take(t, c, "k", AdaptiveTTL())
		if left := time.Until(l.Expires()); left < 50*time.Minute {
			t.Errorf("with nothing known it lasts for %v", left)
		}
		is(t, "unlock", l.Unlock(), nil)
		for range 2 * firstFew {
			l := take(t, c, "k")
			is(t, "unlock", l.Unlock(), nil)
		}
		l = take(t, c, "k", AdaptiveTTL(), AdaptiveWait())
		if left := time.Until(l.Expires()); left > 30*time.Minute {
			t.Errorf("after short holds it lasts for %v", left)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := other.Lock(ctx, "k", AdaptiveWait())
		is(t, "a claim that is called off", err, context.Canceled)
		_ = l.Unlock() // which may be too late, on a busy machine
	})
}
