package client

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"
)

// A path that is cut is noticed in five seconds, also while nothing is sent because a
// claim waits in line: by keep-alives, and by what was sent and is not acknowledged.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 3 * time.Second, Interval: time.Second, Count: 2}

const userTimeout = 5 * time.Second

// tcpOrUnix makes plain connections to an address, or to the path of a socket.
var tcpOrUnix = net.Dialer{KeepAliveConfig: keepAlive, Control: func(network, _ string, conn syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	return setUserTimeout(conn, userTimeout)
}}

// lookupIP is replaced by tests.
var lookupIP = net.DefaultResolver.LookupNetIP

// connect makes a plain connection. A name is looked up now, and all its addresses are
// tried.
func connect(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || !strings.HasPrefix(network, "tcp") {
		return tcpOrUnix.DialContext(ctx, network, addr)
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return tcpOrUnix.DialContext(ctx, network, addr)
	}
	ips, err := lookupIP(ctx, "ip"+strings.TrimPrefix(network, "tcp"), host)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	addrs := make([]string, len(ips))
	for i, ip := range ips {
		addrs[i] = net.JoinHostPort(ip.Unmap().String(), port)
	}
	return connectToAny(ctx, network, addrs)
}

// longestHeadStart is how long an address is tried alone, before the next one is tried
// beside it. RFC 8305 recommends 250 ms. It is shorter if the time is short, so that
// each of them has a try.
const longestHeadStart = 250 * time.Millisecond

func headStart(ctx context.Context, addresses int) time.Duration {
	end, bounded := ctx.Deadline()
	if !bounded {
		return longestHeadStart
	}
	return min(longestHeadStart, time.Until(end)/time.Duration(addresses+1))
}

// connectToAny tries the addresses one after the other, in the order of the resolver,
// and returns the first connection that is made.
func connectToAny(ctx context.Context, network string, addrs []string) (net.Conn, error) {
	racing, cancel := context.WithCancel(ctx)
	defer cancel() // the others
	type outcome struct {
		conn net.Conn
		err  error
	}
	outcomes := make(chan outcome)
	try := func(addr string) {
		conn, err := tcpOrUnix.DialContext(racing, network, addr)
		select {
		case outcomes <- outcome{conn, err}:
		case <-racing.Done():
			if err == nil {
				_ = conn.Close()
			}
		}
	}
	var failed dialErrors
	pause, next := headStart(ctx, len(addrs)), time.NewTimer(0)
	defer next.Stop()
	for untried := addrs; len(failed) < len(addrs); {
		select {
		case <-next.C:
			if len(untried) > 0 {
				go try(untried[0])
				untried = untried[1:]
				next.Reset(pause)
			}
		case one := <-outcomes:
			if one.err == nil {
				return one.conn, nil
			}
			failed = append(failed, one.err)
			next.Reset(0)
		case <-ctx.Done():
			return nil, failed.with(network, ctx.Err())
		}
	}
	return nil, failed.with(network, nil)
}

// dialErrors are why no address of a name could be reached.
type dialErrors []error

// with makes one error of them, and of what ended the tries, if anything did.
func (all dialErrors) with(network string, end error) error {
	if errors.Is(end, context.DeadlineExceeded) {
		end = os.ErrDeadlineExceeded
	}
	switch {
	case end == nil && len(all) == 1:
		return all[0]
	case len(all) == 0:
		return &net.OpError{Op: "dial", Net: network, Err: end}
	case end != nil:
		all = append(all, end)
	}
	return &net.OpError{Op: "dial", Net: network, Err: all}
}

func (all dialErrors) Error() string {
	texts := make([]string, len(all))
	for i, err := range all {
		texts[i] = strings.TrimPrefix(err.Error(), "dial ")
	}
	return strings.Join(texts, "; ")
}

func (all dialErrors) Unwrap() []error { return all }
