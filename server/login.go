package server

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/lockcached/lockcached/protocol"
)

// loginTime is how long a client may take to log in.
const loginTime = 30 * time.Second

// login answers what belongs to a login.
func (c *conn) login(q *protocol.Request) {
	switch q.Verb {
	case protocol.Mechanisms:
		c.out.Mechanisms(&q.Head)
	case protocol.BeginLogin:
		c.out.GoOn(&q.Head)
	case protocol.Login:
		c.meetLogin(q, c.srv.config.Authenticate(q.Key, q.Value))
	case protocol.BadLogin:
		c.meetLogin(q, false)
	}
}

// meetLogin logs the client in, or refuses it, after a pause if it has failed before. A client
// that was logged in and fails must log in again.
func (c *conn) meetLogin(q *protocol.Request, ok bool) {
	s := c.srv
	s.counts.logins.Add(1)
	c.in.LoggedIn(ok)
	if ok {
		c.loginDue.Store(0)
		c.out.LoggedIn(&q.Head)
		return
	}
	s.counts.loginErrors.Add(1)
	c.loginDue.CompareAndSwap(0, s.now()+int64(loginTime))
	failures, pause := s.guard.failed(c.transport.remote(), time.Now())
	s.logFailedLogin(c.transport.remote(), failures)
	c.pause(pause)
	c.fault(q, protocol.ErrWrongLogin)
}

func (s *Server) logFailedLogin(client net.Addr, failures int) {
	if unlogged, ok := s.guard.log.due(); ok {
		s.config.Logger.Warn().Stringer("client", client).Int("failures", failures).
			Int("unlogged", unlogged).Msg("wrong user or password")
	}
}

// pause sends the replies collected so far and waits for d, or until the server shuts down.
// Other connections do not wait.
func (c *conn) pause(d time.Duration) {
	if d == 0 || c.flush() != nil {
		return
	}
	c.transport.detach()
	select {
	case <-time.After(d):
	case <-c.srv.ending:
	}
}

// overstays reports whether a client has failed to log in within loginTime.
func (c *conn) overstays(now int64) bool {
	due := c.loginDue.Load()
	return due != 0 && now > due
}

// The pause after a failed login: the first failure from an address has none. The second
// has minLoginPause, and each further one twice as much, up to maxLoginPause. If
// forgiveAfter passes without a failure, counting starts again.
const (
	minLoginPause = 100 * time.Millisecond
	maxLoginPause = 3200 * time.Millisecond
	forgiveAfter  = time.Minute
	guardedFrom   = 10_000 // addresses remembered
)

// A guard remembers from which addresses logins have failed. Safe for concurrent use.
type guard struct {
	log seldom

	mu    sync.Mutex // guards what follows
	wrong *simplelru.LRU[netip.Prefix, failures]
}

type failures struct {
	count  int
	latest time.Time
}

func newGuard() *guard {
	wrong, _ := simplelru.NewLRU[netip.Prefix, failures](guardedFrom, nil)
	return &guard{wrong: wrong}
}

// failed records a failed login. It returns how many there were lately from the same
// address, and how long the client must wait.
func (g *guard) failed(client net.Addr, now time.Time) (count int, pause time.Duration) {
	from := network(client)
	g.mu.Lock()
	defer g.mu.Unlock()
	f, _ := g.wrong.Get(from)
	if now.Sub(f.latest) > forgiveAfter {
		f.count = 0
	}
	f.count++
	f.latest = now
	g.wrong.Add(from, f)
	return f.count, f.pause()
}

// pause is how long to wait after so many failures.
func (f *failures) pause() time.Duration {
	if f.count < 2 {
		return 0
	}
	return min(minLoginPause<<min(f.count-2, 10), maxLoginPause)
}

// remaining is what is left of the pause after the latest failed login from an address.
func (g *guard) remaining(client net.Addr, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	f, _ := g.wrong.Peek(network(client))
	return max(0, f.pause()-now.Sub(f.latest))
}

// network is what counts as one client: an IPv4 address, or the first 64 bits of an IPv6
// address, since a customer usually gets all addresses below them. All clients of Unix
// sockets count as one.
func network(client net.Addr) netip.Prefix {
	tcp, ok := client.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Prefix(bits)
	return prefix
}
