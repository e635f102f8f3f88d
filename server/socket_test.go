package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/testcert"
	"github.com/lockcached/lockcached/internal/testenv"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/stats"
)

// listening starts a server on a real socket and returns a function that connects to it. The
// network "tls" is TLS over TCP, and "stream" is TCP served as without epoll.
func listening(t *testing.T, network string, c Config) (s *Server, dial func() *socketClient) {
	t.Helper()
	if c.Locks == nil {
		c.Locks = patient()
	}
	c.justGranted = time.Hour // however slow the machine is
	go c.Locks.Run(t.Context())
	s = New(c)
	return s, listenWith(t, network, s)
}

// listenWith is listening with a server that is there already.
func listenWith(t *testing.T, network string, s *Server) (dial func() *socketClient) {
	t.Helper()
	var l net.Listener
	var err error
	if network == "unix" {
		l, err = net.Listen(network, filepath.Join(t.TempDir(), "socket"))
	} else {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	must(t, err)
	serve := s.Serve
	if network == "stream" {
		serve = func(l net.Listener) error { return s.Serve(disguised{l}) }
	}
	var secure *tls.Config
	if network == "tls" {
		ca := testcert.NewAuthority(t)
		pair, err := tls.LoadX509KeyPair(ca.Issue("server"))
		must(t, err)
		serve = func(l net.Listener) error {
			return s.ServeTLS(l, &tls.Config{Certificates: []tls.Certificate{pair}})
		}
		secure = ca.Client("")
		secure.ServerName = "127.0.0.1"
	}
	served := make(chan error, 1)
	go func() { served <- serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != ErrClosed {
			t.Errorf("served until %v", err)
		}
	})
	return func() *socketClient {
		t.Helper()
		raw, err := net.Dial(l.Addr().Network(), l.Addr().String())
		must(t, err)
		t.Cleanup(func() { _ = raw.Close() })
		_ = raw.SetDeadline(time.Now().Add(testenv.Patience))
		conn := raw
		if secure != nil {
			conn = tls.Client(raw, secure)
		}
		return &socketClient{t, conn, raw, bufio.NewReader(conn)}
	}
}

// patient returns a Manager for listening, with the policies.
func patient(policies ...locks.WaitPolicy) *locks.Manager {
	return locks.NewManager(locks.Config{MaxWait: testenv.Patience, WaitPolicies: policies})
}

// disguised accepts connections that the loop does not serve.
type disguised struct{ net.Listener }

func (d disguised) Accept() (net.Conn, error) {
	nc, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return disguisedConn{nc.(*net.TCPConn)}, nil
}

type disguisedConn struct{ *net.TCPConn }

// onNetworks runs a test over TCP, as a socket and as a stream, and over TLS.
func onNetworks(t *testing.T, name string, test func(t *testing.T, network string)) {
	for _, network := range []string{"tcp", "stream", "tls"} {
		t.Run(name+" "+network, func(t *testing.T) { test(t, network) })
	}
}

// onSockets runs a test over every kind of connection.
func onSockets(t *testing.T, test func(t *testing.T, network string)) {
	for _, network := range []string{"tcp", "unix", "stream", "tls"} {
		t.Run(network, func(t *testing.T) { test(t, network) })
	}
}

type socketClient struct {
	t *testing.T
	net.Conn
	raw net.Conn // below TLS, if there is TLS
	in  *bufio.Reader
}

func (c *socketClient) send(lines ...string) {
	c.t.Helper()
	_, err := io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n")
	must(c.t, err)
}

// gets waits for the lines.
func (c *socketClient) gets(lines ...string) {
	c.t.Helper()
	for _, want := range lines {
		if got, err := c.in.ReadString('\n'); got != want+"\r\n" {
			c.t.Fatalf("got %q, %v, want %q", got, err, want)
		}
	}
}

// endsWith waits for the lines, and then for the end of the connection.
func (c *socketClient) endsWith(lines ...string) {
	c.t.Helper()
	c.gets(lines...)
	if rest, err := io.ReadAll(c.in); len(rest) > 0 || err != nil {
		c.t.Errorf("got %q, %v, want the end", rest, err)
	}
}

// closeWrite closes the client's sending side.
func (c *socketClient) closeWrite() {
	c.t.Helper()
	must(c.t, c.Conn.(interface{ CloseWrite() error }).CloseWrite())
}

