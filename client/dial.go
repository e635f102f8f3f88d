package client

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// A Dialer makes connections as a Client does, for those who speak with servers by
// themselves: DialContext goes into a memcache.Client. A name in the address is looked
// up for each connection, and all its addresses are tried; they must belong to the same
// server.
type Dialer struct {
	// Timeout bounds all until the connection can be used. 0 means
	// memcache.DefaultTimeout.
	Timeout time.Duration
	// TLS encrypts. nil means not. Without a ServerName the server's certificate has to
	// be for the host in the address. memcache.New makes an IP address of a name:
	// NewServerList keeps it.
	TLS *tls.Config
	// Dial makes the connection that all else goes over. nil means TCP or a Unix socket.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// User and Password are for memcached's ASCII authentication; "" for a user means
	// none. A user has no spaces, and neither has line ends.
	User, Password string
}

// DialContext makes a connection: encrypted, and with the password said, if there is
// one. A server that does not let us in is ErrRefused; with TLS 1.3 that may be an error
// of the connection's first Read.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(d.Timeout, memcache.DefaultTimeout))
	defer cancel()
	conn, err := d.connect(ctx, network, addr)
	if err != nil || d.User == "" {
		return conn, err
	}
	if err := d.authenticate(ctx, conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func (d *Dialer) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	dial := d.Dial
	if dial == nil {
		dial = connect
	}
	conn, err := dial(ctx, network, addr)
	if err != nil || d.TLS == nil {
		return conn, err
	}
	secured := tls.Client(conn, d.configFor(addr))
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, refused(err, addr)
	}
	return encrypted{secured}, nil
}

// configFor is the configuration for a server: its certificate has to be for the host
// that is dialled, unless ServerName says otherwise.
func (d *Dialer) configFor(addr string) *tls.Config {
	if d.TLS.ServerName != "" {
		return d.TLS
	}
	config := d.TLS.Clone()
	config.ServerName = addr
	if host, _, err := net.SplitHostPort(addr); err == nil {
		config.ServerName = host
	}
	return config
}

// authenticate says user and password as memcached wants it: by a set whose key does
// not matter.
func (d *Dialer) authenticate(ctx context.Context, conn net.Conn) error {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	words := d.User + " " + d.Password
	if _, err := fmt.Fprintf(conn, "set auth 0 0 %d\r\n%s\r\n", len(words), words); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return fmt.Errorf("no answer to the login of %s, which may mean a wrong password: %w", d.User, err)
	}
	switch answer = strings.TrimSpace(answer); {
	case answer == "STORED":
		return conn.SetDeadline(time.Time{})
	case strings.HasPrefix(answer, "CLIENT_ERROR"):
		return fmt.Errorf("%w: user %s at %s: %s", ErrRefused, d.User, conn.RemoteAddr(), answer)
	}
	return fmt.Errorf("the login of %s was answered %q", d.User, answer) // too many connections, for one
}

// An encrypted connection tells a refusal from a fault. A server that speaks TLS 1.3
// looks at our certificate when we believe to be in already.
type encrypted struct{ net.Conn }

func (e encrypted) Read(b []byte) (int, error) {
	n, err := e.Conn.Read(b)
	if err != nil {
		err = refused(err, e.RemoteAddr().String())
	}
	return n, err
}

// refused makes ErrRefused of what is an alert of the server's. crypto/tls has no type
// of its own for that.
func refused(err error, addr string) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return fmt.Errorf("%w: %s: %w", ErrRefused, addr, op.Err)
	}
	return err
}
