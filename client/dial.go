package client

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"
)

// dialer makes connections: encrypted, and with the password said, if there is one.
type dialer struct {
	timeout        time.Duration
	tls            *tls.Config
	user, password string
}

// A link that is cut is noticed in half a minute, also while nothing is sent because
// a claim waits in line.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4}

func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	plain := net.Dialer{KeepAliveConfig: keepAlive}
	var conn net.Conn
	var err error
	if d.tls != nil {
		conn, err = (&tls.Dialer{NetDialer: &plain, Config: d.tls}).DialContext(ctx, network, addr)
	} else {
		conn, err = plain.DialContext(ctx, network, addr)
	}
	if err != nil {
		return nil, err
	}
	if d.user == "" {
		return conn, nil
	}
	if err := d.authenticate(conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// authenticate says who we are, as memcached wants it: by a set whose key does not
// matter.
func (d *dialer) authenticate(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(d.timeout)); err != nil {
		return err
	}
	words := d.user + " " + d.password
	if _, err := fmt.Fprintf(conn, "set auth 0 0 %d\r\n%s\r\n", len(words), words); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if answer = strings.TrimSpace(answer); answer != "STORED" {
		return fmt.Errorf("%w: user %s at %s: %s", ErrRefused, d.user, conn.RemoteAddr(), answer)
	}
	return nil
}
