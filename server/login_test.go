package server

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// asking is a Config for a server that knows one user.
func asking() Config {
	return Config{Authenticate: func(user, password []byte) bool {
		return string(user) == "foo" && string(password) == "bar"
	}}
}

const (
	rightLogin  = "set x 0 0 7\r\nfoo bar"
	wrongLogin  = "set x 0 0 7\r\nfoo baz"
	loginFailed = "CLIENT_ERROR authentication failure"
	notLoggedIn = "CLIENT_ERROR unauthenticated"
)

func TestLogin(t *testing.T) {
	bubble(t, asking(), func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.send("get key", "flush_all", "add lockcached:wait=2s:lock 0 0 1", "stats", "shutdown", "refresh_certs")
		c.gets(notLoggedIn, notLoggedIn, notLoggedIn, notLoggedIn, notLoggedIn, notLoggedIn)
		c.send(wrongLogin)
		c.gets(loginFailed)
		c.send(rightLogin, "set key 0 0 7", "foo bar", "get key lockcached:retry:lock")
		c.gets("STORED", "STORED", "VALUE key 0 7", "foo bar", "VALUE lockcached:retry:lock 0 1", "0", "END")
		if n, wrong := s.counts.logins.Load(), s.counts.loginErrors.Load(); n != 2 || wrong != 1 {
			t.Errorf("%d logins, %d failed", n, wrong)
		}
		if flushes := s.counts.flushes.Load(); flushes != 0 {
			t.Error("a stranger has flushed")
		}
	})
}

func TestLoginByteAtATime(t *testing.T) {
	bubble(t, asking(), func(t *testing.T, s *Server) {
		c := connect(t, s)
		for _, b := range []byte(rightLogin + "\r\nversion\r\n") {
			c.write(string(b))
		}
		c.gets("STORED", "VERSION "+Version)
	})
}

// Input that is not a login at all ends the connection, after earlier answers.
func TestNoLogin(t *testing.T) {
	for name, text := range map[string]string{"short": "quit\r\n", "endless": strings.Repeat("x", 3000)} {
		t.Run(name, func(t *testing.T) {
			bubble(t, asking(), func(t *testing.T, s *Server) {
				c := connect(t, s)
				c.write("version\r\n" + text)
				c.gets(notLoggedIn)
				if !c.isClosed() {
					t.Error("still open")
				}
			})
		})
	}
}

// The answer to a failed login takes longer each time, counted over all connections from an
// address. Clients with the right password do not wait, nor do those that are logged in.
func TestLoginPause(t *testing.T) {
	bubble(t, asking(), func(t *testing.T, s *Server) {
		guest := connect(t, s)
		guest.send(rightLogin)
		guest.gets("STORED")
		for _, pause := range []time.Duration{0, 100, 200, 400, 800, 1600, 3200, 3200} {
			c := connect(t, s)
			began := time.Now()
			c.send(wrongLogin)
			if pause > 0 {
				pass(pause*time.Millisecond - 1)
				c.gets()
				guest.send("version")
				guest.gets("VERSION " + Version)
				pass(1)
			}
			c.gets(loginFailed)
			if waited := time.Since(began); waited != pause*time.Millisecond {
				t.Errorf("waited %v, want %v ms", waited, int64(pause))
			}
			c.send(rightLogin)
			c.gets("STORED")
		}
		pass(forgiveAfter + 1)
		c := connect(t, s)
		c.send(wrongLogin)
		c.gets(loginFailed)
	})
}

// A pause does not delay a shutdown.
func TestShutdownInALoginPause(t *testing.T) {
	bubble(t, asking(), func(t *testing.T, s *Server) {
		c := connect(t, s)
		for range 3 {
			c.send(wrongLogin)
		}
		c.gets(loginFailed)
		began := time.Now()
		must(t, s.Shutdown(context.Background()))
		if took := time.Since(began); took > 0 {
			t.Errorf("took %v", took)
		}
	})
}

func TestLoginTime(t *testing.T) {
	bubble(t, asking(), func(t *testing.T, s *Server) {
		silent, babbling, known := connect(t, s), connect(t, s), connect(t, s)
		known.send(rightLogin)
		for range int(loginTime/time.Second) - 1 {
			pass(time.Second)
			babbling.send("version")
		}
		if silent.isClosed() || babbling.isClosed() {
			t.Error("closed too soon")
		}
		pass(3 * time.Second)
		if !silent.isClosed() || !babbling.isClosed() || known.isClosed() {
			t.Errorf("closed: silent %v, babbling %v, known %v", silent.isClosed(), babbling.isClosed(), known.isClosed())
		}
	})
}

// Wrong passwords are logged, at most once a second, and without the password.
func TestLoginLog(t *testing.T) {
	var log bytes.Buffer
	config := asking()
	config.Logger = zerolog.New(&log)
	bubble(t, config, func(t *testing.T, s *Server) {
		for range 3 {
			connect(t, s).send(wrongLogin)
		}
		pass(2 * time.Second)
		connect(t, s).send(wrongLogin)
		pass(time.Second)
	})
	want := `{"level":"warn","client":"pipe","failures":1,"unlogged":0,"message":"wrong user or password"}
{"level":"warn","client":"pipe","failures":4,"unlogged":2,"message":"wrong user or password"}
`
	if log.String() != want {
		t.Errorf("got\n%swant\n%s", &log, want)
	}
}

// On sockets a loop serves others while a client waits for its refusal.
func TestLoginPauseOnSockets(t *testing.T) {
	onSockets(t, func(t *testing.T, network string) {
		config := asking()
		config.Settings.Threads = 1
		_, dial := listening(t, network, config)
		var wrong []*socketClient
		for range 4 {
			c := dial()
			c.send(wrongLogin)
			wrong = append(wrong, c)
		}
		c := dial()
		c.send(rightLogin, "version")
		c.gets("STORED", "VERSION "+Version)
		for _, c := range wrong {
			c.gets(loginFailed)
		}
	})
}

func TestGuardNetworks(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7":         "192.0.2.7/32",
		"::ffff:192.0.2.7":  "192.0.2.7/32",
		"2001:db8:1:2:3::4": "2001:db8:1:2::/64",
		"fe80::1%eth0":      "fe80::/64",
	} {
		ip, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(address, "1"))
		must(t, err)
		if got := network(ip).String(); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if got := network(&net.UnixAddr{Name: "@", Net: "unix"}); got.IsValid() {
		t.Errorf("a Unix socket: %v", got)
	}
}

// The guard's memory is bounded.
func TestGuardForgets(t *testing.T) {
	g := newGuard()
	for i := range 2 * guardedFrom {
		g.failed(&net.TCPAddr{IP: net.IPv4(10, byte(i>>16), byte(i>>8), byte(i))}, time.Now())
	}
	if n := g.wrong.Len(); n != guardedFrom {
		t.Errorf("%d addresses are remembered", n)
	}
}