// unread is how many bytes the client could read.
func (c *socketClient) unread() (n int) {
	onDescriptor(c.raw, func(fd int) { n = unreadBytes(fd) })
	return n
}

// reset ends a TCP connection without a FIN.
func (c *socketClient) reset() {
	c.t.Helper()
	must(c.t, c.raw.(*net.TCPConn).SetLinger(0))
	must(c.t, c.raw.Close())
}

// eventually waits for something that another goroutine will do.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	testenv.Eventually(t, what, done)
}

func (s *Server) waitForLine(t *testing.T, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d in line", n), func() bool { return s.locks.Totals().Queued == n })
}

func TestHalfClose(t *testing.T) {
	onSockets(t, func(t *testing.T, network string) {
		_, dial := listening(t, network, Config{})
		c := dial()
		c.send("set a 0 0 1", "x", "get a", "get b", "version")
		c.closeWrite()
		c.endsWith("STORED", "VALUE a 0 1", "x", "END", "END", "VERSION "+Version)
	})
}

func TestHalfAValue(t *testing.T) {
	onSockets(t, func(t *testing.T, network string) {
		_, dial := listening(t, network, Config{})
		a, b := dial(), dial()
		a.send("set a 0 0 1", "x", "set a 0 0 100", "half of it")
		a.closeWrite()
		a.endsWith("STORED")
		b.send("get a")
		b.gets("VALUE a 0 1", "x", "END")
	})
}

func TestTooManyConnections(t *testing.T) {
	onSockets(t, func(t *testing.T, network string) {
		s, dial := listening(t, network, Config{MaxConns: 2})
		a, b := dial(), dial()
		for _, c := range []*socketClient{a, b} {
			c.send("version")
			c.gets("VERSION " + Version)
		}
		refused := dial()
		refused.in = bufio.NewReader(refused.raw) // refused before the handshake
		refused.endsWith("ERROR Too many open connections")
		if n := s.counts.rejected.Load(); n != 1 {
			t.Errorf("%d rejections are counted", n)
		}
		_ = a.Close()
		eventually(t, "one fewer", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.conns) == 1
		})
		c := dial()
		c.send("version")
		c.gets("VERSION " + Version)
	})
}

// A client that sends a lot before it reads anything gets all its answers.
func TestManyLargeAnswers(t *testing.T) {
	onSockets(t, func(t *testing.T, network string) {
		_, dial := listening(t, network, Config{})
		c := dial()
		value := strings.Repeat("x", 100_000)
		c.send("set a 0 0 100000", value)
		c.gets("STORED")
		const n = 300
		sent := make(chan error, 1)
		go func() {
			_, err := io.WriteString(c, strings.Repeat("get a\r\n", n))
			sent <- err
		}()
		for range n {
			c.gets("VALUE a 0 100000", value, "END")
		}
		must(t, <-sent)
	})
}

// A value of many packets, with a request pipelined behind it.
func TestLargeValue(t *testing.T) {
	onSockets(t, func(t *testing.T, network string) {
		_, dial := listening(t, network, Config{})
		c := dial()
		value := strings.Repeat("0123456789abcde\n", 60_000)
		c.send("set a 0 0 960000", value, "get b", "set a 0 0 2000000", value+value, strings.Repeat("x", 80_000-2), "version")
		c.gets("STORED", "END", "SERVER_ERROR object too large for cache", "VERSION "+Version)
	})
}

func TestWaitOnSockets(t *testing.T) {
	onSockets(t, func(t *testing.T, network string) {
		s, dial := listening(t, network, Config{})
		holder, waiter := dial(), dial()
		for range 3 { // with the same memory
			holder.send("add lock 0 600 1", "x")
			holder.gets("STORED")
			waiter.send("add lockcached:wait=5m:lock 0 600 1", "y", "get lock", "delete lock")
			s.waitForLine(t, 1)
			holder.send("delete lock")
			holder.gets("DELETED")
			waiter.gets("STORED", "VALUE lock 0 1", "y", "END", "DELETED")
		}
		holder.send("add lock 0 600 1", "x")
		holder.gets("STORED")
		waiter.send("add lockcached:wait=5ms:lock 0 600 1", "y")
		waiter.send("get lock")
		waiter.gets("NOT_STORED", "VALUE lock 0 1", "x", "END")
	})
}

