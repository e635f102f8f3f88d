package client

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// A link that is cut is noticed in half a minute, also while nothing is sent because
// a claim waits in line.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4}

// errChanged: there is another kind of server than there was.
var errChanged = errors.New("client: another kind of server has taken the address")

// dial makes a connection: encrypted, and with the password said, if there is one, and
// to a server of the kind that we take it for. What is a claim that waits to lockcached,
// a plain memcached would store under a key that means nothing.
func (c *Client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	conn, err := c.connect(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	met, err := c.greet(conn)
	if err == nil {
		err = c.peer(addr, address{network, addr}).meet(met)
	}
	if err != nil {
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

// greet says who we are and asks what the server is.
func (c *Client) greet(conn net.Conn) (kind, error) {
	if err := conn.SetDeadline(time.Now().Add(c.config.Timeout)); err != nil {
		return unknown, err
	}
	answers := bufio.NewReader(conn)
	if c.config.User != "" {
		if err := c.authenticate(conn, answers); err != nil {
			return unknown, err
		}
	}
	// Of a lock that nobody takes, the answer is 0 from lockcached, a miss from memcached.
	if _, err := fmt.Fprintf(conn, "get %s%s\r\n", retryPrefix, "nobody"); err != nil {
		return unknown, err
	}
	met := plain
	for {
		line, err := answers.ReadString('\n')
		switch line = strings.TrimSpace(line); {
		case err != nil:
			return unknown, err
		case line == "END":
			return met, nil
		case strings.HasPrefix(line, "VALUE "):
			met = lockcached
		case strings.Contains(line, "ERROR"):
			return unknown, fmt.Errorf("memcache: unexpected line in get response: %q", line)
		}
	}
}

// authenticate says user and password as memcached wants it: by a set whose key does
// not matter.
func (c *Client) authenticate(conn net.Conn, answers *bufio.Reader) error {
	words := c.config.User + " " + c.config.Password
	if _, err := fmt.Fprintf(conn, "set auth 0 0 %d\r\n%s\r\n", len(words), words); err != nil {
		return err
	}
	answer, err := answers.ReadString('\n')
	if err != nil {
		return err
	}
	if answer = strings.TrimSpace(answer); answer != "STORED" {
		return fmt.Errorf("%w: user %s at %s: %s", ErrRefused, c.config.User, conn.RemoteAddr(), answer)
	}
	return nil
}
