package server

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// certificates can be refreshed at any time, unless err is set.
type certificates struct {
	loaded time.Time
	err    error
}

func (c *certificates) Loaded() time.Time { return c.loaded }

func (c *certificates) Refresh() error {
	if c.err == nil {
		c.loaded = time.Now()
	}
	return c.err
}

// A handshake that makes no progress is given up, and keeps no other client waiting.
func TestHandshakeTime(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		near, far := net.Pipe()
		go s.ServeConn(tls.Server(far, &tls.Config{}))
		silent := &pipeClient{t: t, conn: near}
		go silent.read()
		other := connect(t, s)
		pass(handshakeTime - 1)
		other.send("version")
		other.gets("VERSION " + Version)
		if silent.isClosed() {
			t.Error("given up too soon")
		}
		pass(1)
		if n := s.counts.handshakeErrors.Load(); !silent.isClosed() || n != 1 {
			t.Errorf("closed: %v, %d bad handshakes", silent.isClosed(), n)
		}
	})
}

// A shutdown does not wait for handshakes.
func TestShutdownInAHandshake(t *testing.T) {
	s, dial := listening(t, "tls", Config{})
	silent := dial()
	eventually(t, "a connection", func() bool { return s.Snapshot().Connections == 1 })
	must(t, s.Shutdown(t.Context()))
	if _, err := silent.raw.Read(make([]byte, 1)); err == nil {
		t.Error("still open")
	}
}

func TestPlainTextInsteadOfTLS(t *testing.T) {
	s, dial := listening(t, "tls", Config{})
	c := dial()
	_, err := c.raw.Write([]byte("version\r\n"))
	must(t, err)
	eventually(t, "a bad handshake", func() bool { return s.counts.handshakeErrors.Load() == 1 })
}

// A logBuffer collects a server's log, for several goroutines.
type logBuffer struct {
	mu   sync.Mutex // guards what follows
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Clients that connect to see whether the port is open, and send nothing, are counted, but not
// logged as warnings.
func TestProbesOfTLSAreSilent(t *testing.T) {
	var log logBuffer
	s, dial := listening(t, "tls", Config{Logger: zerolog.New(&log)})
	must(t, dial().raw.Close())
	reset := dial()
	must(t, reset.raw.(*net.TCPConn).SetLinger(0))
	must(t, reset.raw.Close())
	eventually(t, "two probes", func() bool { return s.counts.handshakeErrors.Load() == 2 })
	if text := log.String(); text != "" {
		t.Errorf("probes: %s", text)
	}
	started := dial()
	_, err := started.raw.Write([]byte{22, 3, 1}) // the beginning of a handshake
	must(t, err)
	must(t, started.raw.Close())
	eventually(t, "a handshake that was broken off", func() bool { return strings.Contains(log.String(), "TLS handshake failed") })
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, `"unlogged":0`) {
		t.Errorf("probes were counted: %s", text)
	}
}

// Garbage after a good handshake is counted as an error of TLS.
func TestBrokenTLS(t *testing.T) {
	s, dial := listening(t, "tls", Config{})
	c := dial()
	c.send("version")
	c.gets("VERSION " + Version)
	_, err := c.raw.Write([]byte("version\r\n"))
	must(t, err)
	eventually(t, "a broken connection", func() bool { return s.counts.tlsErrors.Load() == 1 })
}

func TestTLSStats(t *testing.T) {
	config := Config{Certificates: &certificates{loaded: time.Now()}}
	config.Settings.TLS = TLSSettings{Chain: "cert.pem", Key: "key.pem", VerifyMode: 3, SessionCache: true, MinVersion: tls.VersionTLS13}
	_, dial := listening(t, "tls", config)
	c := dial()
	for what, want := range map[string][]string{
		"stats": {"ssl_new_sessions 1", "ssl_handshake_errors 0", "ssl_proto_errors 0", "time_since_server_cert_refresh 0"},
		"stats settings": {"ssl_enabled yes", "ssl_chain_cert cert.pem", "ssl_key key.pem", "ssl_verify_mode 3", "ssl_keyformat 1",
			"ssl_ciphers NULL", "ssl_ca_cert NULL", "ssl_wbuf_size 16384", "ssl_session_cache yes", "ssl_kernel_tls no", "ssl_min_version tlsv1.3"},
	} {
		c.send(what)
		var got []string
		for {
			line, err := c.in.ReadString('\n')
			must(t, err)
			if line == "END\r\n" {
				break
			}
			got = append(got, strings.TrimPrefix(strings.TrimSpace(line), "STAT "))
		}
		for _, line := range want {
			if !slices.Contains(got, line) {
				t.Errorf("%s lacks %s", what, line)
			}
		}
	}
}

func TestRefreshCerts(t *testing.T) {
	kept := &certificates{}
	bubble(t, Config{Certificates: kept}, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.send("refresh_certs")
		c.gets("OK")
		if kept.loaded.IsZero() {
			t.Error("not refreshed")
		}
		kept.err = errors.New("no such\r\nfile")
		c.send("refresh_certs", "version")
		c.gets("Error no such file", "VERSION "+Version)
	})
}

// When the server closes a TLS connection it says so in TLS: OpenSSL takes anything else for an
// attack.
func TestTLSGoodbye(t *testing.T) {
	_, dial := listening(t, "tls", Config{IdleTimeout: time.Millisecond})
	eventually(t, "a request is answered before its client is idle", func() bool {
		c := dial()
		if _, err := io.WriteString(c, "version\r\n"); err != nil {
			return false
		}
		got, err := io.ReadAll(c.in)
		must(t, err)
		return string(got) == "VERSION "+Version+"\r\n"
	})
}

// A client that asks for more answers than it reads delays only itself.
func TestDeafTLSClient(t *testing.T) {
	s, dial := listening(t, "tls", Config{})
	holder, deaf, next := dial(), dial(), dial()
	holder.send("add lock 0 600 1", "x")
	holder.gets("STORED")
	value := strings.Repeat("x", 500_000)
	deaf.send("set big 0 0 500000", value)
	deaf.gets("STORED")
	deaf.send(strings.Repeat("get big\r\n", 50) + "add lockcached:wait=5m:lock 0 600 1\r\ny")
	next.send("add lockcached:wait=5m:lock 0 600 1", "z")
	s.waitForLine(t, 1) // only next: the claim of deaf has not been read
	holder.send("delete lock")
	holder.gets("DELETED")
	next.gets("STORED")
}