// The waiter gets its grant before the client that releases gets its answer.
func TestWaiterIsToldFirst(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		s, dial := listening(t, network, Config{})
		holder, waiter := dial(), dial()
		holder.send("add lock 0 600 1", "x")
		holder.gets("STORED")
		waiter.send("add lockcached:wait=5m:lock 0 600 1", "y")
		s.waitForLine(t, 1)
		holder.send("delete lock")
		holder.gets("DELETED")
		if told := waiter.unread(); told != len("STORED\r\n") {
			t.Errorf("%s: %d bytes are there for the waiter", network, told)
		}
	}
}

// One input releases more locks than one batch call has room for, some of them without an answer.
func TestManyWaitersAreToldFirst(t *testing.T) {
	for _, plain := range []bool{false, true} {
		const locks = 100
		s, dial := listening(t, "unix", Config{NoBatchCalls: plain})
		holder := dial()
		var waiters []*socketClient
		var releases, answers []string
		for i := range locks {
			key := fmt.Sprint("lock:", i)
			holder.send("add "+key+" 0 600 1", "x")
			holder.gets("STORED")
			waiter := dial()
			waiter.send("add lockcached:wait=5m:"+key+" 0 600 1", "y")
			s.waitForLine(t, i+1)
			waiters = append(waiters, waiter)
			if i%2 == 0 {
				releases = append(releases, "delete "+key+" noreply")
			} else {
				releases, answers = append(releases, "delete "+key), append(answers, "DELETED")
			}
		}
		holder.send(releases...)
		holder.gets(answers...)
		for i, waiter := range waiters {
			if told := waiter.unread(); told != len("STORED\r\n") {
				t.Errorf("%d bytes are there for waiter %d", told, i)
			}
		}
	}
}

// If the answer cannot be written, the next in line gets the lock.
func TestWaiterCannotBeTold(t *testing.T) {
	for _, plain := range []bool{false, true} {
		s, dial := listening(t, "unix", Config{NoBatchCalls: plain})
		holder, deaf, next := dial(), dial(), dial()
		holder.send("add lock 0 600 1", "x")
		holder.gets("STORED")
		deaf.send("add lockcached:wait=5m:lock 0 600 1", "y")
		s.waitForLine(t, 1)
		next.send("add lockcached:wait=5m:lock 0 600 1", "z")
		s.waitForLine(t, 2)
		must(t, deaf.raw.(*net.UnixConn).CloseRead()) // of which the server learns only when it writes
		holder.send("delete lock")
		holder.gets("DELETED")
		next.gets("STORED")
		if n := s.locks.Totals().Counters[stats.Withdrawn]; n != 1 {
			t.Errorf("%d grants were withdrawn", n)
		}
	}
}

// Very many waiters are served in order, each as soon as the one before
// releases.
func TestCrowd(t *testing.T) {
	s, dial := listening(t, "unix", Config{MaxConns: 3000})
	holder := dial()
	holder.send("add lock 0 600 1", "x")
	holder.gets("STORED")
	var waiters []*socketClient
	for i := range 1124 {
		c := dial()
		c.send("add lockcached:wait=5m:lock 0 600 1", "y", "incr served 1", "delete lock")
		waiters = append(waiters, c)
		s.waitForLine(t, i+1)
	}
	holder.send("set served 0 0 1", "0", "delete lock")
	holder.gets("STORED", "DELETED")
	for i, c := range waiters {
		c.gets("STORED", fmt.Sprint(i+1), "DELETED")
	}
}

func TestPolicyOnSockets(t *testing.T) {
	onSockets(t, func(t *testing.T, network string) {
		s, dial := listening(t, network, Config{Locks: patient(policy("*", time.Minute))})
		shared := dial()
		for range 3 {
			shared.send("add lock 0 600 1", "x")
			shared.gets("STORED")
			shared.send("add lock 0 600 1", "y")
			s.waitForLine(t, 1)
			shared.send("delete lock")
			shared.gets("NOT_STORED", "DELETED")
		}
	})
}

