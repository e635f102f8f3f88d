package command

import (
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/client"
)

// serverEnv names the servers if there is no --server.
const serverEnv = "LOCKCACHED_SERVER"

// defaultTimeout bounds one request of a command. It gives a server time to go through a million
// locks.
const defaultTimeout = 3 * time.Second

// A remote is the servers that a command asks, and how.
type remote struct {
	access
	servers []string // host:port, or the path of a Unix socket
	timeout time.Duration
	json    bool
}

func newRemote() remote { return remote{timeout: defaultTimeout} }

// options are the flags of all commands that talk to servers.
func (r *remote) options() []option {
	return append(r.serverOptions(), option{
		long: "timeout", arg: "duration", usage: "how long a server may take to answer (default: " + defaultTimeout.String() + ")",
		take: positive(&r.timeout),
	}, option{
		long: "json", usage: "print one JSON document, with the protocol's names",
		take: turnOn(&r.json),
	})
}

// serverOptions are the flags that say where the servers are, and how to be let in.
func (r *remote) serverOptions() []option {
	return append([]option{{
		long: "server", arg: "addr", many: true,
		usage:    "host, host:port or path of a Unix socket (default: $" + serverEnv + ")",
		variable: serverEnv,
		take:     r.addServer,
	}}, r.access.options()...)
}

// addServer takes one address. A server that is named twice is asked once.
func (r *remote) addServer(text string) error {
	addr := text
	if !strings.Contains(text, "/") {
		a, err := argv.ParseAddress(text)
		if err != nil || a.Host == "*" {
			return errors.New("should be host, host:port, [IPv6]:port or the path of a Unix socket, such as localhost:11211")
		}
		if !a.HasPort {
			a.Port = argv.DefaultPort
		}
		addr = net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
	}
	if !slices.Contains(r.servers, addr) {
		r.servers = append(r.servers, addr)
	}
	return nil
}

// finish fills in the server that neither a flag nor a variable named, and checks what
// depends on more than one flag.
func (r *remote) finish() error {
	if len(r.servers) == 0 {
		r.servers = []string{net.JoinHostPort(argv.DefaultHost, strconv.Itoa(argv.DefaultPort))}
	}
	return r.access.finish(r.servers)
}

// dialer makes connections to the servers.
func (r *remote) dialer() *client.Dialer {
	return &client.Dialer{Timeout: r.timeout, TLS: r.tls, User: r.user, Password: r.password}
}

// memcached is an ordinary client of one server.
func (r *remote) memcached(server string) *memcache.Client {
	mc := memcache.New(server)
	mc.Timeout, mc.DialContext = r.timeout, r.dialer().DialContext
	return mc
}
