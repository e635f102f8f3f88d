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

// Certificates are those that ServeTLS shows, and that refresh_certs is about.
type Certificates interface {
	// Refresh reads them again. What is wrong with them is told to the client.
	Refresh() error
	// Loaded is when those in use were read.
	Loaded() time.Time
}

// A tlsWire carries TLS, and knows whether the client has sent anything. One goroutine
// reads it, the connection's.
type tlsWire struct {
	net.Conn
	heard bool
}

func (t *tlsWire) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.heard = t.heard || n > 0
	return n, err
}

// SyscallConn leads to the socket.
func (t *tlsWire) SyscallConn() (syscall.RawConn, error) {
	if socket, ok := t.Conn.(syscall.Conn); ok {
		return socket.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// shakeHands reports whether the client may go on: it speaks TLS, if it has to, and
// has the certificate that is asked for.
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
			return false // a probe of the port, or a connection kept in reserve: nothing went wrong
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

// wire is what carries a stream: the TCP connection below TLS.
func (s *stream) wire() net.Conn {
	if t, ok := s.nc.(*tls.Conn); ok {
		return t.NetConn()
	}
	return s.nc
}

// goodbyeTime is how long after the end of TLS that of TCP is waited for.
const goodbyeTime = time.Second

// seeOff waits for the end of TCP behind the end of TLS. Only that tells whether the
// client had taken what it was sent; one that has stopped sending may wait for ours.
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

// noteTLSError counts what breaks TLS, in contrast to TCP, behind the handshake.
func (s *stream) noteTLSError() {
	_, notTLS := errors.AsType[tls.RecordHeaderError](s.conn.readErr)
	op, ok := errors.AsType[*net.OpError](s.conn.readErr)
	if notTLS || ok && (op.Op == "local error" || op.Op == "remote error") {
		s.conn.srv.counts.tlsErrors.Add(1)
	}
}