// A client that closes, in whatever way, leaves the line, and the next in line gets the lock.
func TestLeavingTheLine(t *testing.T) {
	for name, leave := range map[string]func(*socketClient){
		"close": func(c *socketClient) { _ = c.Close() },
		"half-close": func(c *socketClient) {
			c.closeWrite()
			c.endsWith("NOT_STORED")
		},
		"reset": (*socketClient).reset,
	} {
		for _, behind := range []string{"", "get lock"} {
			onNetworks(t, name+behind, func(t *testing.T, network string) {
				s, dial := listening(t, network, Config{})
				holder, gone, next := dial(), dial(), dial()
				holder.send("add lock 0 600 1", "x")
				holder.gets("STORED")
				gone.send("add lockcached:wait=5m:lock 0 600 4", "gone")
				s.waitForLine(t, 1)
				next.send("add lockcached:wait=5m:lock 0 600 4", "next")
				s.waitForLine(t, 2)
				if behind != "" && name != "half-close" {
					gone.send(behind)
				}
				leave(gone)
				s.waitForLine(t, 1)
				holder.send("delete lock")
				next.gets("STORED")
				if n := s.locks.Totals().Counters[stats.Withdrawn]; n != 0 {
					t.Errorf("%d grants had to be withdrawn", n)
				}
			})
		}
	}
}

// A grant is withdrawn if the client closes with the answer unread: its kernel then sends a
// reset.
func TestGrantNotTaken(t *testing.T) {
	for name, leave := range map[string]func(*socketClient){
		"close":       func(c *socketClient) { _ = c.Close() },
		"fall-silent": func(c *socketClient) { _ = c.raw.Close() },
		"reset":       (*socketClient).reset,
	} {
		onNetworks(t, name, func(t *testing.T, network string) {
			s, dial := listening(t, network, Config{})
			holder, gone, next := dial(), dial(), dial()
			holder.send("add lock 0 600 1", "x")
			holder.gets("STORED")
			gone.send("version", "add lockcached:wait=5m:lock 0 600 4", "gone")
			gone.gets("VERSION " + Version)
			s.waitForLine(t, 1)
			next.send("add lockcached:wait=5m:lock 0 600 4", "next")
			s.waitForLine(t, 2)
			holder.send("delete lock")
			holder.gets("DELETED")
			eventually(t, "a grant in the socket", func() bool { return gone.unread() > 0 })
			leave(gone)
			next.gets("STORED")
			if n := s.locks.Totals().Counters[stats.Withdrawn]; n != 1 {
				t.Errorf("%d grants were withdrawn", n)
			}
		})
	}
}

// A client that has read the answer and then closes keeps the lock.
func TestGrantTaken(t *testing.T) {
	onSockets(t, func(t *testing.T, network string) {
		s, dial := listening(t, network, Config{})
		holder, waiter := dial(), dial()
		holder.send("add lock 0 600 1", "x")
		holder.gets("STORED")
		waiter.send("add lockcached:wait=5m:lock 0 600 1", "y")
		s.waitForLine(t, 1)
		holder.send("delete lock")
		waiter.gets("STORED")
		_ = waiter.Close()
		eventually(t, "one fewer", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.conns) == 1
		})
		holder.gets("DELETED")
		holder.send("get lock")
		holder.gets("VALUE lock 0 1", "y", "END")
	})
}

// Requests that were received before the shutdown are carried out.
func TestShutdownOnSockets(t *testing.T) {
	onSockets(t, func(t *testing.T, network string) {
		s, dial := listening(t, network, Config{})
		holder, waiter, busy, silent := dial(), dial(), dial(), dial()
		holder.send("add lock 0 600 1", "x")
		holder.gets("STORED")
		waiter.send("add lockcached:wait=5m:lock 0 600 1", "y", "get a")
		s.waitForLine(t, 1)
		const n = 5000
		busy.send(strings.Repeat("incr a 1\r\n", n) + "version")
		busy.gets("NOT_FOUND")
		must(t, s.Shutdown(t.Context()))
		for range n - 1 {
			busy.gets("NOT_FOUND")
		}
		busy.endsWith("VERSION " + Version)
		waiter.endsWith("NOT_STORED", "END")
		silent.endsWith()
		holder.endsWith()
	})
}

func TestStatsConns(t *testing.T) {
	_, dial := listening(t, "tcp", Config{})
	a, b := dial(), dial()
	b.send("version", "set a 0 0 10", "12")
	b.gets("VERSION " + Version)
	a.send("stats conns")
	var states []string
	for {
		line, err := a.in.ReadString('\n')
		must(t, err)
		if line == "END\r\n" {
			break
		}
		if words := strings.Fields(line); strings.HasSuffix(words[1], ":state") {
			states = append(states, words[2])
		}
	}
	for _, want := range []string{"conn_listening", "conn_parse_cmd", "conn_nread"} {
		if !strings.Contains(strings.Join(states, " "), want) {
			t.Errorf("states %q, want %s among them", states, want)
		}
	}
}
