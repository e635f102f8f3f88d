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

// A link that is cut is noticed in half a minute, also while nothing is sent because
// a claim waits in line.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4}

// dial makes a connection: encrypted, and with the password said, if there is one.
func (c *Client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	conn, err := c.connect(ctx, network, addr)
	if err != nil || c.config.User == "" {
		return conn, err
	}
	if err := c.authenticate(conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func (c *Client) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	plain := &net.Dialer{KeepAliveConfig: keepAlive}
	if c.config.TLS == nil {
		return plain.DialContext(ctx, network, addr)
	}
	return (&tls.Dialer{NetDialer: plain, Config: c.config.TLS}).DialContext(ctx, network, addr)
}

// authenticate says user and password as memcached wants it: by a set whose key does
// not matter.
func (c *Client) authenticate(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(c.config.Timeout)); err != nil {
		return err
	}
	words := c.config.User + " " + c.config.Password
	if _, err := fmt.Fprintf(conn, "set auth 0 0 %d\r\n%s\r\n", len(words), words); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if answer = strings.TrimSpace(answer); answer != "STORED" {
		return fmt.Errorf("%w: user %s at %s: %s", ErrRefused, c.config.User, conn.RemoteAddr(), answer)
	}
	return nil
}
