package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

// handshakeTime bounds a handshake, from the connection's start.
const handshakeTime = 10 * time.Second

// Certificates are the ones that ServeTLS uses and that refresh_certs reads again.
type Certificates interface {
	// Refresh reads them again. The client gets the error's text.
	Refresh() error
	// Loaded returns when the certificates in use were read.
	Loaded() time.Time
}

// A tlsWire carries TLS, and knows whether the client has sent anything. Only the
// connection's goroutine reads it.
type tlsWire struct {
	net.Conn
	heard bool
}

func (t *tlsWire) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.heard = t.heard || n > 0
	return n, err
}

// SyscallConn gives access to the socket.
func (t *tlsWire) SyscallConn() (syscall.RawConn, error) {
	if socket, ok := t.Conn.(syscall.Conn); ok {
		return socket.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// shakeHands does the TLS handshake, if the stream has one. It reports whether the connection
// goes on.
func (s *stream) shakeHands() bool {
	srv := s.conn.srv
	t, ok := s.nc.(*tls.Conn)
	if !ok {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		srv.counts.handshakeErrors.Add(1)
		if wire, ok := t.NetConn().(*tlsWire); ok && !wire.heard {
			return false // a probe of the port, or a connection opened in reserve: nothing went wrong
		}
		if unlogged, ok := srv.badHandshakes.due(); ok {
			srv.config.Logger.Warn().Err(err).Stringer("client", s.nc.RemoteAddr()).
				Int("unlogged", unlogged).Msg("TLS handshake failed")
		}
		return false
	}
	if !t.ConnectionState().DidResume {
		srv.counts.sessions.Add(1)
	}
	return true
}

// wire is the connection that carries the stream: below TLS, the TCP connection.
func (s *stream) wire() net.Conn {
	if t, ok := s.nc.(*tls.Conn); ok {
		return t.NetConn()
	}
	return s.nc
}

// goodbyeTime is how long seeOff waits for the end of TCP after the end of TLS.
const goodbyeTime = time.Second

// seeOff waits for the end of TCP after the end of TLS. Only the end of TCP tells whether the
// client had read what it was sent. The wait is bounded, because a client that has only
// stopped sending may itself wait for our end.
func (s *stream) seeOff() error {
	t, ok := s.nc.(*tls.Conn)
	if !ok || s.conn.readErr != io.EOF {
		return s.conn.readErr
	}
	tcp := t.NetConn()
	_ = tcp.SetReadDeadline(time.Now().Add(goodbyeTime))
	if _, err := io.Copy(io.Discard, tcp); broken(err) {
		return err
	}
	return io.EOF
}

// noteTLSError counts errors of TLS, not of TCP, after the handshake.
func (s *stream) noteTLSError() {
	_, notTLS := errors.AsType[tls.RecordHeaderError](s.conn.readErr)
	op, ok := errors.AsType[*net.OpError](s.conn.readErr)
	if notTLS || ok && (op.Op == "local error" || op.Op == "remote error") {
		s.conn.srv.counts.tlsErrors.Add(1)
	}
}
