package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// Config is what a Client needs to know. One of Servers, Cluster and Memcache is required.
type Config struct {
	// Servers are host:port or paths of Unix sockets; see ParseServer. Keys are spread
	// over several by gomemcache's hash, by their order: all clients have to list them in
	// the same one. A name is looked up for each connection, and all its addresses are
	// tried; they must belong to the same server.
	Servers []string
	// Cluster are addresses of nodes of one lockcached cluster, as ParseServer reads them, in any
	// order. The nodes tell about each other, so that one suffices; but a Client begins with
	// those that are listed, and one of them has to be there then.
	//
	// It is a field of its own because a list does not show what it is. Several servers share
	// the keys among themselves, and the nodes of a cluster serve every key together. If a list
	// of servers were taken for a cluster by one client and not by another, both could get the
	// same lock. So it is said, and it is checked: every connection begins with the question
	// which cluster this is, and a server that belongs to none, or to another one than the
	// first, gets no request.
	Cluster []string
	// Memcache is used instead of Servers; it stays the caller's, who closes it. Waits
	// in line are cut into slices shorter than its Timeout. When a server is lost, its
	// idle connections are closed.
	Memcache *memcache.Client
	// Selector is the one that Memcache was made with, so that faults of one server do
	// not concern the others. With nil all servers of Memcache share their fate.
	Selector memcache.ServerSelector
	// Timeout bounds one request, not the wait in line. 0 means that of Memcache, or
	// memcache.DefaultTimeout; with Cluster it means DefaultClusterTimeout, and should be longer
	// than the cluster's patience (--cluster-patience): for so long a node tries to have a
	// request answered whose owner was lost.
	Timeout time.Duration
	// MaxIdleConns bounds, with Servers, the idle connections to one server. 0 means
	// memcache.DefaultMaxIdleConns.
	MaxIdleConns int
	// TLS encrypts, with Servers, the connections. nil means not. Without a ServerName
	// the certificates have to be for the hosts in Servers.
	TLS *tls.Config
	// Dial makes, with Servers, the connections that TLS and the login go over, such as
	// through a tunnel. nil means TCP or a Unix socket.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// User and Password are, with Servers, for memcached's ASCII authentication.
	User, Password string
	// TTL is how long a lock lasts that is not told, see the option TTL. 0 means
	// DefaultTTL.
	TTL time.Duration
	// Strategy is how a claim goes on that was refused. The zero value chooses.
	Strategy Strategy
	// Owner says who claims, for those who look at the lock: the first 32 bytes of it
	// begin the value that is stored. "" means the host's name and the process id.
	Owner string
	// Tries is how often a request is made while its server is away, 1 to 10. 0 means
	// DefaultTries, the fewest with which a server may be away for a second.
	Tries int
	// Logger gets a warning for every retry and for every lock that is lost. nil means
	// none. A zerolog.Logger is handed in as slog.New(zerolog.NewSlogHandler(logger)).
	Logger *slog.Logger
	// Observers are told what the Client does: clientmetrics.New makes one for Prometheus,
	// clienttrace.New one for OpenTelemetry.
	Observers []Observer
}

// What the zero values of a Config stand for.
const (
	DefaultTTL   = 30 * time.Second
	DefaultTries = 5
	// DefaultClusterTimeout is the default patience of a cluster, and a second.
	DefaultClusterTimeout = 3 * time.Second
)

const (
	maxTries = 10
	maxOwner = 32 // bytes
)

// check fills in the defaults and says what is wrong.
func (c *Config) check() error {
	switch {
	case len(c.Cluster) > 0 && (len(c.Servers) > 0 || c.Memcache != nil):
		return errors.New("client: Config.Cluster excludes Config.Servers and Config.Memcache")
	case len(c.Servers) == 0 && len(c.Cluster) == 0 && c.Memcache == nil:
		return errors.New("client: Config.Servers is empty, and there is neither Config.Cluster nor Config.Memcache")
	case len(c.Servers) > 0 && c.Memcache != nil:
		return errors.New("client: Config.Servers and Config.Memcache exclude each other")
	case c.Selector != nil && c.Memcache == nil:
		return errors.New("client: Config.Selector goes with Config.Memcache")
	case CheckTTL(c.TTL) != nil:
		return fmt.Errorf("client: Config.TTL is %v: %w", c.TTL, ErrTTL)
	case c.Tries < 0 || c.Tries > maxTries:
		return fmt.Errorf("client: Config.Tries is %d, want 1 to %d", c.Tries, maxTries)
	case c.Timeout < 0:
		return fmt.Errorf("client: Config.Timeout is %v, want more than 0", c.Timeout)
	case strings.ContainsAny(c.User, " \r\n") || strings.ContainsAny(c.Password, "\r\n"):
		return errors.New("client: Config.User or Config.Password has characters that the protocol cannot carry")
	}
	if c.Memcache != nil {
		c.Timeout = cmp.Or(c.Timeout, c.Memcache.Timeout)
	}
	if len(c.Cluster) > 0 {
		c.Timeout = cmp.Or(c.Timeout, DefaultClusterTimeout)
	}
	c.Timeout = cmp.Or(c.Timeout, memcache.DefaultTimeout)
	c.TTL = cmp.Or(c.TTL, DefaultTTL)
	c.Tries = cmp.Or(c.Tries, DefaultTries)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Owner == "" {
		host, _ := os.Hostname() // nameless, if it has none
		c.Owner = fmt.Sprintf("%.24s:%d", host, os.Getpid())
	}
	return nil
}
